//! Files: shards, names, what is there already, and what is left when something goes wrong.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use torch_checkpoint::LoadOptions;

use super::memory::archive;
use super::{assert_has, dict, named};
use crate::usage::tempdir;
use crate::{command, fixture, fixtures, json, refusal, run, stdout};

fn listed(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

/// The same tensors, opened as a folder.
fn opens_as(folder: &Path, input: &str) {
    let (ours, theirs) = (dict(folder), dict(input));
    assert_eq!(ours.len(), theirs.len());
    for (name, tensor) in &theirs {
        assert_eq!((ours[name].dtype(), ours[name].shape()), (tensor.dtype(), tensor.shape()));
        assert_eq!(ours[name].bytes().unwrap(), tensor.bytes().unwrap(), "{name}");
    }
}

#[test]
fn shards_have_an_index_of_hugging_faces_form() {
    let input = fixture("trained_cnn_cuda.pt");
    let folder = tempdir("shards").join("new");
    let report = json(&["convert", &input, folder.to_str().unwrap(), "--max-shard-size", "1kB", "--json"]);
    let files = listed(&folder);
    let of = files.len() - 1;
    assert!(of > 1);
    let names: Vec<String> = (1..=of).map(|n| format!("model-{n:05}-of-{of:05}.safetensors")).collect();
    assert_eq!(files[..of], names);
    assert_eq!(files[of], "model.safetensors.index.json");
    assert_eq!(report["index"].as_str().unwrap(), folder.join(&files[of]).to_str().unwrap());

    let index: Value = serde_json::from_slice(&fs::read(folder.join(&files[of])).unwrap()).unwrap();
    let weights = dict(&input);
    let total: usize = weights.values().map(torch_checkpoint::Tensor::nbytes).sum();
    assert_eq!(index["metadata"], serde_json::json!({"total_size": total}));
    let map = index["weight_map"].as_object().unwrap();
    assert_eq!(map.len(), weights.len());
    for file in &names {
        let here = named(&weights).filter(|(name, _)| map[name] == **file);
        assert_has(&folder.join(file), here);
        // At most as large as asked, unless one tensor is larger.
        let sizes: Vec<usize> =
            weights.iter().filter(|(name, _)| map[*name] == **file).map(|(_, tensor)| tensor.nbytes()).collect();
        assert!(sizes.len() == 1 || sizes.iter().sum::<usize>() <= 1000, "{sizes:?}");
    }
    // The index keeps the order of the checkpoint.
    assert!(dict(&folder).keys().eq(weights.keys()));
    opens_as(&folder, &input);
}

#[test]
fn shards_take_their_name_from_a_file() {
    let folder = tempdir("shards_named");
    let out = folder.join("weights.safetensors");
    stdout(&["convert", &fixture("trained_cnn_cuda.pt"), out.to_str().unwrap(), "--max-shard-size", "2kB"]);
    let files = listed(&folder);
    assert!(files[0].starts_with("weights-00001-of-"), "{files:?}");
    assert_eq!(files.last().unwrap(), "weights.safetensors.index.json");
}

#[test]
fn one_shard_needs_no_index() {
    let folder = tempdir("one_shard");
    let text =
        stdout(&["convert", &fixture("trained_cnn_cuda.pt"), folder.to_str().unwrap(), "--max-shard-size", "1GB"]);
    assert_eq!(listed(&folder), ["model.safetensors"]);
    assert!(text.starts_with(folder.join("model.safetensors").to_str().unwrap()), "{text}");
    opens_as(&folder, &fixture("trained_cnn_cuda.pt"));
}

#[test]
fn shards_are_put_together_and_in_others() {
    let input = fixtures().join("sharded/three_shards_half_cuda").into_os_string().into_string().unwrap();
    let folder = tempdir("together");
    stdout(&["convert", &input, folder.to_str().unwrap()]);
    assert_eq!(listed(&folder), ["model.safetensors"]);
    assert_has(&folder.join("model.safetensors"), named(&dict(&input)));
}

#[test]
fn old_files_are_replaced_on_request_only() {
    let folder = tempdir("replaced");
    let out = folder.join("out.safetensors");
    let path = out.to_str().unwrap();
    fs::write(&out, "old").unwrap();
    let message = refusal(&["convert", &fixture("trained_cnn_cuda.pt"), path]);
    assert!(message.starts_with(&format!("error: {path}: ")) && message.contains("--force"), "{message}");
    assert_eq!(fs::read(&out).unwrap(), b"old");
    stdout(&["convert", &fixture("trained_cnn_cuda.pt"), path, "--force"]);
    assert_has(&out, named(&dict(fixture("trained_cnn_cuda.pt"))));
    // Onto itself: what is read is the old file.
    let before = fs::read(&out).unwrap();
    stdout(&["convert", path, path, "--force"]);
    assert!(fs::read(&out).unwrap() == before);
    assert_eq!(listed(&folder), ["out.safetensors"]);
}

#[test]
fn shards_of_another_number_go_and_everything_else_stays() {
    let folder = tempdir("other_number");
    let input = fixture("trained_cnn_cuda.pt");
    let convert = |size: &str, more: &[&str]| {
        run(&[&["convert", &input, folder.to_str().unwrap(), "--max-shard-size", size], more].concat())
    };
    fs::write(folder.join("config.json"), "{}").unwrap();
    fs::write(folder.join("model-00001-of-00009.bin"), "another's").unwrap();
    assert!(convert("1kB", &[]).status.success());
    let many = listed(&folder);
    assert_eq!(convert("2kB", &[]).status.code(), Some(1));
    assert_eq!(listed(&folder), many);
    assert!(convert("2kB", &["--force"]).status.success());
    let few = listed(&folder);
    assert!(few.len() < many.len() && few.contains(&"config.json".to_owned()), "{few:?}");
    assert!(few.contains(&"model-00001-of-00009.bin".to_owned()), "{few:?}");
    let shards: Vec<&String> = few.iter().filter(|name| name.ends_with(".safetensors")).collect();
    assert_eq!(shards.len(), few.len() - 3);
    assert!(shards.iter().all(|name| name.ends_with(&format!("-of-{:05}.safetensors", shards.len()))), "{few:?}");
    fs::remove_file(folder.join("model-00001-of-00009.bin")).unwrap();
    opens_as(&folder, &input);
    // The folder read and written at once.
    let all = ["convert", folder.to_str().unwrap(), folder.to_str().unwrap(), "--max-shard-size", "1GB", "--force"];
    assert!(run(&all).status.success());
    assert_eq!(listed(&folder), ["config.json", "model.safetensors"]);
    opens_as(&folder, &input);
}

#[test]
fn a_failed_conversion_leaves_nothing() {
    // The last record is damaged, which is found when it is unpacked.
    let folder = tempdir("failed");
    let input = folder.join("in.pt");
    let mut bytes = archive(&[("a", 1 << 20), ("b", 1 << 20)], zip::CompressionMethod::Deflated);
    let place = bytes.windows(6).rposition(|window| window == b"data/1").unwrap();
    let local = bytes.windows(6).position(|window| window == b"data/1").unwrap();
    assert!(local < place);
    bytes[local + 200] ^= 0xff;
    fs::write(&input, bytes).unwrap();
    for (out, options) in [("out.safetensors", &[][..]), ("new", &["--max-shard-size", "1MiB"])] {
        let out = folder.join(out);
        let message = refusal(&[&["convert", input.to_str().unwrap(), out.to_str().unwrap()], options].concat());
        assert!(message.contains("tensor `b`"), "{message}");
        assert_eq!(listed(&folder), ["in.pt"]);
    }
    let missing = folder.join("no/such/out.safetensors");
    let message = refusal(&["convert", &fixture("trained_cnn_cuda.pt"), missing.to_str().unwrap()]);
    assert!(message.contains("no such folder"), "{message}");
}

#[cfg(unix)]
#[test]
fn an_interrupted_conversion_leaves_nothing() {
    use std::time::{Duration, Instant};

    let folder = tempdir("interrupted");
    let input = folder.join("in.pt");
    fs::write(&input, archive(&[("a", 512 << 20)], zip::CompressionMethod::Deflated)).unwrap();
    let mut command = command();
    command.arg("convert").arg(&input).arg(folder.join("out.safetensors")).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let began = Instant::now();
    while listed(&folder).len() == 1 {
        assert!(began.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "error: interrupted; nothing was written\n");
    assert_eq!(listed(&folder), ["in.pt"]);
    fs::remove_file(input).unwrap();
}

#[cfg(unix)]
#[test]
fn permissions_are_those_of_any_new_file() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempdir("permissions");
    let (out, other) = (folder.join("out.safetensors"), folder.join("other"));
    stdout(&["convert", &fixture("trained_cnn_cuda.pt"), out.to_str().unwrap()]);
    fs::write(&other, "").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&out), mode(&other));
}

#[test]
fn wrong_options_are_wrong_usage() {
    let out = tempdir("wrong_options").join("out.safetensors");
    let input = fixture("trained_cnn_cuda.pt");
    for options in [
        &["--dtype", "int8"][..],
        &["--rename", "a"],
        &["--rename", "(=b"],
        &["--include", "[z-"],
        &["--max-shard-size", "big"],
        &["--tied", "last"],
    ] {
        let output = run(&[&["convert", &input, out.to_str().unwrap()], options].concat());
        assert_eq!(output.status.code(), Some(2), "{options:?}");
        assert!(!out.exists());
    }
    assert_eq!(run(&["convert", &input]).status.code(), Some(2));
}

#[test]
fn people_are_told_what_was_written() {
    let folder = tempdir("told");
    let out = folder.join("out.safetensors");
    let args = ["convert", &fixture("tied.pt"), out.to_str().unwrap(), "--key", "model", "--tied", "first"];
    let text = stdout(&[&args[..], &["--dtype", "bf16", "--rename", "^=m."]].concat());
    let length = fs::metadata(&out).unwrap().len();
    assert_eq!(
        text,
        format!(
            "{}: 3 tensors, {length} bytes\n3 tensors renamed\n3 tensors converted from float32 to bfloat16\n1 tied tensor left out: `m.out.weight` is `m.embed.weight`\n",
            out.display()
        )
    );
    let weights = LoadOptions::new().load_state_dict(&out).unwrap();
    assert_eq!(weights.len(), 3);
}
