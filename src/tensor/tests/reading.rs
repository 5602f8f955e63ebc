//! What the reading methods refuse, and with which words; conjugates and negatives.

use half::f16;
use proptest::prelude::*;

use super::*;
use crate::error::ErrorKind;
use crate::tensor::Complex;

fn caller(error: &Error, words: &str) {
    assert_eq!(error.kind(), ErrorKind::Caller, "{error}");
    assert!(error.message().contains(words), "{error}");
}

#[test]
fn a_slice_says_why_it_cannot_be() {
    let floats = storage(bytes_of(&[1_f32, 2., 3., 4.]));
    let t = vector(&floats, DType::Float32);
    caller(&t.as_slice::<f64>().unwrap_err(), "the elements are float32, which is not read as `f64`; `cast` converts");
    caller(&t.as_slice::<u8>().unwrap_err(), "not read as `u8`");
    let half = tensor(&floats, DType::Float32, &[2], &[2], 0).unwrap();
    caller(&half.as_slice::<f32>().unwrap_err(), "shape [2] with strides [2] is not row-major and cannot be borrowed");
    assert_eq!(half.to_vec::<f32>().unwrap(), [1., 3.]);

    let mut shifted = vec![0xEE];
    shifted.extend(bytes_of(&[1_f64, 2.]));
    // One of two starts that are a byte apart is unaligned, wherever the vector lies.
    let mut refused = 0;
    for skipped in [0, 1] {
        let bytes = shifted[1 - skipped..].to_vec();
        let storage = Storage::new(StorageParts {
            id: 0,
            key: "0".into(),
            location: "cpu".into(),
            device: Device::Cpu,
            nbytes: 16,
            data: StorageData::Record {
                records: Arc::new(Memory { bytes, skipped, compressed: false, stable: true }),
                record: RecordId(0),
                byte_order: ByteOrder::NATIVE,
            },
        });
        let t = vector(&storage, DType::Float64);
        if let Err(error) = t.as_slice::<f64>() {
            caller(&error, "the elements do not lie at multiples of 8 bytes, as `&[f64]` requires: use `to_vec`");
            refused += 1;
        }
        assert_eq!(t.to_vec::<f64>().unwrap(), [1., 2.]);
        assert_eq!(t.cast::<f32>().unwrap(), [1., 2.]);
        assert_eq!(t.bytes().unwrap().len(), 16);
    }
    assert!(refused >= 1);
}

#[test]
fn case_072_extreme_integers_and_bools_are_exact() {
    let t = vector(&storage(bytes_of(&[u64::MAX, 0])), DType::UInt64);
    assert_eq!(t.as_slice::<u64>().unwrap(), [u64::MAX, 0]);
    let t = vector(&storage(bytes_of(&[i64::MIN, i64::MAX])), DType::Int64);
    assert_eq!(t.to_vec::<i64>().unwrap(), [i64::MIN, i64::MAX]);

    for stable in [true, false] {
        let flags = storage_with(vec![0, 1, 0x80, 0x3F], |memory, _| memory.stable = stable);
        let t = vector(&flags, DType::Bool);
        let stored = t.as_slice::<u8>().unwrap().as_ptr().addr();
        caller(
            &t.as_slice::<bool>().unwrap_err(),
            "a byte is no valid `bool`: use `to_vec`, for which any but zero is",
        );
        assert_eq!(t.to_vec::<bool>().unwrap(), [false, true, true, true]);
        assert_eq!(t.cast::<f32>().unwrap(), [0., 1., 1., 1.]);
        assert_eq!(&*t.bytes().unwrap(), [0, 1, 0x80, 0x3F]);
        assert_eq!(t.as_slice::<u8>().unwrap(), [0, 1, 0x80, 0x3F]);
        let first = t.narrow(0, 0, 2).unwrap();
        assert_eq!(first.as_slice::<bool>().unwrap(), [false, true]);
        // What was validated is not the mapping, which could change; nor is it copied again.
        let validated = first.as_slice::<bool>().unwrap().as_ptr().addr();
        assert_eq!(first.as_slice::<bool>().unwrap().as_ptr().addr(), validated);
        assert_eq!(validated == stored, stable);
        // Once there is a copy, all read it.
        assert_eq!(t.as_slice::<u8>().unwrap().as_ptr().addr(), validated);
        let every_other = tensor(&flags, DType::Bool, &[2], &[2], 0).unwrap();
        assert_eq!(every_other.to_vec::<bool>().unwrap(), [false, true]);
    }
}

#[test]
fn lengths_that_do_not_match_are_refused() {
    let t = vector(&storage(vec![0; 8]), DType::Float32);
    caller(&t.copy_to(&mut [0; 7]).unwrap_err(), "the tensor has 8 bytes, but there is room for 7");
    caller(&t.cast_into(&mut [0_f32; 3]).unwrap_err(), "the tensor has 2 numbers, but there is room for 3");
}

#[test]
fn limits_come_before_memory() {
    let one = storage(bytes_of(&[1_f32]));
    let exabyte = tensor(&one, DType::Float32, &[1 << 58], &[0], 0).unwrap();
    for error in [
        exabyte.bytes().map(drop).unwrap_err(),
        exabyte.to_vec::<f32>().map(drop).unwrap_err(),
        exabyte.cast::<f64>().map(drop).unwrap_err(),
        exabyte.detach().map(drop).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Limit);
        assert!(error.message().contains("Limits::materialised_bytes"), "{error}");
    }
    let mut unlimited = exabyte.clone();
    unlimited.materialised_bytes = u64::MAX;
    for error in [unlimited.to_vec::<f32>().map(drop).unwrap_err(), unlimited.cast::<f64>().map(drop).unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Limit);
        assert!(error.message().starts_with("there is no memory for "), "{error}");
    }
    let mut small = vector(&storage(vec![0; 8]), DType::Float32);
    small.materialised_bytes = 7;
    assert!(small.to_vec::<f32>().is_err() && small.cast::<f32>().is_err() && small.detach().is_err());
    assert!(small.as_slice::<f32>().is_ok() && small.bytes().is_ok());
}

#[test]
fn case_069_conjugates_and_negatives_are_resolved() {
    let z = storage(bytes_of(&[[1_f32, 2.], [3., -4.]]));
    let read = |conj, neg| {
        let marks = Marks { conj, neg, ..Marks::default() };
        marked(&z, DType::Complex64, &[2], &[1], 0, marks).unwrap()
    };
    let c = Complex::new;
    assert_eq!(read(false, false).to_vec::<Complex<f32>>().unwrap(), [c(1., 2.), c(3., -4.)]);
    assert_eq!(read(true, false).to_vec::<Complex<f32>>().unwrap(), [c(1., -2.), c(3., 4.)]);
    assert_eq!(read(false, true).to_vec::<Complex<f32>>().unwrap(), [c(-1., -2.), c(-3., 4.)]);
    assert_eq!(read(true, true).to_vec::<Complex<f32>>().unwrap(), [c(-1., 2.), c(-3., -4.)]);
    assert_eq!(&*read(true, false).bytes().unwrap(), bytes_of(&[[1_f32, -2.], [3., 4.]]));
    caller(&read(true, false).as_slice::<Complex<f32>>().unwrap_err(), "have to be conjugated first");
    caller(&read(true, true).as_slice::<Complex<f32>>().unwrap_err(), "have to be negated first");
    let resolved = read(true, false).detach().unwrap();
    assert!(!resolved.is_conj());
    assert_eq!(resolved.as_slice::<Complex<f32>>().unwrap(), [c(1., -2.), c(3., 4.)]);
    let transposed = marked(
        &storage(bytes_of(&[[1_f64, 2.], [3., 4.], [5., 6.], [7., 8.]])),
        DType::Complex128,
        &[2, 2],
        &[1, 2],
        0,
        Marks { conj: true, ..Marks::default() },
    );
    let expected = [[1., -2.], [5., -6.], [3., -4.], [7., -8.]].map(|[re, im]| Complex::<f64>::new(re, im));
    assert_eq!(transposed.unwrap().to_vec::<Complex<f64>>().unwrap(), expected);

    // `x.conj().imag` is saved as a float32 view of the complex storage, offset 1, stride 2, with neg.
    let imaginary = marked(&z, DType::Float32, &[2], &[2], 1, Marks { neg: true, ..Marks::default() }).unwrap();
    assert_eq!(imaginary.to_vec::<f32>().unwrap(), [-2., 4.]);
    assert_eq!(imaginary.cast::<f16>().unwrap(), [-2., 4.].map(f16::from_f32));
    let halves = storage(bytes_of(&[[1., 2.].map(f16::from_f32)]));
    let conj = marked(&halves, DType::Complex32, &[1], &[1], 0, Marks { conj: true, ..Marks::default() }).unwrap();
    assert_eq!(conj.to_vec::<Complex<f16>>().unwrap(), [Complex::new(f16::from_f32(1.), f16::from_f32(-2.))]);
}

#[test]
fn negatives_follow_torch() {
    let neg = Marks { neg: true, ..Marks::default() };
    let negated = |storage: &Storage, dtype| {
        let n = storage.nbytes() as i64 / dtype_size(dtype);
        marked(storage, dtype, &[n], &[1], 0, neg).unwrap()
    };
    fn dtype_size(dtype: DType) -> i64 {
        dtype.itemsize() as i64
    }
    // torch wraps: `torch._neg_view(torch.tensor([1, 2], dtype=torch.uint8)).resolve_neg()` is [255, 254].
    assert_eq!(negated(&storage(vec![1, 2]), DType::UInt8).to_vec::<u8>().unwrap(), [255, 254]);
    let ints = negated(&storage(bytes_of(&[i32::MIN, 5])), DType::Int32);
    assert_eq!(ints.to_vec::<i32>().unwrap(), [i32::MIN, -5]);
    assert_eq!(ints.cast::<f64>().unwrap(), [-2147483648., -5.]);
    assert_eq!(negated(&storage(bytes_of(&[7_i16])), DType::Int16).to_vec::<i16>().unwrap(), [-7]);
    assert_eq!(negated(&storage(bytes_of(&[7_i64])), DType::Int64).to_vec::<i64>().unwrap(), [-7]);
    for dtype in [DType::Bool, DType::Float8E5M2, DType::QInt8, DType::Bits8] {
        let error = negated(&storage(vec![1]), dtype).bytes().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(
            error.message(),
            format!("the file marks this tensor as negated, but torch has no negative of {dtype}")
        );
    }
    // Of no elements there is nothing to negate.
    let nothing = marked(&storage(vec![1]), DType::Float8E5M2, &[0], &[1], 0, neg).unwrap();
    assert_eq!(nothing.bytes().unwrap(), [0_u8; 0].as_slice());
    // A real number is its own conjugate, and borrowed as ever.
    let marks = Marks { conj: true, ..Marks::default() };
    let real = marked(&storage(bytes_of(&[1_f32])), DType::Float32, &[1], &[1], 0, marks).unwrap();
    assert_eq!(real.as_slice::<f32>().unwrap(), [1.]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn negated_casts_cross_pieces(len in 1_usize..5000, stride in 1_i64..4, dtype in prop::sample::select(vec![DType::Float32, DType::Int8, DType::Float16])) {
        let bytes = noise(len * 3 * dtype.itemsize());
        let storage = storage(bytes);
        let plain = tensor(&storage, dtype, &[len as i64], &[stride], 0).unwrap();
        let negated = marked(&storage, dtype, &[len as i64], &[stride], 0, Marks { neg: true, ..Marks::default() }).unwrap();
        let expected = plain.cast::<f32>().unwrap().into_iter().map(|n| if dtype == DType::Int8 && n == -128. { n } else { -n });
        let read = negated.cast::<f32>().unwrap();
        // Adding zero makes both zeros of an integer's cast the same.
        prop_assert!(read.iter().zip(expected).all(|(a, b)| (a + 0.).to_bits() == (b + 0.).to_bits() || a.is_nan() && b.is_nan()));
    }
}
