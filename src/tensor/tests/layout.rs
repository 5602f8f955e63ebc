//! Shapes, strides and offsets against naive index arithmetic.

use proptest::prelude::*;

use super::*;
use crate::error::ErrorKind;
use crate::tensor::geometry::contiguous_strides;

/// The places in the storage of all elements in row-major order, one multiplication at a time.
fn places(sizes: &[usize], strides: &[usize], offset: usize) -> Vec<usize> {
    let mut places = vec![offset];
    for (&size, &stride) in sizes.iter().zip(strides) {
        places = places.iter().flat_map(|place| (0..size).map(move |n| place + n * stride)).collect();
    }
    places
}

fn at(stored: &[u8], itemsize: usize, places: &[usize]) -> Vec<u8> {
    places.iter().flat_map(|place| &stored[place * itemsize..][..itemsize]).copied().collect()
}

fn signed(numbers: &[usize]) -> Vec<i64> {
    numbers.iter().map(|&n| n as i64).collect()
}

fn some_dtype() -> impl Strategy<Value = DType> {
    prop::sample::select(vec![DType::Int8, DType::Float16, DType::Float32, DType::Float64, DType::Complex128])
}

/// Any sizes with any strides.
fn wild() -> impl Strategy<Value = (Vec<usize>, Vec<usize>)> {
    prop::collection::vec((0_usize..6, prop_oneof![Just(0_usize), Just(1), 0_usize..40]), 0..6)
        .prop_map(|dims| dims.into_iter().unzip())
}

/// Larger tensors, contiguous but for the order of their dimensions and the steps that slices make: they cross tiles.
fn sliced() -> impl Strategy<Value = (Vec<usize>, Vec<usize>)> {
    let sizes = prop_oneof![
        prop::collection::vec(1_usize..200, 2..=2),
        prop::collection::vec(1_usize..30, 3..=3),
        prop::collection::vec(1_usize..9, 4..=5),
    ];
    (sizes, any::<prop::sample::Index>(), 1_usize..3).prop_flat_map(|(sizes, stepped, step)| {
        let mut padded = sizes.clone();
        let stepped = stepped.index(sizes.len());
        padded[stepped] *= step;
        let mut strides = contiguous_strides(&padded);
        strides[stepped] *= step;
        let dims: Vec<_> = sizes.into_iter().zip(strides).collect();
        Just(dims).prop_shuffle().prop_map(|dims| dims.into_iter().unzip())
    })
}

fn check_reads(sizes: &[usize], strides: &[usize], offset: usize, dtype: DType, skipped: usize) {
    let expected_places = places(sizes, strides, offset);
    let elements = expected_places.iter().max().map_or(0, |last| last + 1);
    let itemsize = dtype.itemsize();
    let all = noise(skipped + elements * itemsize);
    let expected = at(&all[skipped..], itemsize, &expected_places);
    let storage = Storage::new(StorageParts {
        id: 0,
        key: "0".into(),
        location: "cpu".into(),
        device: Device::Cpu,
        nbytes: (elements * itemsize) as u64,
        data: StorageData::Record {
            records: Arc::new(Memory { bytes: all, skipped, compressed: false, stable: true }),
            record: RecordId(0),
            byte_order: ByteOrder::NATIVE,
        },
    });
    let tensor = tensor(&storage, dtype, &signed(sizes), &signed(strides), offset as i64).unwrap();
    assert_eq!((tensor.shape(), tensor.strides(), tensor.storage_offset()), (sizes, strides, offset));
    assert_eq!(tensor.numel(), expected_places.len());
    assert_eq!(tensor.nbytes(), expected.len());
    let in_a_row = expected_places.windows(2).all(|pair| pair[1] == pair[0] + 1);
    assert_eq!(tensor.is_contiguous(), in_a_row);

    let bytes = tensor.bytes().unwrap();
    assert_eq!(&*bytes, expected);
    assert_eq!(matches!(bytes, std::borrow::Cow::Borrowed(_)), in_a_row);
    let mut copied = vec![0xAA; expected.len()];
    tensor.copy_to(&mut copied).unwrap();
    assert_eq!(copied, expected);
    let detached = tensor.detach().unwrap();
    assert!(detached.is_contiguous());
    assert_eq!(&*detached.bytes().unwrap(), expected);
    if dtype == DType::Float64 {
        let numbers: Vec<u64> = expected.chunks(8).map(|n| u64::from_ne_bytes(n.try_into().unwrap())).collect();
        let read: Vec<f64> = tensor.to_vec().unwrap();
        assert!(read.iter().map(|n| n.to_bits()).eq(numbers.iter().copied()));
        let cast: Vec<f64> = tensor.cast().unwrap();
        assert!(cast.iter().map(|n| n.to_bits()).eq(numbers.iter().copied()));
    }
    if dtype == DType::Int8 {
        let numbers: Vec<f32> = expected.iter().map(|&n| f32::from(n as i8)).collect();
        assert_eq!(tensor.cast::<f32>().unwrap(), numbers);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_strides_read_as_naive_indexing((sizes, strides) in wild(), offset in 0_usize..10, dtype in some_dtype(), skipped in 0_usize..3) {
        check_reads(&sizes, &strides, offset, dtype, skipped);
    }

    #[test]
    fn transposes_of_slices_read_as_naive_indexing((sizes, strides) in sliced(), dtype in some_dtype()) {
        check_reads(&sizes, &strides, 3, dtype, 0);
    }

    #[test]
    fn views_compose_as_on_an_array(
        sizes in prop::collection::vec(1_usize..6, 1..5),
        steps in prop::collection::vec((0_u8..5, any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..8),
    ) {
        let numel: usize = sizes.iter().product();
        let storage = storage(noise(numel * 2));
        let strides = contiguous_strides(&sizes);
        let mut view = tensor(&storage, DType::Int16, &signed(&sizes), &signed(&strides), 0).unwrap();
        // The array: its shape and for each element its number in the storage.
        let mut shape = sizes;
        let mut numbers: Vec<usize> = (0..numel).collect();
        for (kind, a, b) in steps {
            if shape.is_empty() || numbers.is_empty() {
                break;
            }
            let strides = contiguous_strides(&shape);
            let dim = a.index(shape.len());
            match kind {
                0 => {
                    let start = b.index(shape[dim] + 1);
                    let len = a.index(shape[dim] - start + 1);
                    view = view.narrow(dim, start, len).unwrap();
                    shape[dim] = len;
                    let places = places(&shape, &strides, start * strides[dim]);
                    numbers = places.iter().map(|&place| numbers[place]).collect();
                }
                1 => {
                    let index = b.index(shape[dim]);
                    view = view.select(dim, index).unwrap();
                    let (mut rest, mut rest_strides) = (shape.clone(), strides.clone());
                    rest.remove(dim);
                    rest_strides.remove(dim);
                    numbers = places(&rest, &rest_strides, index * strides[dim]).iter().map(|&p| numbers[p]).collect();
                    shape = rest;
                }
                2 | 3 => {
                    let mut order: Vec<usize> = (0..shape.len()).collect();
                    let other = b.index(shape.len());
                    if kind == 2 {
                        order.swap(dim, other);
                        view = view.transpose(dim, other).unwrap();
                    } else {
                        order.rotate_left(other);
                        view = view.permute(&order).unwrap();
                    }
                    let permuted: Vec<usize> = order.iter().map(|&n| strides[n]).collect();
                    shape = order.iter().map(|&n| shape[n]).collect();
                    numbers = places(&shape, &permuted, 0).iter().map(|&place| numbers[place]).collect();
                }
                _ => {
                    let last = shape.len() - 1;
                    let (first, second) = (shape[dim], shape[last]);
                    let mut wanted = shape.clone();
                    if dim + 1 == last {
                        wanted.truncate(dim);
                        wanted.push(first * second);
                    } else {
                        wanted = vec![numbers.len()];
                    }
                    match view.reshape(&wanted) {
                        Ok(reshaped) => (view, shape) = (reshaped, wanted),
                        Err(error) => {
                            prop_assert_eq!(error.kind(), ErrorKind::Caller);
                            prop_assert!(!view.is_contiguous());
                        }
                    }
                }
            }
            prop_assert_eq!(view.shape(), &shape[..]);
            let stored = storage.bytes(crate::tensor::dtype::SwapUnit::Two).unwrap();
            prop_assert_eq!(&*view.bytes().unwrap(), at(stored, 2, &numbers));
        }
    }
}

/// Shape, strides, new shape, and the strides that torch 2.15 gives the view (`None`: it refuses).
type ViewCase = (&'static [i64], &'static [i64], &'static [usize], Option<&'static [usize]>);

#[test]
fn reshape_finds_the_strides_that_torch_finds() {
    let storage = storage(vec![0; 24]);
    let cases: &[ViewCase] = &[
        (&[3, 2, 4], &[4, 12, 1], &[3, 2, 2, 2], Some(&[4, 12, 2, 1])),
        (&[2, 4, 3], &[12, 1, 4], &[8, 3], None),
        (&[2, 3, 2], &[12, 4, 2], &[6, 2], Some(&[4, 2])),
        (&[2, 3, 2], &[12, 4, 2], &[12], Some(&[2])),
        (&[2, 3, 1], &[12, 4, 1], &[6], Some(&[4])),
        (&[1, 3, 4], &[12, 4, 1], &[3, 4], Some(&[4, 1])),
        (&[4, 6], &[0, 0], &[24], Some(&[0])),
        (&[4, 2, 3], &[1, 12, 4], &[2, 2, 2, 3], Some(&[2, 1, 12, 4])),
        (&[4, 2, 3], &[1, 12, 4], &[4, 6], Some(&[1, 4])),
        (&[4, 2, 3], &[1, 12, 4], &[4, 3, 2], Some(&[1, 8, 4])),
        (&[], &[], &[1, 1], Some(&[1, 1])),
        (&[1, 1], &[1, 1], &[], Some(&[])),
    ];
    for (sizes, strides, wanted, expected) in cases {
        let view = tensor(&storage, DType::Int8, sizes, strides, 0).unwrap().reshape(wanted);
        match expected {
            Some(expected) => assert_eq!(view.unwrap().strides(), *expected, "{sizes:?} {wanted:?}"),
            None => assert!(view.unwrap_err().message().contains("without a copy"), "{sizes:?} {wanted:?}"),
        }
    }
}

#[test]
fn views_that_do_not_exist_are_the_callers_error() {
    let t = tensor(&storage(vec![0; 24]), DType::Int8, &[4, 6], &[6, 1], 0).unwrap();
    for (result, message) in [
        (t.narrow(0, 3, 2), "2 from 3 on is more than dimension 0 has, which is 4"),
        (t.narrow(1, usize::MAX, 2), "is more than dimension 1 has, which is 6"),
        (t.narrow(2, 0, 0), "there is no dimension 2 in a tensor with 2 dimensions"),
        (t.select(1, 6), "index 6 is out of range for dimension 1 of size 6"),
        (t.transpose(0, 2), "there is no dimension 2"),
        (t.permute(&[0]), "[0] does not name each of the 2 dimensions exactly once"),
        (t.permute(&[1, 1]), "[1, 1] does not name"),
        (t.reshape(&[5, 5]), "shape [5, 5] does not have the 24 elements of shape [4, 6]"),
        (t.reshape(&[usize::MAX, 2]), "does not have the 24 elements"),
        (t.transpose(0, 1).unwrap().reshape(&[24]), "cannot be seen as shape [24] without a copy"),
    ] {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Caller);
        assert!(error.message().contains(message), "{error}");
    }
}

#[test]
fn case_064_plain_transposed_offset_expanded_scalar_and_empty_tensors() {
    let storage = storage(bytes_of(&[0_f32, 1., 2., 3., 4., 5.]));
    let f32s = |sizes: &[i64], strides: &[i64], offset| {
        tensor(&storage, DType::Float32, sizes, strides, offset).unwrap().to_vec::<f32>().unwrap()
    };
    assert_eq!(f32s(&[2, 3], &[3, 1], 0), [0., 1., 2., 3., 4., 5.]);
    assert_eq!(f32s(&[3, 2], &[1, 3], 0), [0., 3., 1., 4., 2., 5.]);
    assert_eq!(f32s(&[2], &[1], 4), [4., 5.]);
    assert_eq!(f32s(&[2, 3], &[1, 0], 2), [2., 2., 2., 3., 3., 3.]);
    assert_eq!(f32s(&[], &[], 5), [5.]);
    assert_eq!(f32s(&[0, 3], &[3, 1], 0), [0_f32; 0]);
    let empty = tensor(&storage, DType::Float32, &[0], &[1], 0).unwrap();
    assert_eq!(empty.as_slice::<f32>().unwrap(), &[0_f32; 0]);
}

#[test]
fn contiguity_is_torchs() {
    let storage = storage(vec![0; 64]);
    for (sizes, strides, expected) in [
        (&[2, 1, 3][..], &[3, 99, 1][..], true),
        (&[1, 3], &[0, 1], true),
        (&[2, 3], &[0, 1], false),
        (&[2, 3], &[4, 1], false),
        (&[2, 0], &[7, 7], true),
        (&[], &[], true),
        (&[1], &[0], true),
    ] {
        assert_eq!(tensor(&storage, DType::Int8, sizes, strides, 0).unwrap().is_contiguous(), expected, "{sizes:?}");
    }
}

#[test]
fn case_073_packed_values_count_bytes() {
    let limits = Limits::default();
    let packed = |dtype: DType, bytes: Vec<u8>, sizes: &[i64], strides: &[i64]| {
        let storage = storage(bytes);
        let geometry = Geometry::check_packed(sizes, strides, 0, storage.nbytes(), dtype, &limits)?;
        Ok::<_, Error>(Tensor::new(TensorParts {
            storage,
            geometry,
            dtype,
            marks: Marks::default(),
            materialised_bytes: limits.materialised_bytes,
            extra: crate::tensor::Extra::default(),
        }))
    };
    // torch allocates 6 bytes for shape (2, 5) and fills 5; 4 bytes for shape (2, 3) of quint2x4 and fills 2.
    let t = packed(DType::QUInt4x2, vec![0x10, 0x32, 0x54, 0x76, 0x98, 0xEE], &[2, 5], &[5, 1]).unwrap();
    assert_eq!((t.numel(), t.nbytes()), (10, 5));
    assert_eq!(&*t.bytes().unwrap(), [0x10, 0x32, 0x54, 0x76, 0x98]);
    assert_eq!(t.as_slice::<u8>().unwrap().len(), 5);
    assert_eq!(t.to_vec::<u8>().unwrap().len(), 5);
    assert_eq!(t.select(0, 1).unwrap_err().kind(), ErrorKind::Unsupported);
    let t = packed(DType::QUInt2x4, vec![0xE4, 0x04, 0xEE, 0xEE], &[2, 3], &[3, 1]).unwrap();
    assert_eq!(&*t.bytes().unwrap(), [0xE4, 0x04]);
    assert!(packed(DType::QUInt4x2, vec![0; 4], &[2, 5], &[5, 1]).is_err());
    assert!(packed(DType::QUInt4x2, vec![0; 9], &[2, 5], &[1, 2]).is_err());
    assert!(packed(DType::QUInt4x2, vec![], &[0, 5], &[5, 1]).is_ok());
}

#[test]
fn case_079_a_meta_tensor_has_a_shape_of_terabytes_and_no_data() {
    let meta = Storage::new(StorageParts {
        id: 7,
        key: "7".into(),
        location: "meta".into(),
        device: Device::Meta,
        nbytes: 4 << 50,
        data: StorageData::Meta,
    });
    let t = tensor(&meta, DType::Float32, &[1 << 25, 1 << 25], &[1 << 25, 1], 0).unwrap();
    assert_eq!(t.numel(), 1 << 50);
    assert_eq!(t.nbytes(), 4 << 50);
    let messages = [
        t.bytes().unwrap_err(),
        t.as_slice::<f32>().unwrap_err(),
        t.to_vec::<f32>().unwrap_err(),
        t.cast::<f64>().unwrap_err(),
        t.select(0, 0).unwrap().select(0, 0).unwrap().to_vec::<f32>().unwrap_err(),
    ];
    for error in messages {
        assert_eq!(error.kind(), ErrorKind::Caller);
        assert_eq!(error.message(), "a tensor on the device `meta` has a shape but no data");
    }
    assert_eq!(t.detach().unwrap().shape(), t.shape());
}

#[test]
fn case_083_views_beyond_the_storage() {
    let storage = storage(vec![0; 24]);
    let f32s = |sizes: &[i64], strides: &[i64], offset| tensor(&storage, DType::Float32, sizes, strides, offset);
    assert!(f32s(&[2, 3], &[3, 1], 0).is_ok());
    let huge = 1_i64 << 62;
    for (sizes, strides, offset, message) in [
        (&[2, 4][..], &[3, 1][..], 0, "shape [2, 4] with strides [3, 1] and offset 0 does not fit in its storage of 6"),
        (&[7], &[1], 0, "does not fit"),
        (&[2, 3], &[3, 1], 1, "offset 1 does not fit"),
        (&[], &[], 6, "does not fit"),
        (&[2, 3], &[3, 1], -1, "has the negative storage offset -1"),
        (&[2, 3], &[-3, 1], 0, "has the negative stride -3"),
        (&[2, -1], &[3, 1], 0, "has the negative size -1"),
        (&[0, -1], &[3, 1], 0, "has the negative size -1"),
        (&[huge], &[0], 0, "more elements than can be addressed"),
        (&[huge, huge], &[0, 0], 0, "more elements than can be addressed"),
        (&[huge], &[1], 0, "more elements than can be addressed"),
        (&[1 << 40, 1 << 40], &[0, 0], 0, "more elements than can be addressed"),
        (&[2], &[i64::MAX], 0, "does not fit"),
        (&[3, 3], &[i64::MAX, i64::MAX], 0, "does not fit"),
        (&[2], &[i64::MAX], i64::MAX, "does not fit"),
        (&[1], &[1], i64::MAX, "does not fit"),
        (&[2, 3], &[1], 0, "has 2 dimensions but 1 strides"),
    ] {
        let error = f32s(sizes, strides, offset).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
        assert!(error.message().contains(message), "{error}");
    }
    // A large stride of a dimension with one index is never taken.
    assert!(f32s(&[1], &[i64::MAX], 0).is_ok());
    let error = f32s(&[1; 65], &[1; 65], 0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert_eq!(f32s(&[1; 64], &[1; 64], 5).unwrap().to_vec::<f32>().unwrap(), [0.]);

    let wild = f32s(&[0, 1 << 40, huge], &[huge, huge, huge], i64::MAX).unwrap();
    assert_eq!(wild.numel(), 0);
    assert!(wild.bytes().unwrap().is_empty());
    assert!(wild.to_vec::<f32>().unwrap().is_empty());
    assert!(wild.cast::<f64>().unwrap().is_empty());
    assert!(wild.select(1, 1000).unwrap().narrow(1, 1 << 60, 5).unwrap().bytes().unwrap().is_empty());
    assert_eq!(wild.reshape(&[7, 0]).unwrap().shape(), [7, 0]);
}
