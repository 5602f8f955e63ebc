//! The table for people.

use crate::{command, fixture, stdout};

#[test]
fn three_tensors_at_80_columns() {
    assert_eq!(
        stdout(&["show", "--map-location", "cuda:1", &fixture("root_list.pt")]),
        "\
name  dtype    shape  device         size
0     float32  [2]    cpu -> cuda:1   8 B
1.x   float32  [3]    cpu -> cuda:1  12 B
2.0   float32  [1]    cpu -> cuda:1   4 B

tensors     3
elements    6
bytes       24 B; 24 B in 3 storages
device      cuda:1 (3)
dtype       float32 (3)
format      zip, version 3, root list
written by  torch 2.7 or later

other values (1)
  2.1 = 4
"
    );
}

#[test]
fn tensors_that_share_a_storage_are_marked() {
    assert_eq!(
        stdout(&["show", &fixture("tied.pt")]),
        "\
name                dtype    shape   device   size  notes
model.embed.weight  float32  [7, 4]  cpu     112 B  =1
model.body.weight   float32  [4, 4]  cpu      64 B  =2
model.body.bias     float32  [4]     cpu      16 B  =3
model.out.weight    float32  [7, 4]  cpu     112 B  =1
kept.embed.weight   float32  [7, 4]  cpu     112 B  param =1
kept.body.weight    float32  [4, 4]  cpu      64 B  param =2
kept.body.bias      float32  [4]     cpu      16 B  param =3
kept.out.weight     float32  [7, 4]  cpu     112 B  param =1
twice.0             float32  [2, 3]  cpu      24 B  =4
twice.1             float32  [2, 3]  cpu      24 B  =4
data                float32  [2, 3]  cpu      24 B  =4
p                   float32  [2]     cpu       8 B  param =5
p_again             float32  [2]     cpu       8 B  param =5
p_data              float32  [2]     cpu       8 B  =5
Tensors with the same =N share one storage.

tensors     14, of them 6 parameters
elements    176
bytes       704 B; 224 B in 5 storages (5 shared)
device      cpu (14)
dtype       float32 (14)
format      zip, version 3, root dict
written by  torch 2.7 or later
"
    );
}

#[test]
fn lines_fit_the_width() {
    for name in ["training_checkpoint.pt", "keys.pt", "all_dtypes.pt", "location_tags.pt", "values.pt", "deep.pt"] {
        for columns in [1, 20, 60, 80, 200] {
            for more in [&[][..], &["--sha256"], &["--all", "--map-location", "cuda:3"]] {
                let mut command = command();
                command.args(["show", &fixture(name)]).args(more).env("COLUMNS", columns.to_string());
                let output = command.output().unwrap();
                assert!(output.status.success());
                let text = String::from_utf8(output.stdout).unwrap();
                assert!(text.lines().count() > 5);
                for line in text.lines() {
                    // Every character that these files hold takes one column or two.
                    assert!(line.chars().count() <= columns, "{name} at {columns}: {line}");
                }
            }
        }
    }
}

#[test]
fn names_that_steer_a_terminal_are_escaped() {
    for name in ["values.pt", "keys.pt"] {
        let text = stdout(&["show", "--all", &fixture(name)]);
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{name}");
        assert!(!text.contains('\u{202e}'), "{name}");
    }
}

#[test]
fn many_values_are_cut_short_and_the_outermost_stay() {
    let short = stdout(&["show", &fixture("training_checkpoint.pt")]);
    assert!(short.contains("\nother values (62)\n"), "{short}");
    assert!(short.contains("  epoch = 12\n") && !short.contains("losses.11"), "{short}");
    assert!(short.contains("… and 42 more"), "{short}");
    let all = stdout(&["show", "--all", &fixture("training_checkpoint.pt")]);
    assert!(all.contains("losses.11 = ") && !all.contains(" more ("), "{all}");
}

#[test]
fn a_file_without_tensors_says_so() {
    let text = stdout(&["show", &fixture("root_int.pt")]);
    assert!(text.starts_with("tensors     none\n") && text.contains("\n  (root) = "), "{text}");
}
