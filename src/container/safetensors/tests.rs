//! Headers that lie, and random ones against the crate's own reading.
#![allow(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, reason = "the numbers are the tests'")]

use proptest::prelude::*;
use safetensors::SafeTensors;

use super::read;
use crate::limits::Limits;
use crate::source::{RecordId, Records as _, Source};

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
    let limits = Limits { json_bytes: 1, ..Limits::default() };
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
