//! Reading: views in any order of strides to row-major order, and casts, into memory that has been touched.

use std::sync::Arc;

use criterion::{BenchmarkGroup, Criterion, Throughput, measurement::WallTime};
use torch_checkpoint::half::{bf16, f16};
use torch_checkpoint::{Float, LoadOptions, Tensor};

use crate::files;

/// The only tensor of a checkpoint whose bytes begin so many bytes behind an aligned address.
fn tensor(mut file: Vec<u8>, shift: usize) -> Tensor {
    file.splice(0..0, std::iter::repeat_n(0, shift));
    let file: Arc<[u8]> = file.into();
    let checkpoint = LoadOptions::new().offset(shift as u64).open_bytes(file).unwrap();
    checkpoint.state_dict().unwrap()["weight"].clone()
}

pub fn gather(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("gather");
    let mut part = |name: &str, tensor: Tensor| {
        let mut into = vec![1; tensor.nbytes()];
        group.throughput(Throughput::Bytes(into.len() as u64));
        group.bench_function(name, |bencher| bencher.iter(|| tensor.copy_to(&mut into).unwrap()));
    };
    let bytes = files::numbers(4 << 20);
    let strided = |dtype: &str, size: &[i64], stride: &[i64]| tensor(files::one(dtype, &bytes, size, stride), 0);
    let square = strided("float32", &[1024, 1024], &[1024, 1]);
    part("contiguous f32", square.clone());
    part("transposed f32", square.transpose(0, 1).unwrap());
    part("transposed f16", strided("float16", &[1024, 2048], &[1, 1024]));
    part("transposed u8", strided("uint8", &[2048, 2048], &[1, 2048]));
    part("transposed f64", strided("float64", &[512, 1024], &[1, 512]));
    part("channels last, 3x3 kernels f32", strided("float32", &[448, 256, 3, 3], &[2304, 1, 768, 256]));
    part("channels last, images f32", strided("float32", &[4, 64, 64, 64], &[262_144, 1, 4096, 64]));
    part("expanded rows f32", strided("float32", &[1024, 1024], &[0, 1]));
    part("expanded columns f32", strided("float32", &[1024, 1024], &[1, 0]));
    part("sliced columns f32", square.narrow(1, 256, 512).unwrap());
    part("sliced columns of 8 f32", square.narrow(1, 256, 8).unwrap());
    part("every other column f32", strided("float32", &[1024, 512], &[1024, 2]));
    group.finish();
}

pub fn casts(criterion: &mut Criterion) {
    /// Elements of every tensor.
    const NUMEL: usize = 1 << 20;
    const DTYPES: [(&str, usize); 12] = [
        ("float16", 2),
        ("bfloat16", 2),
        ("float8_e4m3fn", 1),
        ("float8_e5m2", 1),
        ("float32", 4),
        ("float64", 8),
        ("int64", 8),
        ("int32", 4),
        ("int16", 2),
        ("int8", 1),
        ("uint8", 1),
        ("bool", 1),
    ];

    fn part<F: Float>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, tensor: &Tensor, mut into: Vec<F>) {
        group.throughput(Throughput::Bytes((tensor.nbytes() + size_of_val(into.as_slice())) as u64));
        group.bench_function(name, |bencher| bencher.iter(|| tensor.cast_into(&mut into).unwrap()));
    }

    let mut group = criterion.benchmark_group("casts");
    let numel = NUMEL.try_into().unwrap();
    for (dtype, itemsize) in DTYPES {
        let file = files::one(dtype, &files::numbers(NUMEL * itemsize), &[numel], &[1]);
        let aligned = tensor(file.clone(), 0);
        part(&mut group, &format!("{dtype} to f32"), &aligned, vec![1_f32; NUMEL]);
        if itemsize > 1 {
            let unaligned = tensor(file.clone(), 1);
            assert_eq!([&aligned, &unaligned].map(|tensor| tensor.bytes().unwrap().as_ptr().addr() % itemsize), [0, 1]);
            part(&mut group, &format!("{dtype} to f32, unaligned"), &unaligned, vec![1_f32; NUMEL]);
        }
        if dtype == "float32" {
            let none = f16::ONE;
            part(&mut group, "float32 to f16", &aligned, vec![none; NUMEL]);
            part(&mut group, "float32 to f16, unaligned", &tensor(file, 1), vec![none; NUMEL]);
            part(&mut group, "float32 to bf16", &aligned, vec![bf16::ONE; NUMEL]);
        }
    }
    group.finish();
}
