//! Location tags and `map_location` (cases 97 to 102).
//!
//! * 98: torch refuses `'cpu:0'`; here it means `cpu`.
//! * 102: mapping serves every uncompressed record at a path; `archives.rs` has the compressed ones.

use std::collections::{BTreeMap, HashMap};

use torch_checkpoint::{Backing, Device, Error, ErrorKind, LoadOptions, MapLocation, StateDict, load_state_dict};

use crate::pickle_builder::*;
use crate::support::{fixture, says};

const TAGS: [&str; 15] = [
    "cuda:0",
    "cuda",
    "cuda:5",
    "mps",
    "xpu:0",
    "hpu",
    "npu:0",
    "xla:0",
    "privateuseone:0",
    "",
    "foo",
    "cpu:0",
    "mtia:1",
    "cpu",
    "Größe",
];

/// A dict of one tensor for each tag, under the tag as name.
fn tagged(tags: &[&str]) -> Vec<u8> {
    let keys: Vec<String> = (0..tags.len()).map(|n| n.to_string()).collect();
    let code =
        dict(tags.iter().zip(&keys).map(|(&tag, key)| {
            (tag, TensorCall::new(&StorageId::new("FloatStorage", key, 1).location(tag), &[1]).code())
        }));
    let data = f32s(&[1.5]);
    let storages: Vec<(&str, &[u8])> = keys.iter().map(|key| (&**key, data.as_slice())).collect();
    torch_file(&code, &storages)
}

fn load<'a>(tags: &[&str], map_location: impl Into<MapLocation<'a>>) -> Result<StateDict, Error> {
    LoadOptions::new().map_location(map_location).open_bytes(tagged(tags))?.state_dict()
}

fn devices(weights: &StateDict) -> Vec<String> {
    weights.values().map(|tensor| tensor.device().to_string()).collect()
}

#[test]
pub(crate) fn case_097_every_tag_is_kept_as_it_is() {
    let weights = load(&TAGS, None).unwrap();
    assert_eq!(devices(&weights), TAGS);
    for (tag, tensor) in &weights {
        assert_eq!(tensor.location(), tag);
        assert_eq!(tensor.as_slice::<f32>().unwrap(), [1.5]);
    }
    assert_eq!(weights["cuda:5"].device(), &Device::Cuda(Some(5)));
    assert_eq!(weights["foo"].device(), &Device::Other("foo".into()));
    assert_eq!(devices(&load(&TAGS, MapLocation::Keep).unwrap()), TAGS);
    assert_eq!(devices(&load(&TAGS, MapLocation::default()).unwrap()), TAGS);
}

#[test]
pub(crate) fn case_097_a_device_that_does_not_exist_is_named_with_tensor_and_remedy() {
    for tag in TAGS {
        let opened = LoadOptions::new().available([Device::Cpu, Device::Meta]).open_bytes(tagged(&[tag]));
        // torch does not know `cpu:0`; here main memory has no numbers.
        if tag == "cpu" || tag == "cpu:0" {
            assert!(opened.is_ok());
            continue;
        }
        let error = opened.expect_err(tag);
        assert_eq!((error.kind(), error.tensor()), (ErrorKind::Caller, Some(tag)), "{error}");
        says(&error, &[&format!("`{tag}`"), "not available", "cpu, meta", "map_location \"cpu\""]);
    }
    let meta = LoadOptions::new().available([Device::Cpu, Device::Meta]).open_bytes(tagged(&["meta", "cpu"]));
    assert_eq!(meta.unwrap().tensors().unwrap().len(), 2);
    let none = LoadOptions::new().available([]).open_bytes(tagged(&["cpu"]));
    says(&none.unwrap_err(), &["available: nothing"]);
    let remapped = LoadOptions::new()
        .available([Device::Cpu])
        .map_location([("cuda:0", "cuda:1")])
        .open_bytes(tagged(&["cuda:0"]));
    says(&remapped.unwrap_err(), &["`cuda:1`", "mapped from `cuda:0`"]);
    for there in [Device::Cuda(None), Device::Cuda(Some(5))] {
        assert!(LoadOptions::new().available([there]).open_bytes(tagged(&["cuda:5", "cuda"])).is_ok());
    }
    assert!(LoadOptions::new().available([Device::Cuda(Some(0))]).open_bytes(tagged(&["cuda:5"])).is_err());
    // A file that has no storage there loads.
    assert!(LoadOptions::new().available([]).open_bytes(torch_file(&dict([("epoch", int(3))]), &[])).is_ok());
}

#[test]
pub(crate) fn case_098_everything_on_the_cpu() {
    let owned = String::from("cpu");
    for weights in [
        load(&TAGS, "cpu"),
        load(&TAGS, owned.clone()),
        load(&TAGS, &owned),
        load(&TAGS, Device::Cpu),
        load(&TAGS, Some(Device::Cpu)),
        load(&TAGS, "cpu:0"),
    ] {
        let weights = weights.unwrap();
        assert!(weights.values().all(|tensor| *tensor.device() == Device::Cpu));
        assert!(weights.iter().all(|(tag, tensor)| tensor.location() == tag));
    }
    let available = LoadOptions::new().map_location("cpu").available([Device::Cpu]).open_bytes(tagged(&TAGS));
    assert_eq!(available.unwrap().tensors().unwrap().len(), TAGS.len());
}

#[test]
pub(crate) fn case_099_maps_match_whole_tags() {
    let tags = ["cuda:0", "cuda:5", "cpu"];
    let forms: [MapLocation<'_>; 7] = [
        [("cuda:0", "cpu")].into(),
        vec![("cuda:0", "cpu")].into(),
        vec![(String::from("cuda:0"), String::from("cpu"))].into(),
        [("cuda:0", Device::Cpu)].into(),
        HashMap::from([("cuda:0", "cpu")]).into(),
        BTreeMap::from([(String::from("cuda:0"), Device::Cpu)]).into(),
        [("cuda:0", "cuda:7"), ("cuda", "cuda:3"), ("cuda:0", "cpu")].into(),
    ];
    for form in forms {
        let shown = format!("{form:?}");
        assert_eq!(devices(&load(&tags, form).unwrap()), ["cpu", "cuda:5", "cpu"], "{shown}");
    }
    assert_eq!(devices(&load(&["cuda:5"], [("cuda", "cpu")]).unwrap()), ["cuda:5"]);
    let kept =
        LoadOptions::new().map_location([("cuda", "cpu")]).available([Device::Cpu]).open_bytes(tagged(&["cuda:5"]));
    says(&kept.unwrap_err(), &["`cuda:5`"]);
    assert_eq!(devices(&load(&tags, [("cpu", "cuda:1")]).unwrap()), ["cuda:0", "cuda:5", "cuda:1"]);
    let nothing: [(&str, &str); 0] = [];
    assert_eq!(devices(&load(&tags, nothing).unwrap()), tags);
}

#[test]
pub(crate) fn case_100_a_closure_is_called_once_per_storage_and_may_borrow() {
    let shared = TensorCall::new(&StorageId::new("FloatStorage", "0", 3).location("cuda:1"), &[1]);
    let other = TensorCall::new(&StorageId::new("DoubleStorage", "k", 2), &[2]).code();
    let code = dict([("a", shared.code()), ("b", shared.at(2, &[1]).code()), ("c", other)]);
    let file = torch_file(&code, &[("0", &[0; 12]), ("k", &[0; 16])]);
    let mut seen = Vec::new();
    let checkpoint = LoadOptions::new()
        .map_location(MapLocation::with(|storage| {
            seen.push((storage.key().to_owned(), storage.location().to_owned(), storage.nbytes()));
            (storage.location() == "cuda:1").then_some(Device::Cuda(Some(0)))
        }))
        .open_bytes(file)
        .unwrap();
    assert_eq!(devices(&checkpoint.state_dict().unwrap()), ["cuda:0", "cuda:0", "cpu"]);
    assert_eq!(seen, [("0".into(), "cuda:1".into(), 12), ("k".into(), "cpu".into(), 16)]);
    // And it is asked again for another file with the same options.
    let mut calls = 0;
    let mut options = LoadOptions::new().map_location(MapLocation::with(|_| {
        calls += 1;
        None
    }));
    for _ in 0..2 {
        assert_eq!(devices(&options.open_bytes(tagged(&["mps"])).unwrap().state_dict().unwrap()), ["mps"]);
    }
    drop(options);
    assert_eq!(calls, 2);
}

/// No byte of the data is looked at: it is damaged. The record has to be there, as in torch.
#[test]
pub(crate) fn case_101_on_meta_nothing_is_read() {
    let path = fixture("refused/x_flipped_bit.pt");
    let weights = LoadOptions::new().map_location("meta").verify_checksums(true).load_state_dict(&path).unwrap();
    for tensor in weights.values() {
        assert_eq!(tensor.device(), &Device::Meta);
        assert_eq!(tensor.bytes().unwrap_err().kind(), ErrorKind::Caller);
    }
    let missing = torch_file(&dict([("w", f32_tensor("0", &[2]))]), &[]);
    says(&LoadOptions::new().map_location("meta").open_bytes(missing).unwrap_err(), &["no record", "tensor `w`"]);
    // What the file itself tags as meta needs no record.
    let id = StorageId::new("FloatStorage", "0", 2).location("meta");
    let tagged = torch_file(&dict([("w", TensorCall::new(&id, &[2]).code())]), &[]);
    let weights = LoadOptions::new().open_bytes(tagged).unwrap().state_dict().unwrap();
    assert_eq!(weights["w"].shape(), [2]);
}

#[test]
pub(crate) fn malformed_devices_are_errors_that_name_them() {
    for text in ["", "CPU", "cuda:x", "cuda:", "cuda0", "gpu", "cuda:-1", "cuda:1:2", "cuda :0"] {
        let all = load(&["cpu"], text).unwrap_err();
        assert_eq!(all.kind(), ErrorKind::Caller);
        says(&all, &["map_location", &format!("`{text}`")]);
        says(&load(&["cpu"], [("mps", text)]).unwrap_err(), &["map_location", &format!("`{text}`")]);
        // Before the file is even looked at.
        let not_a_file = LoadOptions::new().map_location(text).open_bytes(vec![0; 4]).unwrap_err();
        assert_eq!(not_a_file.kind(), ErrorKind::Caller);
    }
}

#[test]
pub(crate) fn case_102_mapped_and_owned_files_agree() {
    let path = fixture("zip/torch-2.15/trained_cnn_cuda.pt");
    let mapped = load_state_dict(&path, None).unwrap();
    let owned = LoadOptions::new().backing(Backing::Owned).load_state_dict(&path).unwrap();
    assert!(mapped.keys().eq(owned.keys()) && !mapped.is_empty());
    for ((name, a), b) in mapped.iter().zip(owned.values()) {
        assert_eq!(a.bytes().unwrap(), b.bytes().unwrap(), "{name}");
        assert_eq!(a.location(), b.location());
    }
    // Reading twice borrows the same bytes.
    let first = mapped.values().next().unwrap();
    assert_eq!(first.bytes().unwrap().as_ptr(), first.bytes().unwrap().as_ptr());
}
