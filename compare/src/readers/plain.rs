//! The bound: what the bytes cost whoever reads them. Of a checkpoint it takes the whole file, or all files of a folder.

use std::hint::black_box;
use std::io::Read;
use std::path::Path;

use flate2::bufread::DeflateDecoder;
use memmap2::Mmap;

use super::{Job, Seen, Watch, cannot, map, touched};
use crate::Result;
use crate::files::{File, Form, parts};

/// As large as a large tensor.
const CHUNK: usize = 16 << 20;

pub fn run(job: Job, file: File, path: &Path, watch: &mut Watch) -> Result {
    let mapped = parts(path)?.iter().map(|part| map(part)).collect::<Result<Vec<Mmap>>>()?;
    let itemsize = file.weights.element().itemsize();
    let chunks = || mapped.iter().flat_map(|mapped| mapped.chunks(CHUNK));
    match (job, file.form) {
        (Job::Own | Job::Vec | Job::Load, Form::Deflated) => {
            let owned = mapped.iter().map(|mapped| inflated(mapped)).collect::<Result<Vec<_>>>()?;
            watch.stop();
            black_box(owned);
        }
        (Job::Sum, _) => {
            let mut sum = Seen::new(false);
            mapped.iter().for_each(|mapped| sum.sum(mapped));
            black_box(sum.check());
            watch.stop();
        }
        (Job::Own | Job::Vec | Job::Load, _) => {
            let owned: Vec<Vec<u8>> = chunks().map(<[u8]>::to_vec).collect();
            watch.stop();
            black_box(owned);
        }
        // Copies as many bytes as the floats have.
        (Job::ToF32, _) => {
            let owned: Vec<Vec<u8>> = chunks().map(|bytes| bytes.repeat(4 / itemsize)).collect();
            watch.stop();
            black_box(owned);
        }
        (Job::IntoF32, _) => {
            let (from, mut into) = (touched([4 * CHUNK].into_iter()), touched([4 * CHUNK].into_iter()));
            watch.restart();
            let mut left = mapped.iter().map(|mapped| mapped.len()).sum::<usize>() / itemsize;
            while left > 0 {
                let len = left.min(from.len());
                into[..len].copy_from_slice(&from[..len]);
                black_box(&into);
                left -= len;
            }
            watch.stop();
        }
        (Job::List | Job::Again | Job::OwnThreads | Job::Rows, _) => return cannot(),
    }
    Ok(())
}

/// Unpacks the streams of an archive, all of whose records are deflated and followed by descriptors.
fn inflated(mut archive: &[u8]) -> Result<Vec<Vec<u8>>> {
    const DESCRIPTOR: usize = 16;
    let mut records = Vec::new();
    while let Some(header) = archive.strip_prefix(b"PK\x03\x04") {
        let len = |at: usize| usize::from(u16::from_le_bytes([header[at], header[at + 1]]));
        let mut stream = DeflateDecoder::new(&archive[30 + len(22) + len(24)..]);
        let mut record = Vec::new();
        stream.read_to_end(&mut record)?;
        records.push(record);
        archive = &stream.into_inner()[DESCRIPTOR..];
    }
    Ok(records)
}
