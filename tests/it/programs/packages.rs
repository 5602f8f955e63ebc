//! `torch.package` (case 106).

use super::*;

/// A tensor of two floats as `torch.package` pickles it: the key is a number.
pub(super) fn packaged(key: &str) -> Code {
    let mut id = StorageId::new("FloatStorage", key, 2);
    id.key = int(key.parse().unwrap());
    TensorCall::new(&id, &[2]).code()
}

/// A package of pickled resources, still open to changes.
pub(super) fn package_of(resources: &[(&str, Code)]) -> ZipBuilder {
    let own = archive(&[(".data/extern_modules", b"torch\n"), (".data/version", b"6\n"), ("a/__init__.py", b"")]);
    let record = |(path, code): &(&str, Code)| Record::new(format!("m/{path}"), pickle(code));
    resources.iter().map(record).fold(own, ZipBuilder::with)
}

#[test]
fn case_106_resources_by_their_paths() {
    let file = package_of(&[
        ("z/model.pkl", dict([("w", packaged("0")), ("n", int(1))])),
        ("a/b.pkl", list([packaged("0"), packaged("1")])),
    ])
    .with(Record::new("m/.data/0.storage", EIGHT))
    .with(Record::new("m/.data/1.storage", EIGHT))
    .with(Record::new("m/.data/x.pkl", "no pickle"))
    .with(Record::new("m/t/notes.txt", "text"));
    let checkpoint = open(file.build());
    assert_eq!((checkpoint.format(), checkpoint.version()), (Format::Package, 6));
    assert_eq!(names(&checkpoint), ["a/b.pkl.0", "a/b.pkl.1", "z/model.pkl.w"]);
    assert_eq!(checkpoint.get("z/model.pkl.n").unwrap().as_i64(), Some(1));
    assert_eq!(checkpoint.state_dict().unwrap().keys().collect::<Vec<_>>(), ["w"]);
    // One storage, though two pickles mention it.
    assert_eq!(checkpoint.storages().len(), 2);
    assert_eq!(tensor(&checkpoint, "a/b.pkl.0").storage(), tensor(&checkpoint, "z/model.pkl.w").storage());
    for (key, words) in [("9", "storage `9`"), ("-1", "not a number")] {
        let file = package_of(&[("a/b.pkl", dict([("w", packaged(key))]))]);
        says(&refusal(file.build()), &["m/a/b.pkl", "tensor `a/b.pkl.w`", words]);
    }
}

#[test]
fn case_106_objects_that_package_themselves() {
    let reduced = |items: Vec<Code>| persistent(tuple([vec![text("reduce_package")], items].concat()));
    let function = || global("<torch_package_0>.my.models", "restore");
    let scripted = scripted("Net", dict([("w", f32_tensor("0.storage", &[2])), ("training", bool(true))]));
    let load =
        |id: &str| reduced(vec![int(7), global("torch.jit._script", "unpackage_script_module"), tuple([text(id)])]);
    let module = |child: Code| module("Net", dict([]), dict([]), dict([("scripted", child)]));
    let file = package_of(&[
        ("a/new.pkl", reduced(vec![int(140_000), function(), tuple([packaged("0"), int(3)])])),
        ("a/old.pkl", reduced(vec![function(), tuple([])])),
        ("b/script.pkl", load("0")),
        ("c/module.pkl", module(load("0"))),
        ("d/lost.pkl", load("5")),
    ])
    .with(Record::new("m/.data/0.storage", EIGHT))
    .with(Record::new("m/.data/1.storage", EIGHT))
    .with(Record::new("m/.data/ts_code/0/data.pkl", pickle(&scripted)))
    .with(Record::new("m/.data/ts_code/0/constants.pkl", pickle(&tuple([f32_tensor("1.storage", &[2])]))));
    let checkpoint = open(file.build());
    assert_eq!(names(&checkpoint), ["a/new.pkl.0", "b/script.pkl.w", "c/module.pkl.scripted.w", "constants.0.0"]);
    assert_eq!(tensor(&checkpoint, "a/new.pkl.0").storage(), tensor(&checkpoint, "b/script.pkl.w").storage());
    assert_eq!(checkpoint.get("a/new.pkl").unwrap().type_name(), "my.models.restore");
    assert_eq!(checkpoint.get("a/old.pkl").unwrap().args().len(), 0);
    assert_eq!(checkpoint.get("d/lost.pkl").unwrap().args().next().unwrap().as_str(), Some("5"));
    // The module's own entry is one name.
    let entries = checkpoint.tensors().unwrap();
    assert_eq!(entries[2].path(), ["c/module.pkl", "scripted.w"]);
    for items in [vec![], vec![int(1)], vec![int(1), int(2), tuple([])], vec![int(1), function(), tuple([]), int(2)]] {
        says(
            &refusal(package_of(&[("a/b.pkl", dict([("x", reduced(items))]))]).build()),
            &["reduce_package", "a/b.pkl"],
        );
    }
    let unknown = persistent(tuple([text("what"), int(1)]));
    says(&refusal(package_of(&[("a/b.pkl", unknown)]).build()), &["2 items"]);
}
