//! Sparse and nested tensors: honest files of torch, and files whose parts lie (cases 76 to 78).

use torch_checkpoint::{Checkpoint, DType, ErrorKind, Layout, Limits, LoadOptions, Tensor};

use crate::pickle_builder::{
    Code, StorageId, TensorCall, bool, dict, f32s, global, int, ints, none, ordered_dict, parameter, reduce, text,
    torch_file, tuple,
};
use crate::support::{fixture, open, refusal, says, tensor};

fn i64s(values: &[i64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// An int64 tensor over the whole storage of that key.
fn i64_tensor(key: &str, size: &[i64]) -> Code {
    TensorCall::new(&StorageId::new("LongStorage", key, size.iter().product()), size).code()
}

fn f32_tensor(key: &str, size: &[i64]) -> Code {
    crate::pickle_builder::f32_tensor(key, size)
}

fn layout(name: &str) -> Code {
    reduce(global("torch.serialization", "_get_layout"), [text(&format!("torch.{name}"))])
}

fn size(sizes: &[i64]) -> Code {
    reduce(global("torch", "Size"), [ints(sizes)])
}

fn sparse(name: &str, parts: Vec<Code>) -> Code {
    reduce(global("torch._utils", "_rebuild_sparse_tensor"), [layout(name), tuple(parts)])
}

/// A file with one tensor, whose parts lie in the storages `0`, `1`, ….
fn file(root: &Code, storages: &[Vec<u8>]) -> Vec<u8> {
    let keys: Vec<String> = (0..storages.len()).map(|key| key.to_string()).collect();
    let storages: Vec<(&str, &[u8])> =
        keys.iter().map(String::as_str).zip(storages.iter().map(Vec::as_slice)).collect();
    torch_file(root, &storages)
}

fn only(checkpoint: &Checkpoint) -> Tensor {
    tensor(checkpoint, "")
}

/// Coordinates `[dims, n]` and values of a matrix of 3 rows and 4 columns.
fn coo(indices: &[i64], values: &[f32], more: Option<Code>) -> Vec<u8> {
    let n = values.len() as i64;
    let parts = [i64_tensor("0", &[indices.len() as i64 / n, n]), f32_tensor("1", &[n]), size(&[3, 4])];
    file(&sparse("sparse_coo", parts.into_iter().chain(more).collect()), &[i64s(indices), f32s(values)])
}

/// Compressed rows (or columns) of a matrix of 3 rows and 4 columns.
fn compressed(name: &str, starts: &[i64], others: &[i64], values: &[f32]) -> Vec<u8> {
    let lengths = [starts.len() as i64, others.len() as i64, values.len() as i64];
    let parts = vec![
        i64_tensor("0", &lengths[..1]),
        i64_tensor("1", &lengths[1..2]),
        f32_tensor("2", &lengths[2..]),
        size(&[3, 4]),
    ];
    file(&sparse(name, parts), &[i64s(starts), i64s(others), f32s(values)])
}

/// Opening reads no tensor, so the defect appears when the data is asked for, and when the file is verified.
#[track_caller]
fn refused_when_read(bytes: Vec<u8>, words: &[&str]) {
    let checkpoint = open(bytes);
    let tensor = only(&checkpoint);
    let error = if tensor.layout() == Layout::Nested {
        tensor.unbind().map(drop).unwrap_err()
    } else {
        tensor.to_dense().map(drop).unwrap_err()
    };
    assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
    says(&error, words);
    let defects = checkpoint.verify();
    assert_eq!(defects.len(), 1);
    says(&defects[0], words);
}

#[test]
pub(crate) fn case_076_coordinates_in_each_form() {
    let dense = [[0., 1., 0., 0.], [0., 0., 0., 0.], [0., 0., 0., 6.]].concat();
    for (more, coalesced) in
        [(None, None), (Some(none()), None), (Some(bool(true)), Some(true)), (Some(bool(false)), Some(false))]
    {
        let checkpoint = open(coo(&[0, 2, 2, 1, 3, 3], &[1., 2., 4.], more));
        let tensor = only(&checkpoint);
        assert_eq!((tensor.layout(), tensor.shape(), tensor.nnz()), (Layout::SparseCoo, &[3, 4][..], Some(3)));
        assert_eq!((tensor.is_coalesced(), tensor.strides(), tensor.is_contiguous()), (coalesced, &[][..], false));
        let names: Vec<_> = tensor.components().map(|(name, part)| (name, part.shape().to_vec())).collect();
        assert_eq!(names, [("indices", vec![2, 3]), ("values", vec![3])]);
        assert_eq!(tensor.to_dense().unwrap().to_vec::<f32>().unwrap(), dense);
        assert_eq!(checkpoint.verify().len(), 0);
    }
}

#[test]
pub(crate) fn case_076_compressed_rows_and_columns() {
    let rows = only(&open(compressed("sparse_csr", &[0, 2, 2, 3], &[1, 3, 0], &[1., 2., 3.])));
    assert_eq!(rows.to_dense().unwrap().to_vec::<f32>().unwrap(), [0., 1., 0., 2., 0., 0., 0., 0., 3., 0., 0., 0.]);
    assert_eq!(rows.components().map(|(name, _)| name).collect::<Vec<_>>(), ["crow_indices", "col_indices", "values"]);
    let columns = only(&open(compressed("sparse_csc", &[0, 1, 1, 3, 3], &[2, 0, 1], &[1., 2., 3.])));
    assert_eq!(columns.to_dense().unwrap().to_vec::<f32>().unwrap(), [0., 0., 2., 0., 0., 0., 3., 0., 1., 0., 0., 0.]);
    assert_eq!(
        columns.components().map(|(name, _)| name).collect::<Vec<_>>(),
        ["ccol_indices", "row_indices", "values"]
    );
    assert_eq!((rows.nnz(), rows.is_coalesced()), (Some(3), None));
}

#[test]
pub(crate) fn case_076_blocks_of_one_and_of_four() {
    for (name, key) in [("bsr", "1x1_int64"), ("bsr", "2x2_int32"), ("bsc", "1x1_int32"), ("bsc", "2x2_int64")] {
        let checkpoint = LoadOptions::new().open(fixture(&format!("zip/torch-2.15/sparse_{name}.pt"))).unwrap();
        let blocks = tensor(&checkpoint, key);
        assert_eq!((blocks.layout().name(), blocks.shape()), (&*format!("sparse_{name}"), &[4, 6][..]));
        let values = blocks.components().find(|(name, _)| *name == "values").unwrap().1.clone();
        let dense = blocks.to_dense().unwrap();
        let total = |tensor: &Tensor| tensor.cast::<f64>().unwrap().iter().sum::<f64>();
        assert_eq!(total(&dense), total(&values));
        assert_eq!(dense.shape(), [4, 6]);
    }
}

#[test]
pub(crate) fn the_forms_of_older_releases_and_of_torchscript() {
    let (crow, col) = (i64_tensor("0", &[3]), i64_tensor("1", &[2]));
    let values = TensorCall::new(&StorageId::new("FloatStorage", "2", 2), &[2]).requires_grad().code();
    let storages = [i64s(&[0, 1, 2]), i64s(&[1, 0]), f32s(&[5., 7.])];
    let csr =
        |function: &str, args: Vec<Code>| only(&open(file(&reduce(global("torch._utils", function), args), &storages)));
    let parts = || tuple([crow.clone(), col.clone(), values.clone(), size(&[2, 2])]);
    let of_1_13 = csr("_rebuild_sparse_csr_tensor", vec![layout("sparse_csr"), parts()]);
    let by_number = csr("_rebuild_sparse_tensor", vec![int(2), parts()]);
    let by_name = csr("_rebuild_sparse_tensor", vec![global("torch", "sparse_csr"), parts()]);
    let script = csr(
        "_rebuild_sparse_tensor",
        vec![int(2), ints(&[2, 2]), bool(true), crow.clone(), col.clone(), values.clone(), ordered_dict([])],
    );
    for tensor in [of_1_13, by_number, by_name, script] {
        assert_eq!((tensor.layout(), tensor.requires_grad()), (Layout::SparseCsr, true));
        assert_eq!(tensor.to_dense().unwrap().as_slice::<f32>().unwrap(), [0., 5., 7., 0.]);
    }
    let args = [int(1), ints(&[4]), bool(true), i64_tensor("0", &[1, 2]), f32_tensor("1", &[2]), ordered_dict([])];
    let script = reduce(global("torch._utils", "_rebuild_sparse_tensor"), args);
    let tensor = only(&open(file(&parameter(script, false), &[i64s(&[3, 0]), f32s(&[1., 2.])])));
    assert_eq!((tensor.is_parameter(), tensor.requires_grad()), (true, false));
    assert_eq!(tensor.to_dense().unwrap().as_slice::<f32>().unwrap(), [2., 0., 0., 1.]);
}

#[test]
pub(crate) fn case_077_coordinates_out_of_range() {
    refused_when_read(coo(&[0, 3, 1, 2], &[1., 2.], None), &["indices", "[0, 1] is 3", "dimension 0", "size 3"]);
    refused_when_read(coo(&[0, 1, 4, 2], &[1., 2.], None), &["indices", "[1, 0] is 4", "dimension 1", "size 4"]);
    refused_when_read(coo(&[0, 1, -1, 2], &[1., 2.], None), &["indices", "[1, 0] is -1"]);
    refused_when_read(coo(&[0, i64::MAX, 0, 0], &[1., 2.], None), &["indices", "9223372036854775807"]);
}

#[test]
pub(crate) fn case_077_compressed_indices_that_do_not_add_up() {
    let rows = |starts: &[i64], others: &[i64]| compressed("sparse_csr", starts, others, &[1., 2.]);
    refused_when_read(rows(&[1, 1, 2, 2], &[0, 1]), &["crow_indices", "start at 1"]);
    refused_when_read(rows(&[0, 2, 1, 2], &[0, 1]), &["crow_indices", "decrease from 2 to 1"]);
    refused_when_read(rows(&[0, i64::MIN, 1, 2], &[0, 1]), &["crow_indices", "decrease"]);
    refused_when_read(rows(&[0, 1, 1, 1], &[0, 1]), &["crow_indices", "end at 1", "2 values"]);
    refused_when_read(rows(&[0, 0, 0, 3], &[0, 1]), &["crow_indices", "end at 3", "2 values"]);
    refused_when_read(rows(&[0, 5, 5, 5], &[0, 1]), &["crow_indices", "line 0", "5 values", "room for 4"]);
    refused_when_read(rows(&[0, 1, 2, 2], &[0, 4]), &["col_indices", "at 1 is 4"]);
    refused_when_read(rows(&[0, 1, 2, 2], &[-1, 0]), &["col_indices", "at 0 is -1"]);
    let columns = compressed("sparse_csc", &[0, 1, 2, 2, 2], &[0, 3], &[1., 2.]);
    refused_when_read(columns, &["row_indices", "at 1 is 3"]);
}

/// What needs no data is refused when the file is opened.
#[test]
pub(crate) fn case_077_parts_that_do_not_fit_together() {
    let with = |indices: Code, values: Code, sizes: &[i64]| {
        let parts = vec![indices, values, size(sizes)];
        refusal(file(&sparse("sparse_coo", parts), &[i64s(&[0, 1]), f32s(&[1., 2.])]))
    };
    let (indices, values) = (i64_tensor("0", &[1, 2]), f32_tensor("1", &[2]));
    for (error, words) in [
        (with(values.clone(), values.clone(), &[3]), ["indices", "matrix"]),
        (with(f32_tensor("1", &[1, 2]), values.clone(), &[3]), ["indices", "int64"]),
        (with(indices.clone(), f32_tensor("1", &[1, 2]), &[3]), ["values", "2 elements"]),
        (with(indices.clone(), values.clone(), &[3, 4]), ["values", "of shape [4]"]),
        (with(i64_tensor("0", &[2, 1]), values.clone(), &[3]), ["indices", "[3]"]),
        (with(indices.clone(), values.clone(), &[-3]), ["size", "-3"]),
        (with(indices, none(), &[3]), ["None", "tensor"]),
    ] {
        assert_eq!(error.kind(), ErrorKind::Malformed);
        says(&error, &words);
        assert_eq!(error.opcode(), Some("REDUCE"), "{error}");
    }
    for (error, words) in [
        (refusal(compressed("sparse_csr", &[0, 2], &[0, 1], &[1., 2.])), ["crow_indices", "3 of size [3, 4]"]),
        (refusal(compressed("sparse_csr", &[0, 1, 2, 2], &[0], &[1., 2.])), ["values", "1 elements"]),
        (refusal(compressed("sparse_bsr", &[0, 1, 2, 2], &[0, 1], &[1., 2.])), ["values", "2 blocks"]),
        (refusal(compressed("strided", &[0, 1, 2, 2], &[0, 1], &[1., 2.])), ["layout", "strided"]),
        (refusal(coo(&[0, 1], &[1., 2.], Some(text("x")))), ["bool", "str"]),
    ] {
        assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
        says(&error, &words);
    }
}

/// Four bytes that claim to be a matrix of exabytes cost nothing until they are wanted dense, and then a limit stops them.
#[test]
pub(crate) fn absurd_sizes_are_a_limit_not_an_allocation() {
    for sizes in [[1 << 20, 1 << 21], [1 << 40, 1 << 40], [i64::MAX, i64::MAX]] {
        let parts = vec![i64_tensor("0", &[2, 1]), f32_tensor("1", &[1]), size(&sizes)];
        let tensor = only(&open(file(&sparse("sparse_coo", parts), &[i64s(&[1, 1]), f32s(&[1.])])));
        assert_eq!(tensor.shape(), sizes.map(|size| size as usize));
        assert_eq!(tensor.to_dense().unwrap_err().kind(), ErrorKind::Limit);
    }
    // Without elements there is nothing to do, however often.
    let expanded = TensorCall::new(&StorageId::new("FloatStorage", "1", 0), &[1 << 50, 0]).code();
    let indices = TensorCall::new(&StorageId::new("LongStorage", "0", 0), &[0, 1 << 50]).code();
    let parts = vec![indices, expanded, size(&[0])];
    let tensor = only(&open(file(&sparse("sparse_coo", parts), &[vec![], vec![]])));
    assert_eq!(tensor.to_dense().unwrap().as_slice::<f32>().unwrap(), [0.; 0]);
    let mut limits = Limits::default();
    limits.materialised_bytes = 47;
    let checkpoint = LoadOptions::new().limits(limits).open_bytes(coo(&[0, 0], &[1.], None)).unwrap();
    let error = only(&checkpoint).to_dense().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    says(&error, &["48", "47", "materialised_bytes"]);
}

#[test]
pub(crate) fn plain_readers_say_which_method_reads_the_tensor() {
    let sparse = only(&open(coo(&[0, 1], &[1.], None)));
    let nested = only(&open(views(&[2], &[1], &[0], 2)));
    for (tensor, word) in [(&sparse, "to_dense()"), (&nested, "unbind()")] {
        for error in [
            tensor.bytes().map(drop).unwrap_err(),
            tensor.as_slice::<f32>().map(drop).unwrap_err(),
            tensor.as_slice::<bool>().map(drop).unwrap_err(),
            tensor.to_vec::<f32>().map(drop).unwrap_err(),
            tensor.cast::<f32>().map(drop).unwrap_err(),
            tensor.cast_into::<f32>(&mut []).unwrap_err(),
            tensor.copy_to(&mut []).unwrap_err(),
            tensor.narrow(0, 0, 1).map(drop).unwrap_err(),
            tensor.reshape(&[1]).map(drop).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            says(&error, &[word, "components()"]);
        }
    }
    assert_eq!(sparse.unbind().unwrap_err().kind(), ErrorKind::Caller);
    assert_eq!(nested.to_dense().unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
pub(crate) fn a_detached_sparse_tensor_needs_no_file() {
    let copy = only(&open(coo(&[0, 2, 1, 3], &[1., 2.], Some(bool(true))))).detach().unwrap();
    assert_eq!((copy.layout(), copy.is_coalesced(), copy.nnz()), (Layout::SparseCoo, Some(true), Some(2)));
    let dense = copy.to_dense().unwrap();
    assert_eq!(dense.to_dense().unwrap().as_slice::<f32>().unwrap(), [0., 1., 0., 0., 0., 0., 0., 0., 0., 0., 0., 2.]);
    let nested = only(&open(views(&[2, 1], &[1, 1], &[0, 2], 3))).detach().unwrap();
    assert_eq!(nested.unbind().unwrap()[1].as_slice::<f32>().unwrap(), [2.]);
}

/// A nested tensor of vectors over a buffer of 0, 1, 2, ….
fn views(sizes: &[i64], strides: &[i64], offsets: &[i64], buffer: i64) -> Vec<u8> {
    let n = sizes.len() as i64;
    let parts = [f32_tensor("0", &[buffer]), i64_tensor("1", &[n, 1]), i64_tensor("2", &[n, 1]), i64_tensor("3", &[n])];
    let data: Vec<f32> = (0..buffer).map(|number| number as f32).collect();
    let storages = [f32s(&data), i64s(sizes), i64s(strides), i64s(offsets)];
    file(&reduce(global("torch._utils", "_rebuild_nested_tensor"), parts), &storages)
}

/// A jagged tensor over 12 values 0, 1, 2, … of shape [6, 2] or, with the ragged dimension 2, [2, 6].
fn jagged(offsets: &[i64], lengths: Option<&[i64]>, dim: i64) -> Vec<u8> {
    let lengths_code = lengths.map_or(none(), |lengths| i64_tensor("2", &[lengths.len() as i64]));
    let values = f32_tensor("0", if dim == 2 { &[2, 6] } else { &[6, 2] });
    let parts = dict([
        ("values", values),
        ("offsets", i64_tensor("1", &[offsets.len() as i64])),
        ("lengths", lengths_code),
        ("_ragged_idx", int(dim)),
        ("requires_grad", bool(true)),
    ]);
    let module = "torch.nested._internal.nested_tensor";
    let class = global(module, "NestedTensor");
    let args = [global(module, "_rebuild_njt"), class, tuple([parts]), dict([("_is_param", bool(true))])];
    let data: Vec<f32> = (0..12).map(|number| number as f32).collect();
    let storages = [f32s(&data), i64s(offsets), i64s(lengths.unwrap_or_default())];
    let used = if lengths.is_some() { 3 } else { 2 };
    file(&reduce(global("torch._tensor", "_rebuild_from_type_v2"), args), &storages[..used])
}

fn components(bytes: Vec<u8>) -> Vec<(Vec<usize>, Vec<f32>)> {
    let tensor = only(&open(bytes));
    assert_eq!((tensor.layout(), tensor.dtype(), tensor.nnz()), (Layout::Nested, DType::Float32, None));
    let components = tensor.unbind().unwrap();
    assert_eq!(tensor.shape(), [components.len()]);
    components.iter().map(|part| (part.shape().to_vec(), part.to_vec().unwrap())).collect()
}

#[test]
pub(crate) fn case_078_nested_tensors_of_views() {
    let found = components(views(&[2, 0, 3], &[1, 1, 2], &[4, 99, 1], 6));
    let wanted = [(vec![2], vec![4., 5.]), (vec![0], vec![]), (vec![3], vec![1., 3., 5.])];
    assert_eq!(found, wanted);
    assert_eq!(components(views(&[], &[], &[], 0)), []);
    refused_when_read(views(&[2, 3], &[1, 1], &[0, 4], 6), &["component 1", "offset 4", "6 elements"]);
    refused_when_read(views(&[2], &[5], &[2], 6), &["component 0", "strides [5]"]);
    refused_when_read(views(&[-1], &[1], &[0], 6), &["component 0", "size -1"]);
    refused_when_read(views(&[1], &[1], &[-2], 6), &["component 0", "offset -2"]);
    refused_when_read(views(&[i64::MAX], &[i64::MAX], &[0], 6), &["component 0"]);
}

#[test]
pub(crate) fn case_078_jagged_tensors() {
    let found = components(jagged(&[0, 1, 1, 6], None, 1));
    assert_eq!(found[0], (vec![1, 2], vec![0., 1.]));
    assert_eq!(found[1], (vec![0, 2], vec![]));
    assert_eq!(found[2].0, [5, 2]);
    let found = components(jagged(&[0, 2, 6], None, 2));
    assert_eq!(found, [(vec![2, 2], vec![0., 1., 6., 7.]), (vec![2, 4], vec![2., 3., 4., 5., 8., 9., 10., 11.])]);
    let found = components(jagged(&[0, 3, 9], Some(&[1, 2]), 1));
    assert_eq!(found, [(vec![1, 2], vec![0., 1.]), (vec![2, 2], vec![6., 7., 8., 9.])]);
    let tensor = only(&open(jagged(&[0, 6], None, 1)));
    assert_eq!((tensor.is_parameter(), tensor.requires_grad(), tensor.numel()), (true, true, 12));
    assert_eq!(tensor.components().map(|(name, _)| name).collect::<Vec<_>>(), ["values", "offsets"]);

    refused_when_read(jagged(&[1, 6], None, 1), &["offsets", "from 1 to 6"]);
    refused_when_read(jagged(&[0, 7], None, 1), &["offsets", "from 0 to 7", "the 6"]);
    refused_when_read(jagged(&[0, 4, 3, 6], None, 1), &["component 1", "-1 from 4"]);
    refused_when_read(jagged(&[0, 5, 6], Some(&[1, 2]), 1), &["component 1", "2 from 5", "the 6"]);
    refused_when_read(jagged(&[0, -1, 6], Some(&[1, 2]), 1), &["component 1", "from -1"]);
    refused_when_read(jagged(&[0, i64::MAX, 6], Some(&[1, 2]), 1), &["component 1"]);
    says(&refusal(jagged(&[0, 6], None, 3)), &["ragged dimension 3", "[6, 2]"]);
    says(&refusal(jagged(&[0, 6], None, 0)), &["ragged dimension 0"]);
    says(&refusal(jagged(&[0, 6], Some(&[1, 2]), 1)), &["lengths", "1 components"]);
    says(&refusal(jagged(&[], None, 1)), &["offsets", "at least one"]);
}

/// Few bytes cannot present themselves as many components.
#[test]
pub(crate) fn expanded_nested_sizes_are_refused() {
    let expanded = |key: &str, size: &[i64], stride: &[i64]| {
        TensorCall::new(&StorageId::new("LongStorage", key, 1), size).at(0, stride).code()
    };
    let parts = [
        f32_tensor("0", &[1]),
        expanded("1", &[1 << 40, 1], &[0, 1]),
        expanded("2", &[1 << 40, 1], &[0, 1]),
        expanded("3", &[1 << 40], &[0]),
    ];
    let storages = [f32s(&[1.]), i64s(&[1]), i64s(&[1]), i64s(&[0])];
    let error = refusal(file(&reduce(global("torch._utils", "_rebuild_nested_tensor"), parts), &storages));
    says(&error, &["sizes", "contiguous"]);
}

#[test]
pub(crate) fn sparse_and_nested_tensors_do_not_nest() {
    let inner = sparse("sparse_coo", vec![i64_tensor("0", &[1, 1]), f32_tensor("1", &[1]), size(&[2])]);
    let outer = sparse("sparse_coo", vec![i64_tensor("0", &[1, 1]), inner, size(&[1, 2])]);
    let error = refusal(file(&outer, &[i64s(&[0]), f32s(&[1.])]));
    says(&error, &["values"]);
}
