//! Objects as torch pickles them, in which now and then a field is wrong.

use arbitrary::{Result, Unstructured};

use crate::pickle_builder::*;

/// The storages that objects refer to: enough for what they usually ask.
pub const STORAGES: [(&str, &[u8]); 3] = [("0", &[0x11; 64]), ("1", &[0; 96]), ("2", &[0xfe; 16])];

const CLASSES: [&str; 9] = [
    "FloatStorage",
    "DoubleStorage",
    "HalfStorage",
    "BFloat16Storage",
    "LongStorage",
    "ByteStorage",
    "BoolStorage",
    "QInt8Storage",
    "ComplexFloatStorage",
];
const NAMES: [(&str, &str); 12] = [
    ("collections", "OrderedDict"),
    ("torch", "Size"),
    ("torch", "device"),
    ("torch", "float32"),
    ("torch._utils", "_rebuild_tensor"),
    ("torch._utils", "_rebuild_parameter"),
    ("torch._utils", "_rebuild_sparse_tensor"),
    ("torch._utils", "_rebuild_qtensor"),
    ("torch._utils", "_rebuild_nested_tensor"),
    ("torch._utils", "_rebuild_device_tensor_from_numpy"),
    ("torch.storage", "_load_from_bytes"),
    ("numpy", "dtype"),
];
const TEXTS: [&str; 10] =
    ["weight", "a.b", "_metadata", "0", "storage", "cuda:1", "state_dict", "", "torch.float32", "\u{e9}"];

/// One time in so many, as the bytes say.
pub fn rarely(u: &mut Unstructured<'_>) -> Result<bool> {
    u.ratio(1, 12)
}

/// A number that is usually small, and else one of those that break arithmetic.
pub fn number(u: &mut Unstructured<'_>) -> Result<i64> {
    Ok(if rarely(u)? {
        *u.choose(&[-1, i64::MIN, i64::MAX, 1 << 31, 1 << 32, 1 << 62, -(1 << 62), 0xffff, 1 << 40])?
    } else {
        u.int_in_range(0..=6)?
    })
}

pub fn word(u: &mut Unstructured<'_>) -> Result<&'static str> {
    u.choose(&TEXTS).copied()
}

/// A tuple of numbers; rarely something else.
fn sizes(u: &mut Unstructured<'_>, len: usize) -> Result<Code> {
    if rarely(u)? {
        return value(u, 1);
    }
    let numbers = (0..len).map(|_| number(u)).collect::<Result<Vec<_>>>()?;
    Ok(ints(&numbers))
}

pub fn storage(u: &mut Unstructured<'_>) -> Result<StorageId> {
    let mut id = StorageId::new(u.choose(&CLASSES)?, u.choose(&["0", "1", "2"])?, 0);
    id.numel = int(if rarely(u)? { number(u)? } else { *u.choose(&[16, 8, 4, 64, 24, 12, 96, 2])? });
    if rarely(u)? {
        id.location = value(u, 0)?;
    }
    if rarely(u)? {
        id.key = value(u, 0)?;
    }
    if rarely(u)? {
        id.class = value(u, 1)?;
    }
    if rarely(u)? {
        id.more.push(value(u, 1)?);
    }
    Ok(id)
}

pub fn tensor(u: &mut Unstructured<'_>) -> Result<Code> {
    let dims = u.int_in_range(0..=3)?;
    let storage = storage(u)?;
    let mut call = TensorCall::new(&storage, &vec![1; dims]);
    call.offset = int(number(u)?);
    call.size = sizes(u, dims)?;
    call.stride = sizes(u, dims)?;
    if rarely(u)? {
        call.storage = value(u, 1)?;
    }
    if rarely(u)? {
        call.hooks = value(u, 1)?;
    }
    if u.ratio(1, 4)? {
        call = call.dtype(u.choose(&["float32", "uint16", "float8_e4m3fn", "complex64", "bits8", "nonsense"])?);
    }
    if rarely(u)? {
        call = call.metadata([*u.choose(&["conj", "neg", "other"])?]);
    }
    Ok(call.code())
}

/// A tensor, or what is made of tensors.
fn composite(u: &mut Unstructured<'_>, depth: u8) -> Result<Code> {
    let part = |u: &mut Unstructured<'_>| if rarely(u)? { value(u, depth) } else { tensor(u) };
    Ok(match u.int_in_range(0..=5)? {
        0 => parameter(part(u)?, u.arbitrary()?),
        1 => {
            let layout = global("torch", u.choose(&["sparse_coo", "sparse_csr", "sparse_bsc", "strided"])?);
            let size = sizes(u, 2)?;
            let parts = [part(u)?, part(u)?, part(u)?];
            let data = if u.arbitrary()? {
                tuple(parts.into_iter().chain([size]))
            } else {
                let [indices, values, _] = parts;
                tuple([indices, values, size])
            };
            reduce(global("torch._utils", "_rebuild_sparse_tensor"), [layout, data])
        }
        2 => {
            let scheme = global("torch", u.choose(&["per_tensor_affine", "per_channel_affine"])?);
            let quantizer = tuple([scheme, float(0.5), value(u, 0)?]);
            let args = [storage(u)?.code(), int(number(u)?), sizes(u, 1)?, sizes(u, 1)?, quantizer, bool(false)];
            reduce(global("torch._utils", "_rebuild_qtensor"), args.into_iter().chain([ordered_dict([])]))
        }
        3 => reduce(global("torch._utils", "_rebuild_nested_tensor"), [part(u)?, part(u)?, part(u)?, part(u)?]),
        4 => {
            let entries = dict([("weight", part(u)?)]);
            module("Linear", entries, dict([]), dict([(word(u)?, value(u, depth)?)]))
        }
        _ => tensor(u)?,
    })
}

/// Any object, nested no deeper than so.
pub fn value(u: &mut Unstructured<'_>, depth: u8) -> Result<Code> {
    if depth == 0 || u.is_empty() {
        return Ok(match u.int_in_range(0..=8)? {
            0 => none(),
            1 => bool(u.arbitrary()?),
            2 => int(number(u)?),
            3 => float(u.arbitrary()?),
            4 => bytes(&vec![7; u.int_in_range(0..=9)?]),
            5 => py2_string(word(u)?.as_bytes()),
            6 => get(u.int_in_range(0..=3)?),
            7 => {
                let (module, name) = *u.choose(&NAMES)?;
                global(module, name)
            }
            _ => text(word(u)?),
        });
    }
    let below = depth - 1;
    let items = |u: &mut Unstructured<'_>| -> Result<Vec<Code>> {
        let len = u.int_in_range(0..=4)?;
        (0..len).map(|_| value(u, below)).collect()
    };
    Ok(match u.int_in_range(0..=9)? {
        0 => tuple(items(u)?),
        1 => list(items(u)?),
        2 | 3 => {
            let entries = items(u)?.into_iter().map(|item| Ok((text(word(u)?), item))).collect::<Result<Vec<_>>>()?;
            if u.arbitrary()? {
                dict_of(entries)
            } else {
                set_items(reduce(global("collections", "OrderedDict"), []), entries)
            }
        }
        4 => {
            let (module, name) = *u.choose(&NAMES)?;
            reduce(global(module, name), items(u)?)
        }
        5 => build(value(u, below)?, value(u, below)?),
        6 => memo(u.int_in_range(0..=3)?, value(u, below)?),
        7 => persistent(value(u, below)?),
        8 => tensor(u)?,
        _ => composite(u, below)?,
    })
}

/// What a checkpoint holds, usually: a dict of tensors.
pub fn root(u: &mut Unstructured<'_>) -> Result<Code> {
    if rarely(u)? {
        return value(u, 4);
    }
    let len = u.int_in_range(1..=4)?;
    let entries = (0..len).map(|_| Ok((text(word(u)?), composite(u, 2)?))).collect::<Result<Vec<_>>>()?;
    Ok(dict_of(entries))
}
