//! What a file may cost: each limit stops it with an error that names it, and none stops an honest file.

use torch_checkpoint::{Error, ErrorKind, Limits, LoadOptions};

use crate::pickle_builder::*;
use crate::support::{fixture, open, says, tensor};

/// BINUNICODE of that many letters.
fn long_text(len: usize) -> Code {
    raw_text(&vec![b'a'; len])
}

#[test]
fn honest_files_do_not_trip_the_defaults() {
    // 200,000 tensors, each with a storage of its own.
    let names: Vec<(String, String)> = (0..200_000).map(|n| (format!("layer.{n}.weight"), n.to_string())).collect();
    let code = ordered_dict(names.iter().map(|(name, key)| (name.as_str(), f32_tensor(key, &[1]))));
    let data = f32s(&[1.0]);
    let storages: Vec<(&str, &[u8])> = names.iter().map(|(_, key)| (key.as_str(), data.as_slice())).collect();
    let checkpoint = open(torch_file(&code, &storages));
    assert_eq!(checkpoint.state_dict().unwrap().len(), 200_000);
    assert_eq!(checkpoint.tensors().unwrap().len(), 200_000);

    // A text of 110 MiB, such as a vocabulary.
    let checkpoint = open(torch_file(&dict([("vocabulary", long_text(110 << 20))]), &[]));
    assert_eq!(checkpoint.root().get("vocabulary").unwrap().as_str().unwrap().len(), 110 << 20);

    // One number that presents itself as 12 GiB, which nobody reads.
    let one = StorageId::new("FloatStorage", "0", 1);
    let call = TensorCall::new(&one, &[3 << 30]).at(0, &[0]);
    let checkpoint = open(torch_file(&dict([("mask", call.code())]), &[("0", &f32s(&[2.5]))]));
    let mask = tensor(&checkpoint, "mask");
    assert_eq!((mask.nbytes(), mask.narrow(0, 1 << 30, 1).unwrap().to_vec::<f32>().unwrap()), (12 << 30, vec![2.5]));
}

/// A limit of the given value, and what it stops.
fn stopped(set: impl FnOnce(&mut Limits), read: impl FnOnce(&mut LoadOptions<'_>) -> Result<(), Error>) -> Error {
    let mut limits = Limits::default();
    set(&mut limits);
    let error = read(&mut LoadOptions::new().limits(limits)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit, "{error}");
    error
}

/// An archive with one tensor of eight numbers, nested five deep, whose fourth dimension is a text of ten letters.
fn sample() -> Vec<u8> {
    let nested = (0..5).fold(f32_tensor("0", &[2, 2, 2]), |inner, _| list([inner]));
    torch_file(&dict([("nested", nested), ("text", text("tenletters"))]), &[("0", &[0; 32])])
}

#[test]
fn each_limit_is_named_with_what_was_asked_and_what_is_allowed() {
    let opened = |options: &mut LoadOptions<'_>| options.open_bytes(sample()).map(drop);
    let listed = |options: &mut LoadOptions<'_>| options.open_bytes(sample())?.tensors().map(drop);
    says(&stopped(|limits| limits.pickle_bytes = 20, opened), &["Limits::pickle_bytes", "limit of 20"]);
    says(&stopped(|limits| limits.nodes = 7, opened), &["8 is more than the limit of 7", "Limits::nodes"]);
    says(&stopped(|limits| limits.text_bytes = 9, opened), &["10 is more than the limit of 9", "Limits::text_bytes"]);
    says(&stopped(|limits| limits.dimensions = 2, opened), &["3 is more than the limit of 2", "Limits::dimensions"]);
    says(&stopped(|limits| limits.records = 2, opened), &["limit of 2", "Limits::records"]);
    says(&stopped(|limits| limits.nesting = 3, listed), &["4 is more than the limit of 3", "Limits::nesting"]);
    says(&stopped(|limits| limits.names = 1, listed), &["2 is more than the limit of 1", "Limits::names"]);
    let read = |options: &mut LoadOptions<'_>| {
        let entries = options.open_bytes(sample())?.tensors()?;
        entries.iter().try_for_each(|entry| entry.tensor().to_vec::<f32>().map(drop))
    };
    says(
        &stopped(|limits| limits.materialised_bytes = 31, read),
        &["32 is more than the limit of 31", "Limits::materialised_bytes"],
    );
    let deflated = |options: &mut LoadOptions<'_>| {
        let entries = options.open(fixture("rewritten/deflated.pt"))?.tensors()?;
        entries.iter().try_for_each(|entry| entry.tensor().bytes().map(drop))
    };
    says(&stopped(|limits| limits.decompressed_bytes = 4, deflated), &["limit of 4", "Limits::decompressed_bytes"]);
    let sharded = |options: &mut LoadOptions<'_>| options.open(fixture("sharded/two_shards")).map(drop);
    says(&stopped(|limits| limits.json_bytes = 30, sharded), &["limit of 30", "Limits::json_bytes"]);
    let distributed =
        |options: &mut LoadOptions<'_>| options.open(fixture("distributed/torch-2.15/two_ranks")).map(drop);
    says(&stopped(|limits| limits.chunks = 5, distributed), &["limit of 5", "Limits::chunks"]);
}
