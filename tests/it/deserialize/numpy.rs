//! Scalars and arrays of numpy, into numbers and sequences.

use super::*;

#[test]
fn numpy_scalars_and_arrays_are_numbers() {
    let checkpoint = file("numpy_inside.pt");
    assert_eq!(checkpoint.deserialize::<f64>("scalar").unwrap(), 2.5);
    assert_eq!(checkpoint.deserialize::<Vec<f32>>("array").unwrap(), [0.0, 1.0, 2.0, 3.0]);
    assert_eq!(checkpoint.deserialize::<[i64; 3]>("ints").unwrap(), [0, 1, 2]);
    assert_eq!(checkpoint.deserialize::<Vec<String>>("text").unwrap(), ["a", "bc"]);
    says(&checkpoint.deserialize::<String>("dtype").unwrap_err(), &["numpy.dtype"]);
}

fn numpy_dtype(text_: &str, order: &str) -> Code {
    let state = [int(3), text(order), none(), none(), none(), int(-1), int(-1), int(0)];
    build(reduce(global("numpy", "dtype"), [text(text_), bool(false), bool(true)]), tuple(state))
}

fn numpy_scalar(dtype: Code, data: &[u8]) -> Code {
    reduce(global("numpy.core.multiarray", "scalar"), [dtype, bytes(data)])
}

fn numpy_array(shape: &[i64], fortran: bool, data: &[u8]) -> Code {
    let function = global("numpy._core.multiarray", "_reconstruct");
    let empty = reduce(function, [global("numpy", "ndarray"), ints(&[0]), bytes(b"b")]);
    build(empty, tuple([int(1), ints(shape), numpy_dtype("u1", "|"), bool(fortran), bytes(data)]))
}

#[test]
fn numpy_scalars_of_both_byte_orders() {
    assert_eq!(read::<f32>(numpy_scalar(numpy_dtype("f4", ">"), &1.5_f32.to_be_bytes())).unwrap(), 1.5);
    assert_eq!(read::<u64>(numpy_scalar(numpy_dtype("i8", "<"), &7_i64.to_le_bytes())).unwrap(), 7);
    assert!(read::<bool>(numpy_scalar(numpy_dtype("b1", "|"), &[1])).unwrap());
    assert_eq!(read::<String>(numpy_scalar(numpy_dtype("U2", "<"), b"h\0\0\0i\0\0\0")).unwrap(), "hi");
    refused::<u64>(numpy_scalar(numpy_dtype("f8", "<"), &1_f64.to_le_bytes()), &["floating point `1.0`", "u64"]);
    refused::<f64>(numpy_scalar(numpy_dtype("f8", "<"), &[0; 7]), &["numpy._core.multiarray.scalar"]);
    refused::<f64>(numpy_scalar(numpy_dtype("M8", "<"), &[0; 8]), &["numpy._core.multiarray.scalar"]);
}

#[test]
fn numpy_arrays_nest_by_dimension_in_both_orders() {
    let rows = [[1, 2, 3], [4, 5, 6]];
    assert_eq!(read::<[[u8; 3]; 2]>(numpy_array(&[2, 3], false, &[1, 2, 3, 4, 5, 6])).unwrap(), rows);
    assert_eq!(read::<[[u8; 3]; 2]>(numpy_array(&[2, 3], true, &[1, 4, 2, 5, 3, 6])).unwrap(), rows);
    assert_eq!(read::<u8>(numpy_array(&[], false, &[9])).unwrap(), 9);
    assert!(read::<Vec<u8>>(numpy_array(&[0], false, &[])).unwrap().is_empty());
    refused::<[[u8; 2]; 2]>(numpy_array(&[2, 3], false, &[1, 2, 3, 4, 5, 6]), &["0: invalid length 3"]);
    for (shape, data) in [(&[2, 3][..], &[0; 5][..]), (&[i64::MAX, i64::MAX], &[]), (&[-1], &[]), (&[1; 65], &[0])] {
        refused::<Vec<IgnoredAny>>(numpy_array(shape, false, data), &["_reconstruct"]);
    }
    // A billion empty rows cost no more than the limit on values.
    let error = read_few::<Vec<Vec<u8>>>(numpy_array(&[1 << 30, 0], false, &[])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
}
