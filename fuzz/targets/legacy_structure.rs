//! Legacy streams of objects that lie, in which every part can be a lie.
#![no_main]

use arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use torch_checkpoint_fuzz::legacy_builder::{LegacyBuilder, keys};
use torch_checkpoint_fuzz::lies::{STORAGES, number, rarely, root, value};
use torch_checkpoint_fuzz::open_and_read;
use torch_checkpoint_fuzz::pickle_builder::*;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(stream) = stream(&mut Unstructured::new(bytes)) {
        open_and_read(stream);
    }
});

fn stream(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut object = root(u)?;
    if u.ratio(1, 3)? {
        // A view of a storage, the sixth item of its id.
        let view = tuple([text(u.choose_iter(["7", "8", "0"])?), int(number(u)?), int(number(u)?)]);
        let class = global("torch", "FloatStorage");
        let id = tuple([text("storage"), class, text("0"), text("cpu"), int(16), view]);
        object = tuple([object, persistent(id)]);
    }
    let mut builder = LegacyBuilder::new(&object, &STORAGES);
    if u.ratio(1, 3)? {
        // Whatever the object mentions, these are written.
        builder.keys = keys(STORAGES.iter().map(|(key, _)| *key));
        builder.blobs = STORAGES.iter().map(|(_, data)| (data.len() as i64 / 4, data.to_vec())).collect();
    }
    for (count, data) in &mut builder.blobs {
        if rarely(u)? {
            *count = number(u)?;
        }
        if rarely(u)? {
            data.truncate(u.int_in_range(0..=20)?);
        }
    }
    match u.int_in_range(0..=20)? {
        0 => builder.keys = pickle(&value(u, 2)?),
        1 => builder.facts = pickle(&value(u, 2)?),
        2 => builder.version = pickle(&value(u, 1)?),
        3 => builder.magic = pickle(&value(u, 1)?),
        4 => builder.trailing = vec![0x80; u.int_in_range(0..=20)?],
        5 => drop(builder.blobs.pop()),
        _ => {}
    }
    let mut stream = builder.build();
    if rarely(u)? {
        stream.truncate(u.int_in_range(0..=stream.len())?);
    }
    if u.ratio(1, 6)? {
        // A storage within a plain pickle.
        let load = reduce(global("torch.storage", "_load_from_bytes"), [nested(&stream)]);
        stream = pickle(&dict([("inner", memo(0, load)), ("again", get(0))]));
    }
    Ok(stream)
}

/// BINBYTES
fn nested(stream: &[u8]) -> Code {
    [b"B", &u32::try_from(stream.len()).unwrap_or(0).to_le_bytes()[..], stream].concat()
}
