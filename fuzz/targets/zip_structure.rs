//! Archives of objects that lie, in containers that lie: every field of the headers and of the directory.
#![no_main]

use arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use torch_checkpoint_fuzz::lies::{STORAGES, rarely, root};
use torch_checkpoint_fuzz::open_and_read;
use torch_checkpoint_fuzz::pickle_builder::pickle;
use torch_checkpoint_fuzz::zip_builder::{End, Header, ZipBuilder, torch_builder};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(archive) = archive(&mut Unstructured::new(bytes)) {
        open_and_read(archive.build());
    }
});

fn archive(u: &mut Unstructured<'_>) -> Result<ZipBuilder> {
    let object = pickle(&root(u)?);
    let mut builder = torch_builder(u.choose_iter(["archive", "", "a/b", "\u{e9}"])?, &object, &STORAGES);
    if u.ratio(1, 3)? {
        builder = builder.plain();
    }
    builder.zip64_end ^= rarely(u)?;
    builder.descriptors ^= rarely(u)?;
    builder.reversed = rarely(u)?;
    if u.ratio(1, 2)? {
        builder.end = end(u)?;
    }
    for record in &mut builder.records {
        record.deflate = u.ratio(1, 4)?;
        if rarely(u)? {
            header(u, &mut record.local)?;
        }
        if rarely(u)? {
            header(u, &mut record.central)?;
        }
        if rarely(u)? {
            record.listed = u.int_in_range(0..=2)?;
            record.gap = vec![b'P'; u.int_in_range(0..=40)?];
        }
        if rarely(u)? {
            record.name =
                u.choose_iter(["archive/data.pkl", "archive/data/0", "archive/version", "../x", "", "x"])?.into();
        }
    }
    if rarely(u)? {
        builder.leading = b"PK\x03\x04 in front".to_vec();
    }
    if rarely(u)? {
        builder.trailing = u.choose_iter([&b"PK\x05\x06"[..], &[0; 30], b"behind"])?.to_vec();
    }
    if rarely(u)? {
        builder.comment = b"a comment with PK\x05\x06 and twenty bytes more".to_vec();
    }
    Ok(builder)
}

fn header(u: &mut Unstructured<'_>, header: &mut Header) -> Result<()> {
    match u.int_in_range(0..=8)? {
        0 => header.name = Some(u.choose_iter(["archive/data.pkl", "archive/data/1", "", "\0", "/"])?.into()),
        1 => header.flags = Some(u.arbitrary()?),
        2 => header.method = Some(*u.choose(&[0, 8, 9, 12, 14, 93, 99])?),
        3 => header.crc = Some(u.arbitrary()?),
        4 => header.packed_len = Some(length(u)?),
        5 => header.len = Some(length(u)?),
        6 => header.offset = Some(length(u)?),
        7 => header.comment = vec![b'c'; u.int_in_range(0..=30)?],
        _ => header.extra = Some(extra(u)?),
    }
    Ok(())
}

/// A zip64 field, most often.
fn extra(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let numbers = u.int_in_range(0..=4)?;
    let mut extra = Vec::new();
    for _ in 0..numbers {
        extra.extend(u64::from(length(u)?).wrapping_sub(u.int_in_range(0..=1)?).to_le_bytes());
    }
    let declared = if rarely(u)? { u.arbitrary()? } else { u16::try_from(extra.len()).unwrap_or(0) };
    Ok([&[1, 0], &declared.to_le_bytes()[..], &extra].concat())
}

fn length(u: &mut Unstructured<'_>) -> Result<u32> {
    Ok(match u.int_in_range(0..=3)? {
        0 => u.int_in_range(0..=2000)?,
        1 => *u.choose(&[0, 1, 64, 96, 16, u32::MAX, u32::MAX - 1, 1 << 31])?,
        _ => u.int_in_range(0..=200)?,
    })
}

fn end(u: &mut Unstructured<'_>) -> Result<End> {
    let mut end = End::default();
    match u.int_in_range(0..=8)? {
        0 => end.disk = Some(u.arbitrary()?),
        1 => end.records = Some(u.arbitrary()?),
        2 => end.directory_len = Some(length(u)?),
        3 => end.directory_start = Some(length(u)?),
        4 => end.comment_len = Some(u.arbitrary()?),
        5 => end.records64 = Some(if u.arbitrary()? { u.arbitrary()? } else { length(u)?.into() }),
        6 => end.directory_len64 = Some(if u.arbitrary()? { u.arbitrary()? } else { length(u)?.into() }),
        7 => end.directory_start64 = Some(if u.arbitrary()? { u.arbitrary()? } else { length(u)?.into() }),
        _ => end.locator = Some(if u.arbitrary()? { u.arbitrary()? } else { length(u)?.into() }),
    }
    Ok(end)
}
