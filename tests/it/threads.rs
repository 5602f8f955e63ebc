//! One checkpoint in the hands of many threads.

use std::sync::Barrier;

use torch_checkpoint::{
    Checkpoint, Device, Error, Limits, LoadOptions, Source, StateDict, Storage, Tensor, TensorEntry, Value,
    load_state_dict,
};

use crate::support::{fixture, little_endian};

const fn crosses_threads<T: Send + Sync>() {}
const fn lives_by_itself<T: 'static>() {}

// At compile time.
const _: () = {
    crosses_threads::<Checkpoint>();
    crosses_threads::<StateDict>();
    crosses_threads::<Tensor>();
    crosses_threads::<TensorEntry>();
    crosses_threads::<Storage>();
    crosses_threads::<Value<'_>>();
    crosses_threads::<Source>();
    crosses_threads::<Error>();
    crosses_threads::<Device>();
    crosses_threads::<Limits>();
    lives_by_itself::<Tensor>();
    lives_by_itself::<StateDict>();
    lives_by_itself::<Checkpoint>();
};

/// All at once, so that whatever is made on demand (unpacked storages, checked headers, the table of names) is asked for by
/// several threads at the same time. What they read is the same.
#[test]
fn many_threads_read_the_same() {
    const THREADS: usize = 8;
    for path in [
        "rewritten/deflated.pt",
        "rewritten/big_endian.pt",
        "zip/torch-2.15/trained_cnn_cuda.pt",
        "legacy/torch-2.15/tied.pt",
    ] {
        let checkpoint = LoadOptions::new().verify_checksums(true).open(fixture(path)).unwrap();
        let expected: Vec<(String, Vec<u8>)> = {
            let alone = LoadOptions::new().open(fixture(path)).unwrap();
            let entries = alone.tensors().unwrap();
            entries.iter().map(|entry| (entry.name(), little_endian(entry.tensor()).unwrap())).collect()
        };
        let start = Barrier::new(THREADS);
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    start.wait();
                    for (entry, (name, bytes)) in checkpoint.tensors().unwrap().iter().zip(&expected) {
                        assert_eq!((&entry.name(), &little_endian(entry.tensor()).unwrap()), (name, bytes), "{path}");
                    }
                    assert!(checkpoint.verify().is_empty());
                });
            }
        });
    }
}

#[test]
fn many_threads_load_and_look_up() {
    let path = fixture("zip/torch-2.15/trained_cnn_cuda.pt");
    let shared = load_state_dict(&path, "cpu").unwrap();
    let names: Vec<String> = shared.keys().map(str::to_owned).collect();
    std::thread::scope(|scope| {
        for thread in 0..8_usize {
            let (path, shared, names) = (&path, &shared, &names);
            scope.spawn(move || {
                for round in 0..20 {
                    let name = &names[(thread + round) % names.len()];
                    let own = load_state_dict(path, "cpu").unwrap();
                    assert_eq!(own[name].bytes().unwrap(), shared[name].bytes().unwrap());
                }
            });
        }
    });
}

/// A tensor outlives the file's handles, in another thread too.
#[test]
fn tensors_move_to_other_threads() {
    let weights = load_state_dict(fixture("zip/torch-2.15/trained_cnn_cuda.pt"), "cpu").unwrap();
    let bias = weights["bn1.bias"].clone();
    let expected = bias.to_vec::<f32>().unwrap();
    drop(weights);
    let read = std::thread::spawn(move || bias.as_slice::<f32>().unwrap().to_vec()).join().unwrap();
    assert_eq!(read, expected);
}
