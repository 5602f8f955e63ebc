//! Opening: the pickle machine, the archive's directory, the rebuilt tensors, and all of it together.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput};
use torch_checkpoint::LoadOptions;

use crate::files;

pub fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("open");
    let mut part = |name: &str, throughput: Throughput, file: Vec<u8>| {
        let file: Arc<[u8]> = file.into();
        group.throughput(throughput);
        group.bench_function(name, |bencher| {
            bencher.iter_with_large_drop(|| LoadOptions::new().open_bytes(black_box(file.clone())).unwrap());
        });
    };
    let values = files::values(20_000);
    part("pickle machine, values", Throughput::Bytes(values.len() as u64), values);
    let no_tensors = files::no_tensors(20_000);
    part("pickle machine, opcodes of tensors", Throughput::Bytes(no_tensors.len() as u64), no_tensors);
    part("archive directory, records", Throughput::Elements(50_000), files::records(50_000));
    part("rebuild, tensors", Throughput::Elements(50_000), files::rebuilds(50_000));
    part("all, tensors", Throughput::Elements(50_000), files::many(50_000));
    part("all, tensors of a training checkpoint", Throughput::Elements(15_000), files::training(5_000));
    group.finish();
}
