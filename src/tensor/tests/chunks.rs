//! Tensors in chunks: every view of one is the view of the whole, and reads only the chunks that it meets.

use proptest::prelude::*;

use super::*;
use crate::error::ErrorKind;

const SHAPE: [usize; 3] = [4, 3, 5];

fn whole() -> Tensor {
    let numbers: Vec<i16> = (0..60).map(|n| n * 257 - 7000).collect();
    tensor(&storage(bytes_of(&numbers)), DType::Int16, &[4, 3, 5], &[15, 5, 1], 0).unwrap()
}

/// A part of the whole as a chunk of its own, with its dimensions in some order in memory.
fn chunk(offsets: &[usize], sizes: &[usize], order: &[usize]) -> Tensor {
    let mut part = whole();
    for (dim, (&offset, &size)) in offsets.iter().zip(sizes).enumerate() {
        part = part.narrow(dim, offset, size).unwrap();
    }
    let stored = part.permute(order).unwrap().bytes().unwrap().into_owned();
    let shape: Vec<i64> = order.iter().map(|&dim| sizes[dim] as i64).collect();
    let (d0, d1) = (shape[1] * shape[2], shape[2]);
    let chunk = tensor(&storage(stored), DType::Int16, &shape, &[d0, d1, 1], 0).unwrap();
    let mut back = vec![0; order.len()];
    order.iter().enumerate().for_each(|(n, &dim)| back[dim] = n);
    chunk.permute(&back).unwrap()
}

fn assembled(chunks: Vec<(Vec<usize>, Tensor)>) -> Result<Tensor, Error> {
    Tensor::assembled(&SHAPE, DType::Int16, chunks, 9, &Limits::default())
}

/// What reading a chunk does that must not be read.
fn poisoned(tensor: &Tensor) -> Tensor {
    #[derive(Debug)]
    struct Poison;
    impl Records for Poison {
        fn borrow(&self, _: RecordId) -> Result<Option<&[u8]>, Error> {
            Err(Error::malformed("read without need"))
        }
        fn produce(&self, _: RecordId) -> Result<Vec<u8>, Error> {
            Err(Error::malformed("read without need"))
        }
        fn is_stable(&self) -> bool {
            true
        }
        fn name(&self, _: RecordId) -> &str {
            ""
        }
        fn len(&self) -> u64 {
            0
        }

        fn defects(&self, _progress: &mut dyn FnMut(u64)) -> Vec<(Option<RecordId>, Error)> {
            Vec::new()
        }
    }
    let data = StorageData::Record { records: Arc::new(Poison), record: RecordId(0), byte_order: ByteOrder::NATIVE };
    let nbytes = tensor.storage().nbytes();
    let parts = StorageParts { id: 1, key: "1".into(), location: "cpu".into(), device: Device::Cpu, nbytes, data };
    tensor.with_storage(Storage::new(parts))
}

/// Two rows, and two rows in two pieces: row-major, transposed, row-major.
fn three() -> Vec<(Vec<usize>, Tensor)> {
    vec![
        (vec![0, 0, 0], chunk(&[0, 0, 0], &[2, 3, 5], &[0, 1, 2])),
        (vec![2, 0, 2], chunk(&[2, 0, 2], &[2, 3, 3], &[2, 0, 1])),
        (vec![2, 0, 0], chunk(&[2, 0, 0], &[2, 3, 2], &[0, 1, 2])),
    ]
}

#[test]
fn chunks_are_put_together() {
    let t = assembled(three()).unwrap();
    let wanted = whole();
    assert_eq!((t.shape(), t.strides(), t.storage_offset()), (&SHAPE[..], &[15, 5, 1][..], 0));
    assert_eq!((t.location(), t.storage().id(), t.storage().nbytes()), ("cuda:1", 9, 120));
    assert_eq!(t.to_vec::<i16>().unwrap(), wanted.to_vec::<i16>().unwrap());
    assert_eq!(t.cast::<f32>().unwrap(), wanted.cast::<f32>().unwrap());
    let mut bytes = vec![0; 120];
    t.copy_to(&mut bytes).unwrap();
    assert_eq!(bytes, &*wanted.bytes().unwrap());
    assert_eq!(t.detach().unwrap().as_slice::<i16>().unwrap(), wanted.as_slice::<i16>().unwrap());
    assert!(t.storage().chunks().is_some(), "nothing of this keeps them");
    let first = t.bytes().unwrap().as_ptr();
    assert!(t.storage().chunks().is_none());
    assert_eq!(t.bytes().unwrap().as_ptr(), first, "kept");
    assert_eq!(t.as_slice::<i16>().unwrap().as_ptr().cast(), first);
    assert_eq!(
        t.select(0, 3).unwrap().as_slice::<i16>().unwrap(),
        wanted.select(0, 3).unwrap().as_slice::<i16>().unwrap()
    );
}

#[test]
fn only_the_chunks_that_a_view_meets_are_read() {
    let mut chunks = three();
    chunks[1].1 = poisoned(&chunks[1].1);
    let (t, wanted) = (assembled(chunks).unwrap(), whole());
    type View = fn(&Tensor) -> Result<Tensor, Error>;
    let views: [View; 8] = [
        |t| t.narrow(0, 0, 2),
        |t| t.narrow(0, 1, 1)?.transpose(0, 2),
        |t| t.select(0, 1)?.select(0, 2),
        |t| t.narrow(2, 0, 2),
        |t| t.narrow(2, 0, 2)?.permute(&[2, 0, 1]),
        |t| t.reshape(&[12, 5])?.narrow(0, 0, 6),
        |t| t.reshape(&[60])?.narrow(0, 15, 15),
        |t| t.reshape(&[4, 15])?.narrow(0, 1, 1)?.reshape(&[3, 5]),
    ];
    for view in views {
        let (t, wanted) = (view(&t).unwrap(), view(&wanted).unwrap());
        assert_eq!(t.to_vec::<i16>().unwrap(), wanted.to_vec::<i16>().unwrap());
        assert_eq!(t.bytes().unwrap(), wanted.bytes().unwrap());
        assert_eq!(t.cast::<f64>().unwrap(), wanted.cast::<f64>().unwrap());
    }
    // A part of one chunk that lies in a row is borrowed from it.
    let (one, same) = (t.narrow(0, 0, 1).unwrap(), t.narrow(0, 0, 1).unwrap());
    assert_eq!(one.as_slice::<i16>().unwrap().as_ptr(), same.as_slice::<i16>().unwrap().as_ptr());
    assert!(t.narrow(2, 0, 0).unwrap().to_vec::<i16>().unwrap().is_empty());
    for needs_all in [t.clone(), t.narrow(0, 2, 1).unwrap(), t.reshape(&[60]).unwrap().narrow(0, 14, 2).unwrap()] {
        assert!(needs_all.to_vec::<i16>().unwrap_err().to_string().contains("read without need"));
    }
    assert!(t.narrow(2, 0, 2).unwrap().to_vec::<i16>().is_ok(), "an error is not kept for what does not need it");
}

#[test]
fn chunks_that_do_not_fit_are_refused() {
    let said = |chunks| assembled(chunks).unwrap_err().to_string();
    let mut other = three();
    other[2].1 = vector(&storage(vec![0; 30]), DType::UInt8).reshape(&[2, 3, 5]).unwrap().narrow(2, 0, 2).unwrap();
    assert!(said(other).contains("is uint8, but the tensor is int16"));
    assert!(said(three()[..2].to_vec()).contains("48 of the 60 elements"));
    assert!(said(vec![]).contains("0 of the 60"));
    // Four bytes presented as a gigabyte.
    let repeated = tensor(&storage(vec![1; 2]), DType::Int16, &[1 << 29], &[0], 0).unwrap();
    let both = vec![(vec![0], repeated.clone()), (vec![1 << 29], repeated)];
    let error = Tensor::assembled(&[1 << 30], DType::Int16, both, 0, &Limits::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    assert!(error.to_string().contains("would have 2147483648 bytes"), "{error}");
}

#[test]
fn a_slice_is_borrowed_from_all_chunks_where_one_does_not_do() {
    // The second rows are stored transposed: to be borrowed in order, all have to be together.
    let chunks = || {
        vec![
            (vec![0, 0, 0], chunk(&[0; 3], &[2, 3, 5], &[0, 1, 2])),
            (vec![2, 0, 0], chunk(&[2, 0, 0], &[2, 3, 5], &[2, 1, 0])),
        ]
    };
    let t = assembled(chunks()).unwrap();
    let part = t.narrow(0, 2, 2).unwrap();
    assert!(part.is_contiguous());
    assert_eq!(part.as_slice::<i16>().unwrap(), whole().narrow(0, 2, 2).unwrap().as_slice::<i16>().unwrap());
    assert!(t.storage().chunks().is_none());
    // Unaligned in its chunk.
    let mut unaligned = chunks();
    let bytes = unaligned[0].1.bytes().unwrap().into_owned();
    let memory = Memory { bytes: [&[0], bytes.as_slice()].concat(), skipped: 1, compressed: false, stable: true };
    let data = StorageData::Record { records: Arc::new(memory), record: RecordId(0), byte_order: ByteOrder::NATIVE };
    let parts = StorageParts { id: 0, key: "0".into(), location: "cpu".into(), device: Device::Cpu, nbytes: 60, data };
    let shifted = Storage::new(parts);
    unaligned[0].1 = tensor(&shifted, DType::Int16, &[2, 3, 5], &[15, 5, 1], 0).unwrap();
    let t = assembled(unaligned).unwrap();
    let part = t.narrow(0, 0, 2).unwrap();
    assert_eq!(part.as_slice::<i16>().unwrap(), whole().narrow(0, 0, 2).unwrap().as_slice::<i16>().unwrap());
}

#[test]
fn one_chunk_is_the_tensor_itself() {
    let only = chunk(&[0, 0, 0], &SHAPE, &[2, 1, 0]);
    let t = assembled(vec![(vec![0, 0, 0], only.clone())]).unwrap();
    assert_eq!((t.storage(), t.strides()), (only.storage(), only.strides()));
    let empty = Tensor::assembled(&[0, 3], DType::Int16, vec![], 0, &Limits::default()).unwrap();
    assert!(empty.to_vec::<i16>().unwrap().is_empty());
}

#[test]
fn marks_of_chunks_are_resolved() {
    let numbers = storage(bytes_of(&[1_i32, -2, 3, 4]));
    let neg = marked(&numbers, DType::Int32, &[2], &[1], 0, Marks { neg: true, ..Marks::default() }).unwrap();
    let plain = tensor(&numbers, DType::Int32, &[2], &[1], 2).unwrap();
    let t =
        Tensor::assembled(&[4], DType::Int32, vec![(vec![0], neg), (vec![2], plain)], 0, &Limits::default()).unwrap();
    assert_eq!(t.narrow(0, 0, 2).unwrap().to_vec::<i32>().unwrap(), [-1, 2]);
    assert_eq!(t.as_slice::<i32>().unwrap(), [-1, 2, 3, 4]);
}

fn cuts() -> impl Strategy<Value = Vec<(Vec<usize>, Tensor)>> {
    prop::collection::vec(any::<(u8, u8, u8, u8)>(), 0..8).prop_map(|cuts| {
        let mut parts = vec![(vec![0; 3], SHAPE.to_vec(), 0)];
        for (which, dim, at, order) in cuts {
            let (which, dim) = (usize::from(which) % parts.len(), usize::from(dim) % 3);
            let (mut offsets, mut sizes, _) = parts[which].clone();
            let at = usize::from(at) % (sizes[dim] + 1);
            parts[which].1[dim] = at;
            offsets[dim] += at;
            sizes[dim] -= at;
            parts.push((offsets, sizes, usize::from(order) % 6));
        }
        let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        let chunk = |(offsets, sizes, order): (Vec<usize>, Vec<usize>, usize)| {
            let chunk = chunk(&offsets, &sizes, &orders[order]);
            (offsets, chunk)
        };
        parts.into_iter().map(chunk).collect()
    })
}

#[derive(Clone, Copy, Debug)]
struct Step(u8, u8, u8, u8);

/// The same view of either tensor, if there is such a view.
fn step(tensor: &Tensor, Step(kind, a, b, c): Step) -> Option<Tensor> {
    let dims = tensor.shape().len();
    let dim = |n: u8| usize::from(n) % dims.max(1);
    let size = *tensor.shape().get(dim(a))?;
    let viewed = match kind % 5 {
        0 | 1 => {
            let start = usize::from(b) % (size + 1);
            tensor.narrow(dim(a), start, usize::from(c) % (size - start + 1))
        }
        2 => tensor.select(dim(a), usize::from(b) % size.max(1)),
        3 => tensor.transpose(dim(a), dim(b)),
        _ => {
            let numel = tensor.numel();
            let first = [1, 2, 3, 4, 6, numel.max(1)][usize::from(b) % 6];
            tensor.reshape(&[first, numel / first])
        }
    };
    viewed.ok()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_view_of_chunks_is_the_view_of_the_whole(
        chunks in cuts(),
        steps in prop::collection::vec(any::<(u8, u8, u8, u8)>(), 0..5),
    ) {
        let (mut t, mut wanted) = (assembled(chunks).unwrap(), whole());
        for (a, b, c, d) in steps {
            let both = (step(&t, Step(a, b, c, d)), step(&wanted, Step(a, b, c, d)));
            if let (Some(view), Some(wanted_view)) = both {
                (t, wanted) = (view, wanted_view);
            }
            prop_assert_eq!(t.shape(), wanted.shape());
            prop_assert_eq!(t.to_vec::<i16>().unwrap(), wanted.to_vec::<i16>().unwrap());
            prop_assert_eq!(t.cast::<f32>().unwrap(), wanted.cast::<f32>().unwrap());
        }
        let detached = t.detach().unwrap();
        prop_assert_eq!(detached.bytes().unwrap(), wanted.bytes().unwrap());
        prop_assert_eq!(t.bytes().unwrap(), wanted.bytes().unwrap());
        if let Ok(slice) = t.as_slice::<i16>() {
            prop_assert_eq!(slice, wanted.to_vec::<i16>().unwrap());
        }
    }
}
