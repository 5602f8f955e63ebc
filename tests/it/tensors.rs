//! Storages, and tensors as views of them (cases 64 to 70, 79, 82 to 87).
//!
//! What their elements are is in `elements.rs` (71, 72), other kinds of tensors are in `kinds.rs` and `sparse.rs` (73 to 78, 80, 81),
//! plain values in `values.rs` (88, except for the Generator, which torch cannot save).

use std::borrow::Cow;

use torch_checkpoint::{Checkpoint, Complex, DType, Device, ErrorKind, Kind, LoadOptions, Tensor};

use crate::pickle_builder::*;
use crate::support::{fixture, open, refusal, says, tensor};

/// A file of named calls over one storage `0` of 24 float32: 0, 1, 2, …
fn over_arange(calls: impl IntoIterator<Item = (&'static str, TensorCall)>) -> Checkpoint {
    let code = dict(calls.into_iter().map(|(name, call)| (name, call.code())));
    let values: Vec<f32> = (0..24_u8).map(f32::from).collect();
    open(torch_file(&code, &[("0", &f32s(&values))]))
}

fn arange() -> StorageId {
    StorageId::new("FloatStorage", "0", 24)
}

fn view(size: &[i64], offset: i64, stride: &[i64]) -> TensorCall {
    TensorCall::new(&arange(), size).at(offset, stride)
}

#[test]
pub(crate) fn case_064_strided_views_have_their_values() {
    let checkpoint = over_arange([
        ("plain", view(&[2, 3], 0, &[3, 1])),
        ("transposed", view(&[3, 2], 0, &[1, 3])),
        ("offset", view(&[2], 22, &[1])),
        ("expanded", view(&[3, 2], 4, &[0, 1])),
        ("scalar", view(&[], 23, &[])),
        ("empty", view(&[0, 5], 7, &[5, 1])),
        ("overlapping", view(&[3, 3], 0, &[1, 1])),
        ("channels_last", view(&[1, 2, 2, 2], 0, &[8, 1, 4, 2])),
    ]);
    type Expected = (&'static str, &'static [usize], &'static [usize], usize, &'static [f32]);
    let expected: [Expected; 8] = [
        ("plain", &[2, 3], &[3, 1], 0, &[0., 1., 2., 3., 4., 5.]),
        ("transposed", &[3, 2], &[1, 3], 0, &[0., 3., 1., 4., 2., 5.]),
        ("offset", &[2], &[1], 22, &[22., 23.]),
        ("expanded", &[3, 2], &[0, 1], 4, &[4., 5., 4., 5., 4., 5.]),
        ("scalar", &[], &[], 23, &[23.]),
        ("empty", &[0, 5], &[5, 1], 7, &[]),
        ("overlapping", &[3, 3], &[1, 1], 0, &[0., 1., 2., 1., 2., 3., 2., 3., 4.]),
        ("channels_last", &[1, 2, 2, 2], &[8, 1, 4, 2], 0, &[0., 2., 4., 6., 1., 3., 5., 7.]),
    ];
    for (name, shape, strides, offset, values) in expected {
        let t = tensor(&checkpoint, name);
        assert_eq!((t.shape(), t.strides(), t.storage_offset()), (shape, strides, offset), "{name}");
        assert_eq!(t.to_vec::<f32>().unwrap(), values, "{name}");
        assert_eq!((t.numel(), t.nbytes()), (values.len(), 4 * values.len()), "{name}");
        assert_eq!(t.as_slice::<f32>().is_ok(), t.is_contiguous(), "{name}");
        let stored = t.as_strided_slice::<f32>().unwrap();
        let places = shape.iter().zip(strides).fold(vec![0], |places, (&size, stride)| {
            places.iter().flat_map(|place| (0..size).map(move |n| place + n * stride)).collect()
        });
        assert_eq!(places.iter().map(|&place| stored[place]).collect::<Vec<f32>>(), values, "{name}");
        assert_eq!(matches!(t.bytes().unwrap(), Cow::Borrowed(_)), t.is_contiguous(), "{name}");
    }
}

/// Four bytes that present themselves as an exabyte: only materialising them is refused.
#[test]
pub(crate) fn case_064_an_expanded_tensor_is_bounded() {
    let call = TensorCall::new(&StorageId::new("FloatStorage", "0", 1), &[1 << 29, 1 << 29]).at(0, &[0, 0]);
    let checkpoint = open(torch_file(&dict([("t", call.code())]), &[("0", &f32s(&[7.0]))]));
    let t = tensor(&checkpoint, "t");
    assert_eq!(t.numel(), 1 << 58);
    for error in [
        t.bytes().map(drop).unwrap_err(),
        t.to_vec::<f32>().map(drop).unwrap_err(),
        t.cast::<f64>().map(drop).unwrap_err(),
        t.detach().map(drop).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Limit);
        says(&error, &["Limits::materialised_bytes"]);
    }
    assert_eq!(t.narrow(0, 5, 1).unwrap().narrow(1, 0, 2).unwrap().to_vec::<f32>().unwrap(), [7.0, 7.0]);
}

#[test]
pub(crate) fn case_065_sharing_is_visible() {
    let other = StorageId::new("FloatStorage", "1", 2);
    let code = list([
        view(&[2], 0, &[1]).code(),
        view(&[2], 2, &[1]).code(),
        TensorCall::new(&other, &[2]).code(),
        arange().code(),
        other.code(),
    ]);
    let checkpoint = open(torch_file(&code, &[("0", &[0; 96]), ("1", &[0; 8])]));
    let root = checkpoint.root();
    let storage = |index: usize| {
        let value = root.get(index).unwrap();
        value.as_storage().or_else(|| value.as_tensor().map(Tensor::storage)).unwrap()
    };
    assert_eq!(storage(0), storage(1));
    assert_eq!(storage(0), storage(3));
    assert_eq!(storage(2), storage(4));
    assert_ne!(storage(0), storage(2));
    assert_eq!((storage(0).id(), storage(2).id(), storage(2).key(), storage(0).nbytes()), (0, 1, "1", 96));
    assert_eq!(checkpoint.storages().len(), 2);
}

#[test]
pub(crate) fn case_066_one_tensor_under_two_names() {
    let code = dict([("a", memo(0, f32_tensor("0", &[2]))), ("b", get(0))]);
    let checkpoint = open(torch_file(&code, &[("0", &f32s(&[1.0, 2.0]))]));
    let root = checkpoint.root();
    assert!(root.get("a").unwrap().is(&root.get("b").unwrap()));
    let weights = checkpoint.state_dict().unwrap();
    assert_eq!(weights.keys().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(weights.tied(), [["a", "b"]]);
}

#[test]
pub(crate) fn case_067_two_dtypes_over_one_record() {
    let typed = |class: &str, len| TensorCall::new(&StorageId::new(class, "0", len), &[len]).code();
    let file = |a, b, bytes: &[u8]| torch_file(&dict([("a", a), ("b", b)]), &[("0", bytes)]);
    let empty = open(file(typed("FloatStorage", 0), typed("LongStorage", 0), &[]));
    assert_eq!(tensor(&empty, "a").dtype(), DType::Float32);
    assert_eq!(tensor(&empty, "b").dtype(), DType::Int64);
    let same_bytes = open(file(typed("FloatStorage", 2), typed("LongStorage", 1), &[0, 0, 128, 63, 0, 0, 0, 0]));
    assert_eq!(tensor(&same_bytes, "a").to_vec::<f32>().unwrap(), [1.0, 0.0]);
    assert_eq!(tensor(&same_bytes, "b").to_vec::<i64>().unwrap(), [0x3f80_0000]);
    let error = refusal(file(typed("FloatStorage", 2), typed("LongStorage", 2), &[0; 8]));
    says(&error, &["storage `0`", "16 bytes", "8 bytes", "tensor `b`"]);
    assert_eq!(error.kind(), ErrorKind::Malformed);
}

#[test]
pub(crate) fn case_068_parameters_and_attributes() {
    let data = f32_tensor("0", &[2]);
    let frozen = parameter(data.clone(), false);
    let with_state = reduce(
        global("torch._utils", "_rebuild_parameter_with_state"),
        [data.clone(), bool(true), ordered_dict([]), dict([("note", text("hi"))])],
    );
    let attributed = reduce(
        global("torch._tensor", "_rebuild_from_type_v2"),
        [
            global("torch._utils", "_rebuild_tensor_v2"),
            global("torch", "Tensor"),
            tuple(TensorCall::new(&StorageId::new("FloatStorage", "0", 2), &[2]).args()),
            dict([("persistent", bool(true)), ("_is_buffer", bool(true)), ("inner", f32_tensor("0", &[2]))]),
        ],
    );
    let grad = TensorCall::new(&StorageId::new("FloatStorage", "0", 2), &[2]).requires_grad().code();
    let code = dict([
        ("plain", data.clone()),
        ("grad", grad),
        ("parameter", parameter(data, true)),
        ("frozen", frozen),
        ("with_state", with_state),
        ("attributed", attributed),
    ]);
    let checkpoint = open(torch_file(&code, &[("0", &f32s(&[1.0, 2.0]))]));
    let weights = checkpoint.state_dict().unwrap();
    let expected = [
        ("plain", false, false),
        ("grad", true, false),
        ("parameter", true, true),
        ("frozen", false, true),
        ("with_state", true, true),
        ("attributed", false, false),
    ];
    for (name, requires_grad, is_parameter) in expected {
        let t = &weights[name];
        assert_eq!((t.requires_grad(), t.is_parameter()), (requires_grad, is_parameter), "{name}");
        assert_eq!(t.to_vec::<f32>().unwrap(), [1.0, 2.0], "{name}");
    }
    assert_eq!(weights.tied()[0].len(), 6);
    assert_eq!(weights.len(), 6);
}

#[test]
pub(crate) fn case_069_conjugate_and_negative_views_are_resolved() {
    let storage = StorageId::new("ComplexFloatStorage", "0", 2);
    let complex = |flags: &[&'static str]| TensorCall::new(&storage, &[2]).metadata(flags.iter().copied()).code();
    let imag = TensorCall::new(&StorageId::new("FloatStorage", "0", 4), &[2]).at(1, &[2]).metadata(["neg"]).code();
    let code = dict([
        ("plain", complex(&[])),
        ("conj", complex(&["conj"])),
        ("neg", complex(&["neg"])),
        ("both", complex(&["conj", "neg"])),
        ("imag", imag),
    ]);
    let checkpoint = open(torch_file(&code, &[("0", &f32s(&[1.0, 2.0, -3.0, 0.0]))]));
    let values = |name: &str| tensor(&checkpoint, name).to_vec::<Complex<f32>>().unwrap();
    let z = |re: f32, im: f32| Complex { re, im };
    assert_eq!(values("plain"), [z(1.0, 2.0), z(-3.0, 0.0)]);
    assert_eq!(values("conj"), [z(1.0, -2.0), z(-3.0, -0.0)]);
    assert_eq!(values("neg"), [z(-1.0, -2.0), z(3.0, -0.0)]);
    assert_eq!(values("both"), [z(-1.0, 2.0), z(3.0, 0.0)]);
    assert_eq!(tensor(&checkpoint, "imag").to_vec::<f32>().unwrap(), [-2.0, 0.0]);
    assert_eq!(tensor(&checkpoint, "imag").cast::<f64>().unwrap(), [-2.0, 0.0]);
    // torch asks only whether the key is there.
    let call = TensorCall { metadata: Some(dict([("conj", bool(false))])), ..TensorCall::new(&storage, &[2]) };
    let flagged = open(torch_file(&dict([("w", call.code())]), &[("0", &f32s(&[1.0, 2.0, -3.0, 0.0]))]));
    assert!(tensor(&flagged, "w").is_conj());
    let conj = tensor(&checkpoint, "conj");
    assert!(conj.is_conj() && !conj.is_neg() && matches!(conj.bytes().unwrap(), Cow::Owned(_)));
    says(&conj.as_slice::<Complex<f32>>().unwrap_err(), &["conjugated", "to_vec"]);
    assert!(!conj.detach().unwrap().is_conj());
    assert_eq!(conj.detach().unwrap().as_slice::<Complex<f32>>().unwrap(), values("conj"));
}

#[test]
pub(crate) fn case_070_views_of_dtypes_without_a_storage_class_share() {
    for (name, itemsize) in [("float8_e5m2", 1_i64), ("float8_e4m3fn", 1), ("complex32", 4)] {
        let storage = StorageId::untyped("0", 6 * itemsize);
        let part = |offset, len| TensorCall::new(&storage, &[len]).at(offset, &[2]).dtype(name).code();
        let bytes: Vec<u8> = (0..u8::try_from(6 * itemsize).unwrap()).collect();
        let code = dict([("even", part(0, 3)), ("odd", part(1, 3))]);
        let checkpoint = open(torch_file(&code, &[("0", &bytes)]));
        let (even, odd) = (tensor(&checkpoint, "even"), tensor(&checkpoint, "odd"));
        assert_eq!(even.storage(), odd.storage());
        let size = usize::try_from(itemsize).unwrap();
        let wanted =
            |first: usize| -> Vec<u8> { bytes.chunks(size).skip(first).step_by(2).flatten().copied().collect() };
        assert_eq!(even.bytes().unwrap(), wanted(0), "{name}");
        assert_eq!(odd.bytes().unwrap(), wanted(1), "{name}");
    }
}

#[test]
pub(crate) fn case_079_a_meta_tensor_of_a_terabyte_is_a_shape() {
    let checkpoint = LoadOptions::new().open(fixture("zip/torch-2.15/meta.pt")).unwrap();
    let t = tensor(&checkpoint, "terabyte");
    assert_eq!((t.shape(), t.device(), t.location()), (&[1024, 1024, 1024, 256][..], &Device::Meta, "meta"));
    assert_eq!(t.nbytes(), 1 << 40);
    for error in [t.bytes().map(drop).unwrap_err(), t.as_slice::<f32>().map(drop).unwrap_err()] {
        says(&error, &["meta", "no data"]);
        assert_eq!(error.kind(), ErrorKind::Caller);
    }
    assert_eq!(t.detach().unwrap().shape(), t.shape());
    // It stays there under any map_location.
    let mapped = LoadOptions::new().map_location("cuda:0").open(fixture("zip/torch-2.15/meta.pt")).unwrap();
    assert_eq!(tensor(&mapped, "terabyte").device(), &Device::Meta);
}

#[test]
pub(crate) fn case_082_tensors_of_old_versions() {
    let four = |offset, size: &[i64], stride: &[i64]| [arange().code(), int(offset), ints(size), ints(stride)];
    let oldest = reduce(global("torch._utils", "_rebuild_tensor"), four(2, &[2, 3], &[9, 3]));
    let by_state = build(reduce(global("torch", "FloatTensor"), []), tuple(four(2, &[2, 3], &[9, 3])));
    let base = build(reduce(global("torch", "Tensor"), []), tuple(four(0, &[24], &[1])));
    let code = dict([("oldest", oldest), ("by_state", by_state), ("base", base)]);
    let values: Vec<f32> = (0..24_u8).map(f32::from).collect();
    let checkpoint = open(torch_file(&code, &[("0", &f32s(&values))]));
    for name in ["oldest", "by_state"] {
        let t = tensor(&checkpoint, name);
        assert_eq!((t.shape(), t.strides(), t.storage_offset()), (&[2, 3][..], &[9, 3][..], 2));
        assert_eq!(t.to_vec::<f32>().unwrap(), [2., 5., 8., 11., 14., 17.], "{name}");
        assert!(!t.requires_grad());
    }
    assert_eq!(tensor(&checkpoint, "base").as_slice::<f32>().unwrap(), values);
    for state in [int(7), text("x"), list([])] {
        let damaged = build(reduce(global("torch", "DoubleTensor"), []), state);
        says(&refusal(torch_file(&dict([("w", damaged)]), &[])), &["`w`", "a tensor's state is a", "not a tuple"]);
    }
}

#[test]
pub(crate) fn case_083_views_beyond_the_storage() {
    const HUGE: i64 = 1 << 62;
    let bad: [(&[i64], i64, &[i64], &str); 14] = [
        (&[25], 0, &[1], "does not fit"),
        (&[4, 7], 0, &[6, 1], "does not fit"),
        (&[24], 1, &[1], "does not fit"),
        (&[1], 24, &[1], "does not fit"),
        (&[24], -1, &[1], "negative"),
        (&[2], 1, &[-1], "negative"),
        (&[-1], 0, &[1], "negative"),
        (&[0, -1], 0, &[1, 1], "negative"),
        (&[HUGE], 0, &[1], ""),
        (&[2], 0, &[HUGE], ""),
        (&[2], i64::MAX, &[1], ""),
        (&[HUGE, HUGE, HUGE], 0, &[0, 0, 0], ""),
        (&[2, 3], 0, &[1], "stride"),
        (&[], 0, &[1], "stride"),
    ];
    for (size, offset, stride, word) in bad {
        let code = dict([("w", view(size, offset, stride).code())]);
        let error = refusal(torch_file(&code, &[("0", &[0; 96])]));
        says(&error, &["archive/data.pkl at byte", "(REDUCE)", "tensor `w`", word]);
        assert!(matches!(error.kind(), ErrorKind::Malformed | ErrorKind::Limit), "{error}");
        assert_eq!((error.tensor(), error.opcode()), (Some("w"), Some("REDUCE")));
    }
    let too_long = view(&[1], 0, &[1]);
    let too_long = TensorCall { size: ints(&[1; 65]), stride: ints(&[1; 65]), ..too_long };
    says(&refusal(torch_file(&dict([("w", too_long.code())]), &[("0", &[0; 96])])), &["dimensions", "65"]);
    // Nothing to read: torch takes any offset and any stride.
    let checkpoint = over_arange([("wild", view(&[0, 4], 1 << 40, &[1 << 50, 77]))]);
    assert_eq!(tensor(&checkpoint, "wild").to_vec::<f32>().unwrap(), [0.0_f32; 0]);
    assert_eq!(tensor(&checkpoint, "wild").bytes().unwrap().len(), 0);
}

#[test]
pub(crate) fn case_083_arguments_of_the_wrong_kind() {
    let good = view(&[2], 0, &[1]);
    let bad: [TensorCall; 10] = [
        TensorCall { size: none(), ..good.clone() },
        TensorCall { size: int(2), ..good.clone() },
        TensorCall { size: tuple([text("2")]), ..good.clone() },
        TensorCall { size: tuple([float(2.0)]), ..good.clone() },
        TensorCall { size: tuple([long(&[0, 0, 0, 0, 0, 0, 0, 0, 1])]), ..good.clone() },
        TensorCall { offset: none(), ..good.clone() },
        TensorCall { offset: float(0.0), ..good.clone() },
        TensorCall { storage: none(), ..good.clone() },
        TensorCall { dtype: Some(none()), ..good.clone() },
        TensorCall { dtype: Some(global("torch", "float31")), ..good.clone() },
    ];
    for call in bad {
        let error = refusal(torch_file(&dict([("w", call.code())]), &[("0", &[0; 96])]));
        assert_eq!((error.tensor(), error.kind()), (Some("w"), ErrorKind::Malformed), "{error}");
    }
    let short = reduce(global("torch._utils", "_rebuild_tensor_v2"), []);
    let error = refusal(torch_file(&dict([("w", short)]), &[]));
    says(&error, &["(REDUCE)", "_rebuild_tensor_v2 needs 6 arguments, found 0"]);
    let no_tuple = reduce_tuple(global("torch._utils", "_rebuild_tensor_v2"), list([]));
    assert_eq!(refusal(torch_file(&dict([("w", no_tuple)]), &[])).kind(), ErrorKind::Malformed);
}

fn refused_id(id: &StorageId, words: &[&str]) {
    let code = dict([("w", TensorCall::new(id, &[1]).code())]);
    let error = refusal(torch_file(&code, &[("0", &f32s(&[1.0]))]));
    says(&error, words);
    assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
    assert_eq!(error.tensor(), Some("w"), "{error}");
    // A legacy stream's number of elements contradicts what stands in front of the data.
    assert!(is_on_the_legacy_stream() || error.opcode() == Some("BINPERSID"), "{error}");
}

#[test]
pub(crate) fn case_084_numbers_of_elements_that_cannot_be() {
    let numel = |numel: Code| StorageId { numel, ..StorageId::new("FloatStorage", "0", 1) };
    refused_id(&numel(int(-4)), &["-4"]);
    refused_id(&numel(int(1 << 60)), &["bytes"]);
    refused_id(&numel(int(i64::MAX)), &["9223372036854775807"]);
    refused_id(&numel(long(&[0, 0, 0, 0, 0, 0, 0, 0, 1])), &["numel"]);
    refused_id(&numel(bool(true)), &["numel", "bool"]);
    refused_id(&numel(float(1.0)), &["numel", "float"]);
    refused_id(&numel(text("1")), &["numel", "str"]);
    refused_id(&numel(none()), &["numel"]);
}

#[test]
pub(crate) fn case_085_persistent_ids_of_another_form() {
    let good = StorageId::new("FloatStorage", "0", 1);
    refused_id(&StorageId { more: vec![none()], ..good.clone() }, &["6 items", "has 5"]);
    refused_id(&StorageId { word: text("storages"), ..good.clone() }, &["storages"]);
    refused_id(&StorageId { word: int(1), ..good.clone() }, &["storage"]);
    refused_id(&StorageId { class: text("FloatStorage"), ..good.clone() }, &["not a class"]);
    refused_id(&StorageId { class: global("torch", "NoStorage"), ..good.clone() }, &["torch.NoStorage"]);
    refused_id(&StorageId { class: global("torch.storage", "TypedStorage"), ..good.clone() }, &["TypedStorage"]);
    refused_id(&StorageId { location: none(), ..good.clone() }, &["location"]);
    refused_id(&StorageId { key: int(0), ..good }, &["key"]);
    let in_tensor = |id: Code| {
        let call = TensorCall { storage: persistent(id), ..view(&[1], 0, &[1]) };
        refusal(torch_file(&dict([("w", call.code())]), &[("0", &f32s(&[1.0]))]))
    };
    says(&in_tensor(int(7)), &["persistent id", "int", "tuple"]);
    let four = tuple([text("storage"), global("torch", "FloatStorage"), text("0"), text("cpu")]);
    says(&in_tensor(four), &["4 items"]);
}

#[test]
pub(crate) fn case_086_keys_that_are_no_file_names() {
    for key in ["../data/0", "a/b", "", ".", "..", "a\0b", "\\0", &"k".repeat(70_000)] {
        let id = StorageId { key: text(key), ..StorageId::new("FloatStorage", "0", 1) };
        refused_id(&id, &["storage"]);
    }
    // The message shows such a key harmlessly.
    let id = StorageId { key: text("a\n\u{1b}[2J"), ..StorageId::new("FloatStorage", "0", 1) };
    let code = dict([("w", TensorCall::new(&id, &[1]).code())]);
    let sentence = refusal(torch_file(&code, &[])).to_string();
    assert!(!sentence.contains(['\n', '\u{1b}']) && sentence.len() < 600, "{sentence}");
}

#[test]
pub(crate) fn case_087_a_bare_tensor_or_storage_as_root() {
    let checkpoint = open(torch_file(&f32_tensor("0", &[2]), &[("0", &f32s(&[1.0, 2.0]))]));
    let entries = checkpoint.tensors().unwrap();
    assert_eq!((entries.len(), entries[0].path().len(), entries[0].name().as_str()), (1, 0, ""));
    assert_eq!(checkpoint.root().as_tensor().unwrap().to_vec::<f32>().unwrap(), [1.0, 2.0]);
    let storage = StorageId::new("FloatStorage", "0", 2).code();
    let checkpoint = open(torch_file(&storage, &[("0", &f32s(&[1.0, 2.0]))]));
    assert_eq!(checkpoint.root().kind(), Kind::Storage);
    assert_eq!(checkpoint.root().as_storage().unwrap().nbytes(), 8);
    assert_eq!(checkpoint.tensors().unwrap().len(), 0);
}

#[test]
pub(crate) fn views_of_views_agree_with_indices() {
    let checkpoint = over_arange([("w", view(&[4, 6], 0, &[6, 1]))]);
    let w = tensor(&checkpoint, "w");
    assert_eq!(w.narrow(0, 1, 2).unwrap().narrow(1, 2, 2).unwrap().to_vec::<f32>().unwrap(), [8., 9., 14., 15.]);
    assert_eq!(w.select(1, 5).unwrap().to_vec::<f32>().unwrap(), [5., 11., 17., 23.]);
    assert_eq!(w.transpose(0, 1).unwrap().select(0, 2).unwrap().to_vec::<f32>().unwrap(), [2., 8., 14., 20.]);
    assert_eq!(w.reshape(&[2, 12]).unwrap().select(0, 1).unwrap().as_slice::<f32>().unwrap()[0], 12.0);
    assert_eq!(w.permute(&[1, 0]).unwrap().shape(), [6, 4]);
    assert_eq!(w.narrow(0, 1, 2).unwrap().storage(), w.storage());
    for error in [
        w.narrow(0, 3, 2).map(drop).unwrap_err(),
        w.narrow(2, 0, 1).map(drop).unwrap_err(),
        w.select(1, 6).map(drop).unwrap_err(),
        w.transpose(0, 2).map(drop).unwrap_err(),
        w.permute(&[0, 0]).map(drop).unwrap_err(),
        w.reshape(&[5, 5]).map(drop).unwrap_err(),
        w.transpose(0, 1).unwrap().reshape(&[24]).map(drop).unwrap_err(),
        w.narrow(0, usize::MAX, 2).map(drop).unwrap_err(),
        w.as_slice::<f64>().map(drop).unwrap_err(),
        w.copy_to(&mut [0; 3]).unwrap_err(),
        w.cast_into(&mut [0_f32; 3]).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Caller, "{error}");
    }
}

/// A tensor outlives everything else of its file.
#[test]
pub(crate) fn tensors_are_handles_of_their_own() {
    fn shared<T: Clone + Send + Sync + 'static>(t: T) -> T {
        t
    }
    let weights = LoadOptions::new().load_state_dict(fixture("zip/torch-2.15/state_dict.pt")).unwrap();
    let (name, first) = weights.iter().next().map(|(name, t)| (name.to_owned(), shared(t.clone()))).unwrap();
    let expected = weights[&*name].bytes().unwrap().into_owned();
    drop(weights);
    let other = first.clone();
    let read = std::thread::spawn(move || other.bytes().unwrap().into_owned()).join().unwrap();
    assert_eq!(read, expected);
    assert_eq!(first.detach().unwrap().bytes().unwrap(), expected);
}
