//! Random promises about a storage: exactly those that hold are kept (case 83 at random).

use proptest::prelude::*;
use torch_checkpoint::{ErrorKind, LoadOptions};

use crate::pickle_builder::*;
use crate::support::tensor;

/// Elements of the storage, each its own place.
const ELEMENTS: usize = 40;

/// Small numbers mostly, so that many promises hold, and now and then a wild one.
fn number(small: std::ops::Range<i64>) -> impl Strategy<Value = i64> {
    prop_oneof![
        20 => small,
        1 => prop_oneof![
            Just(-1),
            Just(i64::MIN),
            Just(i64::MAX),
            Just(1 << 62),
            Just(1 << 32),
            Just((1 << 61) + 1),
            any::<i64>(),
        ],
    ]
}

fn promise() -> impl Strategy<Value = (Vec<i64>, Vec<i64>, i64)> {
    (0_usize..5).prop_flat_map(|dims| {
        let size = prop::collection::vec(number(0..5), dims);
        let stride = prop::collection::vec(number(0..9), dims);
        (size, stride, number(0..20))
    })
}

/// Places of the elements in row-major order, or `None` if the promise does not hold. In numbers that cannot overflow.
fn naive(size: &[i64], stride: &[i64], offset: i64) -> Option<Vec<usize>> {
    if size.iter().chain(stride).any(|&n| n < 0) || offset < 0 {
        return None;
    }
    if size.contains(&0) {
        return Some(Vec::new());
    }
    let last = size.iter().zip(stride).try_fold(i128::from(offset), |last, (&size, &stride)| {
        last.checked_add(i128::from(size - 1).checked_mul(i128::from(stride))?)
    })?;
    if last >= ELEMENTS as i128 {
        return None;
    }
    let numel: i128 = size.iter().try_fold(1_i128, |numel, &size| numel.checked_mul(i128::from(size)))?;
    // More than can be looked at one by one; the answer is checked elsewhere.
    let mut places = vec![i128::from(offset)];
    for (&size, &stride) in size.iter().zip(stride) {
        if numel > 4096 {
            break;
        }
        places = places.iter().flat_map(|place| (0..size).map(move |n| place + i128::from(n * stride))).collect();
    }
    Some(places.into_iter().map(|place| place as usize).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn case_083_a_view_is_read_exactly_or_refused((size, stride, offset) in promise()) {
        let values: Vec<i32> = (0..ELEMENTS as i32).map(|n| n * 0x0101_0101).collect();
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let id = StorageId::new("IntStorage", "0", ELEMENTS as i64);
        let call = TensorCall { size: ints(&size), ..TensorCall::new(&id, &[]) }.at(offset, &stride);
        let opened = LoadOptions::new().open_bytes(torch_file(&dict([("w", call.code())]), &[("0", &bytes)]));
        let wanted = naive(&size, &stride, offset);
        match (opened, wanted) {
            (Err(error), None) => prop_assert_eq!(error.kind(), ErrorKind::Malformed),
            // More elements than memory has addresses.
            (Err(error), Some(_)) => {
                let numel = size.iter().try_fold(1_i64, |numel, &size| numel.checked_mul(size));
                prop_assert!(numel.is_none_or(|numel| numel > 1 << 56), "{}", error);
            }
            (Ok(checkpoint), wanted) => {
                let w = tensor(&checkpoint, "w");
                prop_assert!(wanted.is_some(), "{:?} {:?} {} was accepted", size, stride, offset);
                let places = wanted.unwrap_or_default();
                if w.numel() <= 4096 {
                    let naive: Vec<i32> = places.iter().map(|&place| values[place]).collect();
                    prop_assert_eq!(w.to_vec::<i32>().unwrap(), naive.clone());
                    let as_bytes: Vec<u8> = naive.iter().flat_map(|value| value.to_ne_bytes()).collect();
                    prop_assert_eq!(&*w.bytes().unwrap(), as_bytes.as_slice());
                    let floats: Vec<f64> = naive.iter().map(|&value| f64::from(value)).collect();
                    prop_assert_eq!(w.cast::<f64>().unwrap(), floats);
                    if let Ok(slice) = w.as_slice::<i32>() {
                        prop_assert_eq!(slice, naive);
                    }
                } else {
                    let first = w.shape().iter().enumerate().fold(w.clone(), |view, _| view.select(0, 0).unwrap());
                    prop_assert_eq!(first.to_vec::<i32>().unwrap(), [values[offset as usize]]);
                }
            }
        }
    }

    /// A declared number of elements is right or refused.
    #[test]
    fn case_034_a_number_of_elements_is_right_or_refused(numel in number(0..12), len in 0_usize..48) {
        let id = StorageId::new("FloatStorage", "0", numel);
        let code = dict([("w", TensorCall::new(&id, &[0]).code())]);
        let opened = LoadOptions::new().open_bytes(torch_file(&code, &[("0", &vec![0; len])]));
        prop_assert_eq!(opened.is_ok(), i64::try_from(len) == Ok(numel.saturating_mul(4)));
    }
}
