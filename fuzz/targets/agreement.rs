//! One file mapped, read into memory, given as bytes and given as a reader: the same tensors, or the same error.
#![no_main]

use std::io::Read;

use libfuzzer_sys::fuzz_target;
use torch_checkpoint::{Backing, Checkpoint, Error};
use torch_checkpoint_fuzz::folder::Folder;
use torch_checkpoint_fuzz::options;

fuzz_target!(|bytes: &[u8]| {
    let folder = Folder::new().with("file", bytes);
    let path = folder.path().join("file");
    let wanted = summary(options().open_bytes(bytes.to_vec()));
    let mapped = summary(options().open(&path));
    assert_eq!(summary(options().backing(Backing::Owned).open(&path)), mapped, "owned and mapped");
    assert_eq!(summary(options().open_reader(ByteByByte(bytes))), wanted, "reader and bytes");
    // The index of a sharded checkpoint leads to other files, which bytes do not have.
    if !matches!(&wanted, Err((_, message, ..)) if message.contains("open it by its path")) {
        assert_eq!(mapped, wanted, "mapped and bytes");
    }
    let by_path = options().flatten().load_state_dict(&path);
    let by_path = by_path.map(|weights| weights.into_iter().map(|(name, _)| name).collect::<Vec<_>>());
    if let (Ok(names), Ok(wanted)) = (by_path, &wanted) {
        assert_eq!(names.len(), wanted.tensors.len());
    }
});

/// A reader that gives one byte at a time.
struct ByteByByte<'b>(&'b [u8]);

impl Read for ByteByByte<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let len = into.len().min(1);
        self.0.read(&mut into[..len])
    }
}

#[derive(Debug, PartialEq)]
struct Summary {
    root: String,
    tensors: Vec<(String, String, Result<Vec<u8>, Told>)>,
    defects: Vec<Told>,
    consumed: u64,
}

/// An error, apart from its path.
type Told = (String, String, Option<String>, Option<u64>, Option<String>);

fn told(error: &Error) -> Told {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let kind = format!("{:?}", error.kind());
    (kind, error.message().to_owned(), owned(error.record()), error.offset(), owned(error.tensor()))
}

fn summary(opened: Result<Checkpoint, Error>) -> Result<Summary, Told> {
    let checkpoint = opened.map_err(|error| told(&error))?;
    let tensors = checkpoint.tensors().map_err(|error| told(&error))?;
    let tensors = tensors.iter().map(|entry| {
        let bytes = entry.tensor().bytes().map(|bytes| bytes.into_owned()).map_err(|error| told(&error));
        (entry.name(), format!("{:?}", entry.tensor()), bytes)
    });
    Ok(Summary {
        root: checkpoint.root().to_string(),
        tensors: tensors.collect(),
        defects: checkpoint.verify().iter().map(told).collect(),
        consumed: checkpoint.consumed(),
    })
}
