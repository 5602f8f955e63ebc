//! Names and values: lists and look-ups in a state dict, and values into the caller's types.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use torch_checkpoint::{DType, LoadOptions};

use crate::files;

const TENSORS: usize = 50_000;
const EPOCHS: usize = 5_000;

pub fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("names");
    let checkpoint = LoadOptions::new().open_bytes(files::many(TENSORS)).unwrap();
    let weights = checkpoint.state_dict().unwrap();
    // Not in the order of the file.
    let names: Vec<String> = (0..TENSORS).map(|n| files::name(n * 7919 % TENSORS)).collect();
    group.throughput(Throughput::Elements(TENSORS as u64));
    group.bench_function("state dict of a checkpoint", |bencher| {
        bencher.iter_with_large_drop(|| checkpoint.state_dict().unwrap());
    });
    group.bench_function("every tensor with its path", |bencher| {
        bencher.iter_with_large_drop(|| checkpoint.tensors().unwrap());
    });
    group.bench_function("list: name, dtype, shape", |bencher| {
        bencher.iter(|| {
            for (name, tensor) in &weights {
                black_box((name, tensor.dtype(), tensor.shape()));
            }
        });
    });
    group.bench_function("get", |bencher| {
        bencher.iter(|| names.iter().map(|name| weights.get(name).unwrap().numel()).sum::<usize>());
    });
    group.bench_function("require", |bencher| {
        bencher.iter(|| {
            for name in &names {
                black_box(weights.require(name, DType::Float32, &[4, 4]).unwrap());
            }
        });
    });
    group.bench_function("check", |bencher| bencher.iter(|| black_box(weights.check(&names))));
    group.bench_function("strip a prefix", |bencher| {
        bencher.iter_with_large_drop(|| weights.strip_prefix("model.").unwrap());
    });

    let training = LoadOptions::new().open_bytes(files::training(EPOCHS)).unwrap();
    group.throughput(Throughput::Elements(EPOCHS as u64));
    group.bench_function("deserialise rows", |bencher| {
        bencher.iter_with_large_drop(|| training.deserialize::<Vec<files::Row>>("history").unwrap());
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function("value at a path", |bencher| {
        bencher.iter(|| training.get(black_box("optimizer.param_groups.0.lr")).unwrap().as_f64());
    });
    group.finish();
}
