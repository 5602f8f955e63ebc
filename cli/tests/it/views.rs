//! What `show` shows besides the listing: parts of it, other orders, the tree, shared storages.

use serde_json::{Value, json as value};

use crate::{command, fixture, json, stdout};

fn names(listing: &Value) -> Vec<&str> {
    listing["tensors"].as_array().unwrap().iter().map(|tensor| tensor["name"].as_str().unwrap()).collect()
}

#[test]
fn filters_take_names() {
    let file = fixture("training_checkpoint.pt");
    let whole = json(&["show", "--json", &file]);
    assert!(whole.get("left_out").is_none() && whole.get("tied").is_none() && whole.get("modules").is_none());
    let some = json(&["show", "--json", "--include", "model.*", "--include", "epoch", "--exclude", "*.bias", &file]);
    let wanted: Vec<&str> =
        names(&whole).into_iter().filter(|name| name.starts_with("model.") && !name.ends_with(".bias")).collect();
    assert!(wanted.len() > 3);
    assert_eq!(names(&some), wanted);
    assert_eq!(some["values"], value!([{"path": ["epoch"], "type": "int", "value": 12}]));
    let all = |key: &str| whole[key].as_array().unwrap().len();
    assert_eq!(some["left_out"], value!({"tensors": all("tensors") - wanted.len(), "values": all("values") - 1}));

    let text = stdout(&["show", "--include", "model.head.*", &file]);
    assert!(text.contains("\nleft out    ") && !text.contains("conv1") && !text.contains("\nother values"), "{text}");
}

#[test]
fn orders_are_of_the_file_of_names_and_of_sizes() {
    let file = fixture("training_checkpoint.pt");
    let whole = json(&["show", "--json", "--sort", "file", &file]);
    assert_eq!(names(&whole), names(&json(&["show", "--json", &file])));
    let by_size = json(&["show", "--json", "--sort", "size", &file]);
    let sizes: Vec<u64> =
        by_size["tensors"].as_array().unwrap().iter().map(|tensor| tensor["nbytes"].as_u64().unwrap()).collect();
    assert!(sizes.is_sorted_by(|a, b| a >= b) && sizes.first() > sizes.last());
    let by_name = json(&["show", "--json", "--sort", "name", &file]);
    let by_name = names(&by_name);
    assert!(
        by_name.iter().position(|n| *n == "optimizer.state.2.exp_avg")
            < by_name.iter().position(|n| *n == "optimizer.state.10.exp_avg")
    );
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    let texts = |names: &[&str]| sorted(names.iter().map(|&name| name.to_owned()).collect());
    assert_eq!(texts(&by_name), texts(&names(&whole)));
    // The values stay where they are.
    assert_eq!(by_size["values"], whole["values"]);
}

#[test]
fn a_tree_has_the_modules_and_their_sums() {
    assert_eq!(
        stdout(&["show", "--tree", "--include", "model.*", &fixture("tied.pt")]),
        "\
module              tensors  elements   size  dtype    shape
(all)                     4        76  304 B
└─ model                  4        76  304 B
   ├─ embed.weight                 28  112 B  float32  [7, 4]
   ├─ body                2        20   80 B
   │  ├─ weight                    16   64 B  float32  [4, 4]
   │  └─ bias                       4   16 B  float32  [4]
   └─ out.weight                   28  112 B  float32  [7, 4]

tensors     4
elements    76
bytes       304 B; 192 B in 3 storages (1 shared)
device      cpu (4)
dtype       float32 (4)
left out    10 tensors, by --include and --exclude
format      zip, version 3, root dict
written by  torch 2.7 or later
"
    );
}

#[test]
fn a_tree_can_be_cut() {
    let file = fixture("training_checkpoint.pt");
    let cut = stdout(&["show", "--tree", "--depth", "1", &file]);
    let rows = cut.lines().take_while(|line| !line.is_empty()).count();
    assert!(rows > 2 && rows < 8 && !cut.contains("conv1"), "{cut}");
    let output = crate::run(&["show", "--depth", "1", &file]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn modules_are_in_json() {
    let found = json(&["show", "--json", "--tree", &fixture("tied.pt")]);
    let modules = found["modules"].as_array().unwrap();
    assert_eq!(modules[0], value!({"name": "", "tensors": 14, "elements": 176, "nbytes": 704}));
    assert!(modules.contains(&value!({"name": "model.body", "tensors": 2, "elements": 20, "nbytes": 80})));
}

#[test]
fn shared_storages_are_listed() {
    let found = json(&["show", "--json", "--tied", &fixture("tied.pt")]);
    let groups = found["tied"].as_array().unwrap();
    assert_eq!(groups.len(), 5);
    let embedding = ["model.embed.weight", "model.out.weight", "kept.embed.weight", "kept.out.weight"];
    assert_eq!(groups[0], value!({"storage": 0, "nbytes": 112, "names": embedding}));
    let text = stdout(&["show", "--tied", &fixture("tied.pt")]);
    assert!(text.starts_with("=1 4 tensors in one storage of 112 B on cpu\n  name "), "{text}");
    let none = stdout(&["show", "--tied", &fixture("root_list.pt")]);
    assert!(none.starts_with("No two tensors share a storage.\n\ntensors     3\n"), "{none}");
}

#[test]
fn colours_are_for_terminals() {
    let file = fixture("tied.pt");
    for view in [&[][..], &["--tree"], &["--stats"], &["--tied"]] {
        let mut command = command();
        command.arg("show").args(view).arg(&file);
        let plain = command.output().unwrap().stdout;
        assert!(!plain.contains(&0x1b), "{view:?}");
        let coloured = String::from_utf8(command.env("CLICOLOR_FORCE", "1").output().unwrap().stdout).unwrap();
        assert!(coloured.contains("\u{1b}[1m"), "{view:?}");
        assert_eq!(anstream::adapter::strip_str(&coloured).to_string().into_bytes(), plain);
        assert_eq!(command.env("NO_COLOR", "1").output().unwrap().stdout, plain, "{view:?}");
    }
    // JSON never has them.
    let mut json = command();
    let output =
        json.args(["show", "--json", "--stats", "--tree", "--tied", &file]).env("CLICOLOR_FORCE", "1").output();
    assert!(!output.unwrap().stdout.contains(&0x1b));
}

#[test]
fn views_fit_the_width_and_cannot_steer_a_terminal() {
    for name in ["training_checkpoint.pt", "keys.pt", "all_dtypes.pt", "location_tags.pt", "values.pt", "deep.pt"] {
        for columns in [1, 20, 60, 80, 200] {
            for view in ["--tree", "--stats", "--tied"] {
                let mut command = command();
                command.args(["show", view, &fixture(name)]).env("COLUMNS", columns.to_string());
                let output = command.output().unwrap();
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                let text = String::from_utf8(output.stdout).unwrap();
                assert!(text.chars().all(|c| c == '\n' || !c.is_control()) && !text.contains('\u{202e}'), "{name}");
                for line in text.lines() {
                    assert!(line.chars().count() <= columns, "{name} {view} at {columns}: {line}");
                }
            }
        }
    }
}
