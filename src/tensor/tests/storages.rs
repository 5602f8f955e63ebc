//! Where bytes come from: every kind of record, byte order, sharing.

use half::{bf16, f16};

use super::*;
use crate::error::ErrorKind;
use crate::tensor::Complex;
use crate::tensor::dtype::SwapUnit;

const SWAPPED: ByteOrder = match ByteOrder::NATIVE {
    ByteOrder::Little => ByteOrder::Big,
    ByteOrder::Big => ByteOrder::Little,
};

/// A record whose numbers of `unit` bytes are stored in the other byte order.
fn swapped(native: &[u8], unit: usize, compressed: bool) -> Storage {
    let stored = native.chunks(unit).flat_map(|number| number.iter().rev()).copied().collect();
    storage_with(stored, |memory, order| {
        memory.compressed = compressed;
        *order = SWAPPED;
    })
}

fn unit(dtype: DType) -> usize {
    if dtype.is_complex() { dtype.itemsize() / 2 } else { dtype.itemsize() }
}

#[test]
fn case_030_every_dtype_is_swapped_by_its_own_numbers() {
    let native = noise(16 * 6);
    for &dtype in DType::ALL {
        for compressed in [false, true] {
            let storage = swapped(&native, unit(dtype), compressed);
            let t = vector(&storage, dtype);
            if dtype.values_per_byte() == 1 {
                assert_eq!(&*t.bytes().unwrap(), native, "{dtype}");
            }
            let last = t.select(0, 1).unwrap_or(t);
            assert_eq!(last.numel(), if dtype.values_per_byte() == 1 { 1 } else { 96 });
        }
    }
}

#[test]
fn case_029_swapped_numbers_are_the_numbers() {
    let f = swapped(&bytes_of(&[1.5_f32, -2.]), 4, false);
    assert_eq!(vector(&f, DType::Float32).as_slice::<f32>().unwrap(), [1.5, -2.]);
    assert_eq!(vector(&f, DType::Float32).cast::<f64>().unwrap(), [1.5, -2.]);
    let c = swapped(&bytes_of(&[[1_f32, 2.], [3., 4.]]), 4, true);
    assert_eq!(
        vector(&c, DType::Complex64).as_slice::<Complex<f32>>().unwrap(),
        [Complex::new(1., 2.), Complex::new(3., 4.)]
    );
    // complex64 bytes of 1 + 2i in a big-endian file (FORMAT.md 2.5).
    let written = storage_with(vec![0x3f, 0x80, 0, 0, 0x40, 0, 0, 0], |_, order| *order = ByteOrder::Big);
    assert_eq!(vector(&written, DType::Complex64).to_vec::<Complex<f32>>().unwrap(), [Complex::new(1., 2.)]);
    let strided = tensor(&f, DType::Float32, &[2, 2], &[0, 1], 0).unwrap();
    assert_eq!(strided.to_vec::<f32>().unwrap(), [1.5, -2., 1.5, -2.]);
}

#[test]
fn a_native_copy_is_made_once_and_per_width() {
    let native = noise(32);
    let storage = swapped(&native, 4, false);
    let four = storage.bytes(SwapUnit::Four).unwrap();
    assert_eq!(four, native);
    assert_eq!(storage.bytes(SwapUnit::Four).unwrap().as_ptr(), four.as_ptr());
    let two = storage.bytes(SwapUnit::Two).unwrap();
    assert_ne!(two, four);
    // Bytes have no order: these come straight from the record.
    assert_eq!(storage.bytes(SwapUnit::One).unwrap()[..4], [native[3], native[2], native[1], native[0]]);
}

#[test]
fn a_compressed_storage_is_unpacked_once() {
    let storage = storage_with(noise(64), |memory, _| memory.compressed = true);
    let t = vector(&storage, DType::Int32);
    let once = t.as_slice::<i32>().unwrap();
    assert_eq!(bytes_of(once), noise(64));
    assert_eq!(t.clone().as_slice::<i32>().unwrap().as_ptr(), once.as_ptr());
    assert!(matches!(t.bytes().unwrap(), std::borrow::Cow::Borrowed(_)));
}

#[test]
fn case_034_a_record_of_another_length_is_an_error_that_names_it() {
    for (nbytes, compressed, order) in
        [(7, false, ByteOrder::NATIVE), (9, true, ByteOrder::NATIVE), (7, false, SWAPPED), (9, true, SWAPPED)]
    {
        let storage = Storage::new(StorageParts {
            id: 0,
            key: "0".into(),
            location: "cpu".into(),
            device: Device::Cpu,
            nbytes: 8,
            data: StorageData::Record {
                records: Arc::new(Memory { bytes: vec![0; nbytes], skipped: 0, compressed, stable: true }),
                record: RecordId(0),
                byte_order: order,
            },
        });
        let t = vector(&storage, DType::Int64);
        for _ in 0..2 {
            let error = t.bytes().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Malformed);
            assert_eq!(
                error.to_string(),
                format!("archive/data/0: storage `0` is declared to have 8 bytes, but its record has {nbytes}")
            );
        }
    }
}

#[test]
#[expect(clippy::mutable_key_type, reason = "equality and hash are the handle's address")]
fn case_065_sharing_is_visible_by_identity() {
    let (a, b) = (storage(vec![0; 8]), storage(vec![0; 8]));
    let whole = vector(&a, DType::Int16);
    let part = tensor(&a, DType::Int16, &[2], &[1], 2).unwrap();
    assert_eq!(whole.storage(), part.storage());
    assert_eq!(whole.clone().storage(), &a);
    assert_ne!(whole.storage(), vector(&b, DType::Int16).storage());
    assert_ne!(whole.detach().unwrap().storage(), &a);
    let distinct: std::collections::HashSet<_> = [a.clone(), b, a].into_iter().collect();
    assert_eq!(distinct.len(), 2);
}

#[test]
fn case_067_two_dtypes_on_one_empty_storage() {
    let empty = storage(vec![]);
    assert!(vector(&empty, DType::Float32).as_slice::<f32>().unwrap().is_empty());
    assert!(vector(&empty, DType::Int64).as_slice::<i64>().unwrap().is_empty());
}

#[test]
fn case_068_what_the_file_says_stays() {
    let t = marked(
        &storage(vec![0; 4]),
        DType::Float32,
        &[1],
        &[1],
        0,
        Marks { requires_grad: true, is_parameter: true, ..Marks::default() },
    )
    .unwrap();
    assert!(t.requires_grad() && t.is_parameter() && !t.is_conj() && !t.is_neg());
    assert_eq!((t.location(), t.device(), t.layout()), ("cuda:1", &Device::Cpu, crate::tensor::Layout::Strided));
    assert_eq!(format!("{t:?}"), "Tensor(float32 [1] on cpu)");
    let detached = t.detach().unwrap();
    assert!(detached.requires_grad() && detached.is_parameter());
    assert_eq!(detached.location(), "cuda:1");
    let elsewhere = t.with_storage(storage(vec![0, 0, 0x80, 0x3f]));
    assert_eq!(elsewhere.cast::<f32>().unwrap(), [1.0]);
    assert!(t.with_storage(storage(vec![0; 3])).bytes().unwrap_err().message().contains("beyond the end"));
}

#[test]
fn case_070_interleaved_views_share_a_storage() {
    let f8 = storage((0..=255).collect());
    let even = tensor(&f8, DType::Float8E4M3Fn, &[128], &[2], 0).unwrap();
    let odd = tensor(&f8, DType::Float8E4M3Fn, &[128], &[2], 1).unwrap();
    assert_eq!(even.storage(), odd.storage());
    assert_eq!(even.to_vec::<u8>().unwrap(), (0..=255).step_by(2).collect::<Vec<u8>>());
    assert_eq!(odd.to_vec::<u8>().unwrap(), (1..=255).step_by(2).collect::<Vec<u8>>());
    let halves: Vec<[f16; 2]> = (0..4).map(|n| [f16::from_f32(n as f32), f16::from_f32(-n as f32)]).collect();
    let complex = storage(bytes_of(&halves));
    let odd = tensor(&complex, DType::Complex32, &[2], &[2], 1).unwrap();
    let expected = [1., 3.].map(|n| Complex::new(f16::from_f32(n), f16::from_f32(-n)));
    assert_eq!(odd.to_vec::<Complex<f16>>().unwrap(), expected);
}

#[test]
fn case_071_every_dtype_gives_its_bytes() {
    let bytes = noise(16 * 5);
    for &dtype in DType::ALL {
        let t = vector(&storage(bytes.clone()), dtype);
        if dtype.values_per_byte() == 1 {
            assert_eq!(&*t.bytes().unwrap(), bytes, "{dtype}");
            assert_eq!(&*t.detach().unwrap().bytes().unwrap(), bytes, "{dtype}");
        }
        if dtype.itemsize() == 1 && dtype != DType::Int8 && dtype != DType::QInt8 && !dtype.name().starts_with("int") {
            assert!(bytes.starts_with(t.as_slice::<u8>().unwrap()), "{dtype}");
        }
    }
    let typed = |dtype| vector(&storage(bytes.clone()), dtype);
    assert_eq!(bytes_of(typed(DType::Float64).as_slice::<f64>().unwrap()), bytes);
    assert_eq!(bytes_of(typed(DType::Float16).as_slice::<f16>().unwrap()), bytes);
    assert_eq!(bytes_of(typed(DType::BFloat16).as_slice::<bf16>().unwrap()), bytes);
    assert_eq!(bytes_of(typed(DType::QInt32).as_slice::<i32>().unwrap()), bytes);
    assert_eq!(bytes_of(typed(DType::QInt8).as_slice::<i8>().unwrap()), bytes);
    assert_eq!(bytes_of(typed(DType::Bits16).as_slice::<u16>().unwrap()), bytes);
    assert_eq!(bytes_of(typed(DType::UInt32).as_slice::<u32>().unwrap()), bytes);
    assert_eq!(bytes_of(typed(DType::Int16).as_slice::<i16>().unwrap()), bytes);
    assert_eq!(typed(DType::Complex128).as_slice::<Complex<f64>>().unwrap().len(), 5);
    assert_eq!(typed(DType::BComplex32).as_slice::<Complex<bf16>>().unwrap().len(), 20);
}
