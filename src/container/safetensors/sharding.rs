//! What a safetensors file of one rank says of the tensors that its own are parts of.

use std::marker::PhantomData;

use serde::de::MapAccess;

use crate::container::json::{self, Each, Entries, Members};
use crate::error::Error;

/// Where in a larger tensor the tensors of a safetensors file of one rank begin: the text of `DCP_SHARDING_INFO` in the
/// file's metadata, `{"name": {"saved_offsets": [3, 0]}, …}` (`torch/distributed/checkpoint/hf_storage.py`).
///
/// # Errors
/// Malformed: it is something else.
pub(crate) fn sharding_info(json: &str) -> Result<Vec<(String, Vec<u64>)>, Error> {
    struct Saved(Option<Vec<u64>>);
    impl<'de> Each<'de> for Saved {
        fn member<A: MapAccess<'de>>(&mut self, name: String, map: &mut A) -> Result<(), A::Error> {
            match name.as_str() {
                "saved_offsets" => self.0 = Some(map.next_value()?),
                _ => _ = map.next_value::<serde::de::IgnoredAny>()?,
            }
            Ok(())
        }
    }
    struct Offsets(Vec<u64>);
    impl<'de> serde::Deserialize<'de> for Offsets {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            use serde::de::{DeserializeSeed as _, Error as _};
            let saved = Members(Saved(None)).deserialize(deserializer)?;
            saved.0.map(Self).ok_or_else(|| D::Error::missing_field("saved_offsets"))
        }
    }
    let entries = json::parse(json.as_bytes(), PhantomData::<Entries<Offsets>>)?;
    Ok(entries.0.into_iter().map(|(name, offsets)| (name, offsets.0)).collect())
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
