//! Archives as torch writes them, as other programs rewrite them, and as nobody should write them. Case numbers are those
//! of the format's conformance checklist; cases that need the pickle too are tested on whole checkpoints as well.

mod damage;
mod directory;
mod layout;

use super::*;
use crate::container::zip_builder::{Data, Record as Entry, ZipBuilder, torch_archive, torch_builder};
use crate::error::ErrorKind;

/// Not a pickle that means anything: archives do not look into it.
const PICKLE: &[u8] = b"\x80\x02}q\x00.";
const STORAGES: [(&str, &[u8]); 3] = [("0", b"\0\0\x80\x3f\0\0\0\x40"), ("1", b""), ("2", b"abc")];

/// The records of `torch.save`, by what they are.
impl Archive {
    fn data_pkl(&self) -> Result<(RecordId, Stable<'_>), Error> {
        let record = self.require("data.pkl")?;
        Ok((record, self.pickle(record)?))
    }

    fn data(&self, key: &str) -> Result<Option<RecordId>, Error> {
        self.storage(&self.path_of("data/"), key)
    }
}

fn sample() -> ZipBuilder {
    torch_builder("archive", PICKLE, &STORAGES)
}

fn open(bytes: Vec<u8>) -> Result<Archive, Error> {
    Archive::open(Source::from(bytes), &Limits::default(), false)
}

fn opened(builder: &ZipBuilder) -> Archive {
    open(builder.build()).expect("a readable archive")
}

fn open_error(builder: &ZipBuilder) -> Error {
    open(builder.build()).map(|_| ()).expect_err("an archive that is refused")
}

/// Everything that the archive holds, read in every way there is.
fn read_all(archive: &Archive) -> Result<(), Error> {
    archive.data_pkl()?;
    archive.version()?;
    archive.byte_order()?;
    for id in (0..archive.directory.len()).map(|n| RecordId(u32::try_from(n).expect("few records"))) {
        match archive.borrow(id)? {
            Some(bytes) => {
                let file = archive.source.bytes().as_ptr_range();
                let range = bytes.as_ptr_range();
                assert!(file.start <= range.start && range.end <= file.end, "a borrow outside the file");
                assert_eq!(bytes.len() as u64, archive.record_len(id));
            }
            None => assert_eq!(archive.produce(id)?.len() as u64, archive.record_len(id)),
        }
    }
    Ok(())
}

/// The sample's pickle and storages, each read as a loader would.
fn assert_sample(archive: &Archive) {
    assert_eq!(&*archive.data_pkl().expect("a pickle").1, PICKLE);
    for (key, expected) in STORAGES {
        let id = archive.data(key).expect("a good key").expect("a record");
        assert_eq!(archive.record_len(id), expected.len() as u64, "storage {key}");
        let bytes = match archive.borrow(id).expect("a good record") {
            Some(bytes) => bytes.to_vec(),
            None => archive.produce(id).expect("good data"),
        };
        assert_eq!(bytes, expected, "storage {key}");
        assert_eq!(archive.produce(id).expect("a copy"), expected, "storage {key}");
    }
    assert_eq!(archive.version().expect("a version"), 3);
    assert_eq!(archive.byte_order().expect("an order"), ByteOrder::Little);
}

fn assert_refused(builder: &ZipBuilder, kind: ErrorKind, words: &[&str]) {
    assert_error(&open_error(builder), kind, words);
}

fn assert_error(error: &Error, kind: ErrorKind, words: &[&str]) {
    let text = error.to_string();
    assert_eq!(error.kind(), kind, "{text}");
    for word in words {
        assert!(text.contains(word), "`{word}` is not in: {text}");
    }
}

/// The error of reading one record of an archive that opens.
fn record_error(builder: &ZipBuilder, name: &str) -> Error {
    let archive = opened(builder);
    let id = archive.directory.find(name).expect("a record");
    let error = archive.produce(id).expect_err("a record that is refused");
    let borrowed = archive.borrow(id);
    assert!(!matches!(borrowed, Ok(Some(_))), "produce refuses what borrow accepts");
    assert_eq!(error.record(), Some(name), "{error}");
    error
}
