//! Objects, quantised and distributed tensors, tensors of other devices, numpy (cases 59, 61, 63, 74, 75, 80, 81 and 89).

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use torch_checkpoint::{Checkpoint, DType, Kind, LoadOptions, QScheme, Tensor, ZeroPoints};

use crate::pickle_builder::*;
use crate::support::{fixture, little_endian, open, refusal, says, tensor};

const NEWEST: &str = "zip/torch-2.15";

fn newest(name: &str) -> Checkpoint {
    LoadOptions::new().open(fixture(&format!("{NEWEST}/{name}"))).unwrap()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
pub(crate) fn case_059_a_call_of_system_is_an_object_and_nothing_runs() {
    let mark = std::env::temp_dir().join(format!("torch-checkpoint-ran-{}", std::process::id()));
    let command = format!("touch {}", mark.display());
    for (module, name) in [("posix", "system"), ("os", "system"), ("builtins", "eval"), ("__builtin__", "print")] {
        let checkpoint = open(torch_file(&reduce(global(module, name), [text(&command)]), &[]));
        let root = checkpoint.root();
        assert_eq!(root.kind(), Kind::Object);
        assert_eq!(root.args().next().and_then(|arg| arg.as_str()), Some(command.as_str()));
        assert!(root.type_name().ends_with(name));
    }
    assert!(!mark.exists(), "the file's command ran");
}

#[test]
pub(crate) fn case_061_an_ordered_dict_of_python_2_and_3_has_the_same_entries() {
    let entries = [("b", 1), ("a", 2)];
    let pairs = |pair: fn([Code; 2]) -> Code| {
        reduce(
            global("collections", "OrderedDict"),
            [list(entries.map(|(key, value)| pair([py2_string(key.as_bytes()), int(value)])))],
        )
    };
    let forms = [
        ordered_dict(entries.map(|(key, value)| (key, int(value)))),
        pairs(list),
        pairs(tuple),
        build(ordered_dict(entries.map(|(key, value)| (key, int(value)))), dict([("_metadata", dict([]))])),
    ];
    for (n, form) in forms.iter().enumerate() {
        let checkpoint = open(torch_file(form, &[]));
        let root = checkpoint.root();
        assert_eq!(root.kind(), Kind::Dict);
        assert_eq!(root.type_name(), "collections.OrderedDict");
        let found: Vec<(&str, i64)> =
            root.entries().map(|(key, value)| (key.as_str().unwrap(), value.as_i64().unwrap())).collect();
        assert_eq!(found, entries);
        assert_eq!(root.attributes().count(), usize::from(n == 3));
    }
}

#[test]
pub(crate) fn case_063_plain_values_are_plain() {
    let items = list([
        int(-7),
        text("ä"),
        float(0.5),
        bool(true),
        none(),
        tuple([int(1), tuple([text("in"), list([int(2)])])]),
    ]);
    let checkpoint = open(torch_file(&items, &[]));
    let root = checkpoint.root();
    assert_eq!(root.len(), Some(6));
    assert_eq!(root.get(0).unwrap().as_i64(), Some(-7));
    assert_eq!(root.get(1).unwrap().as_str(), Some("ä"));
    assert_eq!(root.get(2).unwrap().as_f64(), Some(0.5));
    assert_eq!(root.get(3).unwrap().as_bool(), Some(true));
    assert!(root.get(4).unwrap().is_none());
    assert_eq!(checkpoint.get("5.1.1.0").unwrap().as_i64(), Some(2));
    assert_eq!(checkpoint.get("5.1").unwrap().kind(), Kind::Tuple);
}

/// torch's own numbers, from `fixtures/make/dequantised.py`.
#[test]
pub(crate) fn case_074_dequantised_tensors_are_torchs_bit_for_bit() {
    let answers = std::fs::read_to_string(fixture("dequantised.json")).unwrap();
    let answers: BTreeMap<String, BTreeMap<String, String>> = serde_json::from_str(&answers).unwrap();
    assert!(answers.values().map(BTreeMap::len).sum::<usize>() > 30);
    for (file, tensors) in answers {
        let checkpoint = newest(&file);
        let found: BTreeMap<String, Tensor> =
            checkpoint.tensors().unwrap().into_iter().map(|entry| (entry.name(), entry.into_tensor())).collect();
        for (name, wanted) in tensors {
            // A module's packed parameters have other names in the file.
            let Some(tensor) = found.get(&name) else { continue };
            let numbers = tensor.dequantize().unwrap_or_else(|error| panic!("{file} {name}: {error}"));
            assert_eq!(sha256(&little_endian(&numbers).unwrap()), wanted, "{file} {name}");
        }
    }
}

#[test]
pub(crate) fn case_074_parameters_are_there_for_each_scheme() {
    let schemes = |file: &str| -> Vec<QScheme> {
        let entries = newest(file).tensors().unwrap();
        entries.iter().filter_map(|entry| Some(entry.tensor().quantization()?.scheme())).collect()
    };
    assert!(schemes("quantised_per_tensor.pt").iter().all(|&scheme| scheme == QScheme::PerTensorAffine));
    assert!(schemes("quantised_per_channel.pt").iter().all(|&scheme| scheme == QScheme::PerChannelAffine));
    assert!(schemes("quantised_float_qparams.pt").contains(&QScheme::PerChannelAffineFloatQparams));
}

/// `_rebuild_qtensor` over four bytes of shape [2, 2].
fn quantised(qparams: Code) -> Vec<u8> {
    let args = [
        StorageId::new("QInt8Storage", "0", 4).code(),
        int(0),
        ints(&[2, 2]),
        ints(&[2, 1]),
        qparams,
        bool(false),
        ordered_dict([]),
    ];
    torch_file(&dict([("q", reduce(global("torch._utils", "_rebuild_qtensor"), args))]), &[("0", &[0, 1, 2, 0xff])])
}

#[test]
pub(crate) fn case_075_parameters_in_lists_load_and_wrong_ones_are_refused() {
    let per_channel = |scales: Code, points: Code, axis: i64| {
        tuple([global("torch", "per_channel_affine"), scales, points, int(axis)])
    };
    let halves = || list([float(0.5), float(0.25)]);
    let loaded = tensor(&open(quantised(per_channel(halves(), list([int(1), int(0)]), 0))), "q");
    let quantization = loaded.quantization().unwrap();
    assert_eq!((quantization.axis(), quantization.scales().unwrap()), (Some(0), vec![0.5, 0.25]));
    assert_eq!(quantization.zero_points().unwrap(), ZeroPoints::Int(vec![1, 0]));
    assert_eq!(loaded.dequantize().unwrap().to_vec::<f32>().unwrap(), [-0.5, 0.0, 0.5, -0.25]);
    for (qparams, word) in [
        (per_channel(halves(), list([int(0), int(0)]), 2), "axis 2 is out of range"),
        (per_channel(halves(), list([int(0), int(0)]), -1), "axis -1 is out of range"),
        (per_channel(list([float(1.0)]), list([int(0), int(0)]), 0), "1 scales"),
        (per_channel(halves(), list([int(0)]), 0), "1 zero points"),
        (tuple([global("torch", "per_tensor_symmetric"), float(1.0), int(0)]), "per_tensor_symmetric"),
        (tuple([global("torch", "float32"), float(1.0), int(0)]), "quantisation scheme"),
        (none(), "quantisation parameters"),
    ] {
        says(&refusal(quantised(qparams)), &["tensor `q`", word]);
    }
}

#[test]
pub(crate) fn case_080_tensors_of_other_devices_come_by_way_of_numpy_and_the_cpu() {
    for path in [
        format!("{NEWEST}/device_tensors.pt"),
        "rewritten/device_tensors_xla.pt".to_owned(),
        "rewritten/device_tensors_old_name.pt".to_owned(),
    ] {
        let kept = LoadOptions::new().open(fixture(&path)).unwrap();
        let moved = LoadOptions::new().map_location("cpu").open(fixture(&path)).unwrap();
        let (kept, moved) = (kept.tensors().unwrap(), moved.tensors().unwrap());
        assert!(kept.len() > 2, "{path}");
        for (kept, moved) in kept.iter().zip(&moved) {
            let (kept, moved) = (kept.tensor(), moved.tensor());
            assert_eq!(kept.device().to_string(), kept.location());
            assert_eq!(moved.device().to_string(), "cpu");
            assert_eq!(kept.bytes().unwrap(), moved.bytes().unwrap());
        }
    }
}

#[test]
pub(crate) fn case_081_a_dtensor_is_its_local_part_and_says_so() {
    for (rank, rows) in [(0, 3), (1, 2)] {
        let checkpoint = newest(&format!("dtensor_rank_{rank}_of_2.pt"));
        let entries = checkpoint.tensors().unwrap();
        let shards: Vec<_> =
            entries.iter().filter_map(|entry| Some((entry.tensor(), entry.tensor().shard()?))).collect();
        assert!(!shards.is_empty());
        let uneven =
            shards.iter().find(|(_, shard)| shard.placements() == ["Shard(dim=0)"] && shard.global_shape()[0] == 5);
        assert_eq!(uneven.unwrap().0.shape()[0], rows);
    }
}

#[test]
pub(crate) fn case_081_a_sharded_tensor_is_its_local_shard() {
    for rank in [0, 1] {
        let weights = newest(&format!("sharded_tensor_rank_{rank}_of_2.pt")).state_dict().unwrap();
        let shard = weights["weight"].shard().unwrap();
        assert_eq!((weights["weight"].shape(), shard.global_shape()), (&[2, 3][..], &[4, 3][..]));
        assert_eq!(shard.offsets(), Some(&[2 * rank, 0][..]));
    }
}

#[test]
pub(crate) fn case_081_the_tensors_of_a_wrapper_subclass_are_reachable() {
    let entries = newest("wrapper_subclasses.pt").tensors().unwrap();
    assert!(entries.iter().filter(|entry| entry.path().len() > 1).count() > 1);
}

/// An array's elements as torch would have them, by numpy's name of the type.
fn array_differences(checkpoint: &Checkpoint, wanted: &Json) -> Option<String> {
    let path: Vec<&str> = wanted["path"].as_array().unwrap().iter().map(|piece| piece.as_str().unwrap()).collect();
    let value = path.iter().try_fold(checkpoint.root(), |value, piece| {
        value.get(*piece).or_else(|| value.get(piece.parse::<i64>().ok()?))
    });
    let Some(value) = value else { return Some(format!("{path:?} is not there")) };
    let Some(tensor) = value.to_tensor() else { return Some(format!("{path:?} is no tensor: {value:?}")) };
    let found = json!({
        "dtype": tensor.dtype().name(),
        "shape": tensor.shape(),
        "sha256": sha256(&little_endian(&tensor).unwrap()),
    });
    let same = ["dtype", "shape", "sha256"].iter().all(|&field| found[field] == wanted[field]);
    (!same).then(|| format!("{path:?}: {found}, not {wanted}"))
}

#[test]
pub(crate) fn case_089_numpy_arrays_are_tensors_on_request() {
    let mut compared = 0;
    for release in ["torch-1.13", "torch-2.5", "torch-2.15"] {
        for entry in std::fs::read_dir(fixture(&format!("zip/{release}"))).unwrap() {
            let answer = entry.unwrap().path();
            let Some(file) = answer.to_str().unwrap().strip_suffix(".oracle.json") else { continue };
            // Other parts of an answer hold numbers that no plain `serde_json` reads.
            let answer = std::fs::read_to_string(&answer).unwrap();
            let answer: BTreeMap<String, &RawValue> = serde_json::from_str(&answer).unwrap();
            let Some(arrays) = answer.get("arrays") else { continue };
            let arrays: Vec<Json> = serde_json::from_str(arrays.get()).unwrap();
            let checkpoint = LoadOptions::new().open(file).unwrap();
            for array in &arrays {
                let known = DType::from_name(array["dtype"].as_str().unwrap()).is_some();
                if known && let Some(difference) = array_differences(&checkpoint, array) {
                    panic!("{file}: {difference}");
                }
                compared += usize::from(known);
            }
        }
    }
    assert!(compared > 150, "{compared} arrays");
}
