//! Dense tensors against a naive oracle: every stored number added to its place, one by one.

use std::sync::Arc;

use half::{bf16, f16};
use proptest::prelude::*;
use zerocopy::{Immutable, IntoBytes};

use crate::device::Device;
use crate::error::ErrorKind;
use crate::limits::Limits;
use crate::tensor::{
    Complex, DType, Element, Extra, Geometry, Layout, Marks, Storage, StorageData, StorageParts, Tensor, TensorParts,
};

fn tensor<T: IntoBytes + Immutable>(dtype: DType, shape: &[usize], elements: &[T]) -> Tensor {
    let bytes = elements.as_bytes();
    assert_eq!(bytes.len(), shape.iter().product::<usize>() * dtype.itemsize());
    let storage = Storage::new(StorageParts {
        id: 0,
        key: "0".into(),
        location: "cpu".into(),
        device: Device::Cpu,
        nbytes: bytes.len() as u64,
        data: StorageData::Bytes(Arc::new(bytes.to_vec().into())),
    });
    Tensor::new(TensorParts {
        storage,
        geometry: Geometry::contiguous(shape),
        dtype,
        marks: Marks::default(),
        materialised_bytes: Limits::default().materialised_bytes,
        extra: Extra::default(),
    })
}

/// The sum of elements that are all stored for one place, dense.
fn summed<T: IntoBytes + Immutable, R: Element>(dtype: DType, elements: &[T], len: usize) -> R {
    let indices = tensor(DType::Int64, &[1, len], &vec![0_i64; len]);
    let sparse = Tensor::sparse_coo(indices, tensor(dtype, &[len], elements), &[1], None).unwrap();
    sparse.to_dense().unwrap().to_vec().unwrap()[0]
}

#[test]
fn sums_are_those_of_the_dtype() {
    assert_eq!(summed::<_, u8>(DType::UInt8, &[200_u8, 200, 1], 3), 145);
    assert_eq!(summed::<_, i8>(DType::Int8, &[100_i8, 100], 2), -56);
    assert_eq!(summed::<_, i16>(DType::Int16, &[i16::MAX, 1], 2), i16::MIN);
    assert_eq!(summed::<_, i32>(DType::Int32, &[i32::MIN, -1], 2), i32::MAX);
    assert_eq!(summed::<_, i64>(DType::Int64, &[i64::MAX, 1], 2), i64::MIN);
    assert_eq!(summed::<_, u64>(DType::UInt64, &[u64::MAX, 2], 2), 1);
    assert!(summed::<_, bool>(DType::Bool, &[0_u8, 1, 0], 3));
    assert!(summed::<_, bool>(DType::Bool, &[1_u8, 1], 2));
    // torch 2.15: each half sum is rounded, so that the order counts.
    let ones = |big: f32| [big, 1., 1., 1., 1.];
    let halves = ones(2048.).map(f16::from_f32);
    assert_eq!(summed::<_, f16>(DType::Float16, &halves, 5).to_f32(), 2048.);
    let mut reversed = halves;
    reversed.reverse();
    assert_eq!(summed::<_, f16>(DType::Float16, &reversed, 5).to_f32(), 2052.);
    assert_eq!(summed::<_, bf16>(DType::BFloat16, &ones(256.).map(bf16::from_f32), 5).to_f32(), 256.);
    assert_eq!(summed::<_, f32>(DType::Float32, &[1e8_f32, 1., -1e8, 1., 1e-9], 5), 1.);
    assert_eq!(summed::<_, f64>(DType::Float64, &[0.1_f64, 0.2], 2), 0.1 + 0.2);
    let complex = summed::<_, Complex<f32>>(DType::Complex64, &[1_f32, 2., 3., -5.], 2);
    assert_eq!(complex, Complex::new(4., -3.));
    // Added to zero, a negative zero becomes a positive one.
    assert_eq!(summed::<_, f32>(DType::Float32, &[-0_f32], 1).to_bits(), 0);
}

#[test]
fn what_torch_cannot_add_up_stays_in_parts() {
    for dtype in [DType::Float8E4M3Fn, DType::Float4E2M1FnX2, DType::Bits8, DType::QUInt8] {
        let indices = tensor(DType::Int64, &[1, 1], &[0_i64]);
        let sparse = Tensor::sparse_coo(indices, tensor(dtype, &[1], &[1_u8]), &[2], None).unwrap();
        let error = sparse.to_dense().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.message().contains("components()"), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn coordinates_match_the_oracle(
        sizes in prop::collection::vec(1_usize..4, 0..4),
        dense in prop::collection::vec(0_usize..3, 0..3),
        draws in prop::collection::vec(0_usize..1000, 0..12),
    ) {
        let (n, run) = (draws.len(), dense.iter().product::<usize>());
        let mut oracle = vec![0_i64; sizes.iter().product::<usize>() * run];
        let values: Vec<i64> = (1..=n * run).map(|value| value as i64).collect();
        let mut indices = vec![0_i64; sizes.len() * n];
        for (k, &draw) in draws.iter().enumerate() {
            let (mut rest, mut place) = (draw, 0);
            for (dim, &size) in sizes.iter().enumerate() {
                indices[dim * n + k] = (rest % size) as i64;
                place = place * size + rest % size;
                rest /= size;
            }
            (0..run).for_each(|inside| oracle[place * run + inside] += values[k * run + inside]);
        }
        let shape: Vec<i64> = sizes.iter().chain(&dense).map(|&size| size as i64).collect();
        let values = tensor(DType::Int64, &[&[n][..], &dense].concat(), &values);
        let sparse = Tensor::sparse_coo(tensor(DType::Int64, &[sizes.len(), n], &indices), values, &shape, None).unwrap();
        prop_assert_eq!(sparse.to_dense().unwrap().to_vec::<i64>().unwrap(), oracle);
    }

    #[test]
    fn compressed_blocks_match_the_oracle(
        by_row: bool,
        blocked: bool,
        wide: bool,
        (batches, lines, across) in (0_usize..3, 0_usize..4, 1_usize..4),
        block in (1_usize..3, 1_usize..4),
        inner in 1_usize..3,
        draws in prop::collection::vec(any::<bool>(), 9),
    ) {
        let (height, width) = if blocked { block } else { (1, 1) };
        let (rows, columns) = if by_row { (lines * height, across * width) } else { (across * height, lines * width) };
        let taken: Vec<(usize, usize)> =
            (0..lines).flat_map(|line| (0..across).map(move |other| (line, other))).filter(|&(l, o)| draws[l * across + o]).collect();
        let n = taken.len();
        let one = height * width * inner;
        let values: Vec<f32> = (1..=batches * n * one).map(|value| value as f32).collect();
        let mut oracle = vec![0_f32; batches * rows * columns * inner];
        for (k, value) in values.iter().enumerate() {
            let (batch, line_and_other) = (k / one / n, taken[k / one % n]);
            let (r, c) = if by_row { line_and_other } else { (line_and_other.1, line_and_other.0) };
            let (i, j, last) = (k % one / inner / width, k / inner % width, k % inner);
            oracle[((batch * rows + r * height + i) * columns + c * width + j) * inner + last] += value;
        }
        let starts = (0..=lines).map(|line| taken.iter().filter(|taken| taken.0 < line).count() as i64);
        let starts: Vec<i64> = starts.collect::<Vec<_>>().repeat(batches);
        let others: Vec<i64> = taken.iter().map(|taken| taken.1 as i64).collect::<Vec<_>>().repeat(batches);
        let indices = |shape: &[usize], numbers: &[i64]| {
            if wide {
                tensor(DType::Int64, shape, numbers)
            } else {
                tensor(DType::Int32, shape, &numbers.iter().map(|&number| number as i32).collect::<Vec<_>>())
            }
        };
        let layout = match (by_row, blocked) {
            (true, false) => Layout::SparseCsr,
            (true, true) => Layout::SparseBsr,
            (false, false) => Layout::SparseCsc,
            (false, true) => Layout::SparseBsc,
        };
        let mut value_shape = vec![batches, n];
        if blocked {
            value_shape.extend([height, width]);
        }
        value_shape.push(inner);
        let sparse = Tensor::sparse_compressed(
            layout,
            indices(&[batches, lines + 1], &starts),
            indices(&[batches, n], &others),
            tensor(DType::Float32, &value_shape, &values),
            &[batches, rows, columns, inner].map(|size| size as i64),
        ).unwrap();
        prop_assert_eq!(sparse.nnz(), Some(n));
        prop_assert_eq!(sparse.to_dense().unwrap().to_vec::<f32>().unwrap(), oracle);
    }
}
