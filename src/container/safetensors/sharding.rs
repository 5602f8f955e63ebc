//! What a safetensors file of one rank says of the tensors that its own are parts of.

use std::marker::PhantomData;

use serde::Deserialize;

use crate::container::json::{self, Entries};
use crate::error::Error;

/// Where in a larger tensor the tensors of a safetensors file of one rank begin: the text of `DCP_SHARDING_INFO` in the
/// file's metadata, `{"name": {"saved_offsets": [3, 0]}, …}` (`torch/distributed/checkpoint/hf_storage.py`).
///
/// # Errors
/// Malformed: it is something else.
pub(crate) fn sharding_info(json: &str) -> Result<Vec<(String, Vec<u64>)>, Error> {
    #[derive(Deserialize)]
    struct Saved {
        saved_offsets: Vec<u64>,
    }
    let entries = json::parse(json.as_bytes(), PhantomData::<Entries<Saved>>)?;
    Ok(entries.0.into_iter().map(|(name, saved)| (name, saved.saved_offsets)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_110_sharding_info_is_read() {
        let found =
            sharding_info(r#"{"w": {"saved_offsets": [3, 0], "more": 1}, "s": {"saved_offsets": []}}"#).unwrap();
        assert_eq!(found, [("w".into(), vec![3, 0]), ("s".into(), vec![])]);
        for json in [
            r#"{"w": {}}"#,
            r#"{"w": [1]}"#,
            r#"{"w": {"saved_offsets": [-1]}}"#,
            "[]",
            r#"{"w": {"saved_offsets": [1], "saved_offsets": [2]}}"#,
        ] {
            assert!(sharding_info(json).is_err(), "{json}");
        }
    }
}
