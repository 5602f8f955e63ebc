//! The tar files of torch before 0.1.10, in which storages, views, tensors and headers lie.
#![no_main]

use arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use torch_checkpoint_fuzz::lies::{number, rarely, value, word};
use torch_checkpoint_fuzz::open_and_read;
use torch_checkpoint_fuzz::pickle_builder::*;
use torch_checkpoint_fuzz::tar_builder::{TarBuilder, place};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(tar) = tar(&mut Unstructured::new(bytes)) {
        open_and_read(tar);
    }
});

fn tar(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut members = [("storages", storages(u)?), ("tensors", tensors(u)?), ("pickle", pickle(&root(u)?))];
    if rarely(u)? {
        members.reverse();
    }
    let mut tar = TarBuilder::default();
    for (name, mut data) in members {
        if rarely(u)? {
            data.truncate(u.int_in_range(0..=data.len())?);
        }
        let kind = if rarely(u)? { u.arbitrary()? } else { b'0' };
        let name = if rarely(u)? { u.choose_iter(["storages", "./tensors", "../pickle", "x", ""])? } else { name };
        // Eleven octal digits.
        let size = if rarely(u)? { u.int_in_range(0..=(1 << 33) - 1)? } else { data.len() as u64 };
        tar = tar.member(name, kind, size, &data);
    }
    let mut tar = tar.build();
    if rarely(u)? {
        tar.truncate(u.int_in_range(0..=tar.len())?);
    }
    Ok(tar)
}

fn key(u: &mut Unstructured<'_>) -> Result<Code> {
    if rarely(u)? { value(u, 1) } else { Ok(int(u.int_in_range(0..=7)?)) }
}

fn count(u: &mut Unstructured<'_>, truth: i64) -> Result<Code> {
    Ok(pickle(&int(if rarely(u)? { number(u)? } else { truth })))
}

fn storages(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let len = u.int_in_range(0..=3)?;
    let mut out = count(u, len)?;
    for n in 0..len {
        let class = if rarely(u)? {
            value(u, 1)?
        } else {
            global(
                u.choose_iter(["torch", "torch.cuda"])?,
                u.choose_iter(["FloatStorage", "ByteStorage", "CharStorage"])?,
            )
        };
        let id = if rarely(u)? { key(u)? } else { int(n) };
        out.extend(pickle(&tuple([id, text(word(u)?), class])));
        let numel = if rarely(u)? { number(u)? } else { u.int_in_range(0..=12)? };
        out.extend(numel.to_le_bytes());
        out.extend(vec![3; usize::try_from(numel.clamp(0, 64)).unwrap_or(0) * u.choose_iter([4, 1])?]);
    }
    let views = (0..u.int_in_range(0..=2)?)
        .map(|n| Ok(tuple([int(4 + n), key(u)?, int(number(u)?), int(number(u)?)])))
        .collect::<Result<Vec<_>>>()?;
    out.extend(pickle(&if rarely(u)? { value(u, 2)? } else { list(views) }));
    Ok(out)
}

fn tensors(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let len = u.int_in_range(0..=3)?;
    let mut out = count(u, len)?;
    for n in 0..len {
        let class =
            if rarely(u)? { value(u, 1)? } else { global("torch", u.choose_iter(["FloatTensor", "ByteTensor"])?) };
        out.extend(pickle(&tuple([int(8 + n), key(u)?, class])));
        let dims = u.int_in_range(0..=3)?;
        let sizes = (0..dims).map(|_| number(u)).collect::<Result<Vec<_>>>()?;
        let strides = (0..dims).map(|_| number(u)).collect::<Result<Vec<_>>>()?;
        let mut numbers = place(&sizes, &strides, number(u)?);
        if rarely(u)? {
            numbers[..4].copy_from_slice(&(number(u)? as i32).to_le_bytes());
        }
        out.extend(numbers);
    }
    Ok(out)
}

fn root(u: &mut Unstructured<'_>) -> Result<Code> {
    let len = u.int_in_range(0..=4)?;
    let entries = (0..len).map(|_| {
        let value = if rarely(u)? { value(u, 2)? } else { persistent(int(u.int_in_range(0..=11)?)) };
        Ok((text(word(u)?), value))
    });
    Ok(dict_of(entries.collect::<Result<Vec<_>>>()?))
}
