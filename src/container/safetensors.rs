//! The header of a safetensors file: which tensor is where. The crate `safetensors` knows the dtypes, and judges whether
//! the tensors lie one behind the other without gaps, each as long as its shape says. The JSON is taken apart here: the
//! crate's own reading forgets the order of the names, and keeps one of two entries with the same name.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use serde::de::{Error as _, MapAccess};

use super::Blobs;
use super::json::{self, Each, Entries, Members};
use crate::error::{Error, ErrorKind, Shown};
use crate::limits::Limits;
use crate::source::Source;

/// What a file holds.
pub(crate) struct Header {
    /// In the order of their data, in which torch gives them. The number of a tensor is that of its record.
    pub(crate) tensors: Vec<Entry>,
    /// The texts of `__metadata__`, in order.
    pub(crate) metadata: Vec<(String, String)>,
    /// The data, by the names of the tensors.
    pub(crate) blobs: Blobs,
}

/// A tensor as the header describes it.
pub(crate) struct Entry {
    pub(crate) name: String,
    /// torch's name of the dtype.
    pub(crate) dtype: &'static str,
    /// As torch counts: bytes, where several values share one.
    pub(crate) shape: Vec<i64>,
    pub(crate) nbytes: u64,
}

#[derive(Default)]
struct Collected {
    tensors: Vec<(String, TensorInfo)>,
    metadata: Vec<(String, String)>,
}

impl<'de> Each<'de> for Collected {
    fn member<A: MapAccess<'de>>(&mut self, name: String, map: &mut A) -> Result<(), A::Error> {
        let located = |error: A::Error, name: &str| A::Error::custom(format!("`{}`: {error}", Shown(name)));
        if name == "__metadata__" {
            let texts = map.next_value::<Option<Entries<String>>>().map_err(|e| located(e, &name))?;
            self.metadata = texts.map(|texts| texts.0).unwrap_or_default();
        } else {
            let tensor = map.next_value().map_err(|e| located(e, &name))?;
            self.tensors.push((name, tensor));
        }
        Ok(())
    }
}

/// Reads the header of a file.
///
/// # Errors
/// Malformed: it is damaged, or does not fit the file's length. Unsupported: a dtype that torch does not have. Limit:
/// `Limits::json_bytes`.
pub(crate) fn read(source: &Source, limits: &Limits) -> Result<Header, Error> {
    read_header(source, limits).map_err(|e| e.in_record("the header"))
}

fn read_header(source: &Source, limits: &Limits) -> Result<Header, Error> {
    let declared_len = source.get(0..8).and_then(|bytes| bytes.first_chunk()).map_or(0, |len| u64::from_le_bytes(*len));
    let Some(start) = declared_len.checked_add(8).filter(|&start| start <= source.len()) else {
        return Err(Error::malformed(format!(
            "it should have {declared_len} bytes, but the file has {}: it is truncated",
            source.len()
        )));
    };
    Limits::check("json_bytes", declared_len, limits.json_bytes)?;
    let json = source.stable(8..start).unwrap_or_default();
    let Collected { mut tensors, metadata } = json::parse(&json, Members(Collected::default())).map_err(newer)?;
    // The sort is stable: tensors without data stay in the header's order.
    tensors.sort_by_key(|(_, tensor)| tensor.data_offsets);
    let data_len = source.len().saturating_sub(start);
    let judged = Metadata::new(None, tensors.clone());
    if !judged.as_ref().is_ok_and(|sound| u64::try_from(sound.data_len()) == Ok(data_len)) {
        return Err(wrong(&tensors, data_len).unwrap_or_else(|| match judged {
            Err(error) => Error::malformed(Shown(&error.to_string()).to_string()),
            Ok(_) => Error::malformed("the tensors do not cover the file's data"),
        }));
    }
    let mut blobs = Blobs::new(source.clone());
    let mut entries = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        let at =
            |offset| u64::try_from(offset).ok().and_then(|offset: u64| offset.checked_add(start)).unwrap_or(u64::MAX);
        let record = blobs.add(&name, at(tensor.data_offsets.0)..at(tensor.data_offsets.1))?;
        let nbytes = blobs.record_len(record);
        let located = |e: Error| e.in_tensor(&name);
        let (dtype, shape) = (dtype(tensor.dtype).map_err(located)?, shape(&tensor).map_err(located)?);
        entries.push(Entry { name, dtype, shape, nbytes });
    }
    Ok(Header { tensors: entries, metadata, blobs })
}

/// A dtype that the crate does not know is nobody's mistake.
fn newer(error: Error) -> Error {
    match error.message().contains("unknown variant") {
        true if error.kind() == ErrorKind::Malformed => {
            Error::unsupported(format!("there is a dtype that this version does not know: {}", error.message()))
        }
        _ => error,
    }
}

/// What is wrong with tensors in the order of their data, in words. That something is, the crate has found.
fn wrong(tensors: &[(String, TensorInfo)], data_len: u64) -> Option<Error> {
    let mut end = 0_usize;
    for (name, tensor) in tensors {
        let (start, stop) = tensor.data_offsets;
        let shape = &tensor.shape;
        let size = shape.iter().try_fold(tensor.dtype.bitsize(), |size, &n| size.checked_mul(n));
        let message = match size {
            _ if stop < start => format!("its data ends at {stop}, before it begins at {start}"),
            _ if start < end => {
                format!("its data at {start} to {stop} overlaps that of the tensor before, up to {end}")
            }
            _ if start > end => format!("there is a gap before its data: bytes {end} to {start} belong to no tensor"),
            _ if u64::try_from(stop).map_or(true, |stop| stop > data_len) => {
                format!("its data ends at {stop}, beyond the {data_len} bytes of the file: it is truncated")
            }
            None => format!("shape {shape:?} has more elements than can be addressed"),
            Some(bits) if bits.checked_rem(8) != Some(0) => {
                format!("shape {shape:?} of {:?} is no whole number of bytes", tensor.dtype)
            }
            Some(bits) if bits.checked_div(8) != stop.checked_sub(start) => format!(
                "it has {} bytes of data, but shape {shape:?} of {:?} needs {}",
                stop.saturating_sub(start),
                tensor.dtype,
                bits / 8
            ),
            Some(_) => {
                end = stop;
                continue;
            }
        };
        return Some(Error::malformed(message).in_tensor(name));
    }
    let unused = data_len.checked_sub(u64::try_from(end).ok()?).filter(|&unused| unused > 0)?;
    Some(Error::malformed(format!("{unused} bytes behind the last tensor belong to none")))
}

/// torch's name of a dtype (`safetensors/torch.py`).
fn dtype(dtype: Dtype) -> Result<&'static str, Error> {
    Ok(match dtype {
        Dtype::BOOL => "bool",
        Dtype::F4 => "float4_e2m1fn_x2",
        Dtype::U8 => "uint8",
        Dtype::I8 => "int8",
        Dtype::F8_E5M2 => "float8_e5m2",
        Dtype::F8_E4M3 => "float8_e4m3fn",
        Dtype::F8_E8M0 => "float8_e8m0fnu",
        Dtype::F8_E4M3FNUZ => "float8_e4m3fnuz",
        Dtype::F8_E5M2FNUZ => "float8_e5m2fnuz",
        Dtype::I16 => "int16",
        Dtype::U16 => "uint16",
        Dtype::F16 => "float16",
        Dtype::BF16 => "bfloat16",
        Dtype::I32 => "int32",
        Dtype::U32 => "uint32",
        Dtype::F32 => "float32",
        Dtype::C64 => "complex64",
        Dtype::F64 => "float64",
        Dtype::I64 => "int64",
        Dtype::U64 => "uint64",
        // `F6_E2M3` and `F6_E3M2`, and whatever comes.
        other => return Err(Error::unsupported(format!("torch has no dtype for {other:?}"))),
    })
}

fn shape(tensor: &TensorInfo) -> Result<Vec<i64>, Error> {
    let mut shape = tensor.shape.clone();
    if tensor.dtype == Dtype::F4 {
        let halved = shape.last_mut().filter(|last| last.checked_rem(2) == Some(0)).map(|last| *last /= 2);
        halved.ok_or_else(|| {
            Error::unsupported(format!(
                "the last dimension of shape {:?} of F4 is odd; torch counts pairs",
                tensor.shape
            ))
        })?;
    }
    let sizes = shape.into_iter().map(i64::try_from).collect::<Result<_, _>>();
    sizes.map_err(|_| Error::malformed(format!("shape {:?} cannot be addressed", tensor.shape)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use safetensors::SafeTensors;

    use super::*;

    fn file(header: &str, data: usize) -> Vec<u8> {
        let data: Vec<u8> = (0..data).map(|n| n as u8).collect();
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &data].concat()
    }

    fn said(header: &str, data: usize) -> String {
        let error = read(&Source::from(file(header, data)), &Limits::default()).err().unwrap();
        error.to_string()
    }

    #[test]
    fn headers_that_lie_are_refused() {
        let one = |dtype: &str, shape: &str, offsets: &str| {
            format!(r#"{{"w":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}"#)
        };
        let max = usize::MAX;
        for (header, data, word) in [
            (one("F32", "[2]", "[0,8]"), 7, "beyond the 7 bytes"),
            (one("F32", "[2]", "[0,8]"), 9, "1 bytes behind the last tensor belong to none"),
            (one("F32", "[2]", "[0,9]"), 9, "needs 8"),
            (one("F32", "[2]", "[8,0]"), 8, "before it begins"),
            (one("F32", "[2]", "[4,12]"), 12, "gap"),
            (one("U8", &format!("[{max}]"), &format!("[0,{max}]")), 8, "beyond"),
            (one("F32", &format!("[{max},{max}]"), "[0,8]"), 8, "more elements"),
            (one("F32", "[18446744073709551616]", "[0,8]"), 8, "invalid"),
            (one("F4", "[3]", "[0,1]"), 1, "no whole number of bytes"),
            (one("F4", "[2,3]", "[0,3]"), 3, "odd"),
            (one("F6_E2M3", "[4]", "[0,3]"), 3, "no dtype for F6_E2M3"),
            (one("F33", "[4]", "[0,3]"), 3, "F33"),
            (r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}"#.into(), 2, "`a` is there twice"),
            (r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#.into(), 1, "overlaps"),
            (r#"{"__metadata__":{"k":1}}"#.into(), 0, "`__metadata__`"),
            (r#"{"__metadata__":{"k":"1","k":"2"}}"#.into(), 0, "twice"),
            ("[]".into(), 0, "a JSON object"),
        ] {
            let sentence = said(&header, data);
            assert!(sentence.contains(word) && sentence.starts_with("the header: "), "{header}: {sentence}");
        }
        let long = [u64::MAX.to_le_bytes().as_slice(), b"{}"].concat();
        assert!(read(&Source::from(long), &Limits::default()).err().unwrap().to_string().contains("truncated"));
        let mut limits = Limits::default();
        limits.json_bytes = 1;
        let error = read(&Source::from(file("{}", 0)), &limits).err().unwrap();
        assert!(error.to_string().contains("json_bytes"));
    }

    /// Tensors that lie one behind the other, with one number of one of them changed perhaps.
    fn header() -> impl Strategy<Value = (String, usize)> {
        let dtypes = ["U8", "F32", "I64", "F4", "F16", "BOOL"];
        let tensor = (0..dtypes.len(), prop::collection::vec(0_usize..4, 0..3));
        let change = prop::option::of((0_usize..4, 0_usize..3, prop_oneof![0_usize..20, Just(usize::MAX)]));
        (prop::collection::vec(tensor, 0..4), change, any::<bool>(), 0_usize..2).prop_map(
            move |(tensors, change, backwards, more)| {
                let mut at = 0;
                let mut members = Vec::new();
                for (n, (dtype, shape)) in tensors.into_iter().enumerate() {
                    let bits = [8, 32, 64, 4, 16, 8][dtype];
                    let end = at + shape.iter().product::<usize>() * bits / 8;
                    let mut numbers = [at, end, *shape.first().unwrap_or(&0)];
                    let mut shape = shape;
                    if let Some((which, field, value)) = change
                        && which == n
                    {
                        numbers[field] = value;
                        if let Some(first) = shape.first_mut() {
                            *first = numbers[2];
                        }
                    }
                    members.push(format!(
                        r#""t{n}":{{"dtype":"{}","shape":{shape:?},"data_offsets":[{},{}]}}"#,
                        dtypes[dtype], numbers[0], numbers[1]
                    ));
                    at = end;
                }
                if backwards {
                    members.reverse();
                }
                (format!("{{{}}}", members.join(",")), at + more)
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_crate_reads_the_same((header, data) in header()) {
            let file = file(&header, data);
            let ours = read(&Source::from(file.clone()), &Limits::default());
            // Sums of the crate's overflow for tensors that end at the end of all numbers.
            let theirs = if header.contains(&usize::MAX.to_string()) { None } else { SafeTensors::deserialize(&file).ok() };
            match (ours, theirs) {
                (Ok(ours), Some(theirs)) => {
                    for (number, entry) in ours.tensors.iter().enumerate() {
                        use crate::source::{RecordId, Records as _};
                        let tensor = theirs.tensor(&entry.name).unwrap();
                        let bytes = ours.blobs.borrow(RecordId(number as u32)).unwrap().unwrap();
                        prop_assert_eq!(bytes, tensor.data());
                    }
                }
                (Err(error), Some(_)) => prop_assert!(error.to_string().contains("F4"), "{} {}", header, error),
                (Ok(_), None) => prop_assert!(false, "{} was accepted", header),
                (Err(_), None) => {}
            }
        }
    }
}
