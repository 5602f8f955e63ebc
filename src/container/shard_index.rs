//! The index of a sharded checkpoint: JSON that says in which file each tensor is
//! (`{"metadata": {…}, "weight_map": {"name": "file", …}}`, as Hugging Face's libraries write it).

use std::marker::PhantomData;

use hashbrown::HashMap;
use serde::de::MapAccess;
use serde_json::Value as Json;

use super::json::{self, Each, Entries, Members};
use crate::error::Error;
use crate::limits::Limits;
use crate::source::Source;

/// What an index says.
pub(crate) struct ShardIndex {
    /// The files, in the order in which they are first named.
    pub(crate) shards: Vec<String>,
    /// The names of the tensors in order, each with the number of its shard.
    pub(crate) names: Vec<(String, usize)>,
    /// What else it says of the whole: `total_size`, usually.
    pub(crate) metadata: Vec<(String, Json)>,
}

#[derive(Default)]
struct Index {
    weight_map: Option<Vec<(String, String)>>,
    metadata: Vec<(String, Json)>,
}

impl<'de> Each<'de> for Index {
    fn member<A: MapAccess<'de>>(&mut self, name: String, map: &mut A) -> Result<(), A::Error> {
        match name.as_str() {
            "weight_map" => self.weight_map = Some(map.next_value::<Entries<String>>()?.0),
            "metadata" => {
                self.metadata = map.next_value::<Option<Entries<Json>>>()?.map(|entries| entries.0).unwrap_or_default()
            }
            _ => _ = map.next_value::<serde::de::IgnoredAny>()?,
        }
        Ok(())
    }
}

impl ShardIndex {
    /// Reads an index.
    ///
    /// # Errors
    /// Malformed: it is no JSON, has no `weight_map` or a name twice. Limit: `Limits::json_bytes`.
    pub(crate) fn read(source: &Source, limits: &Limits) -> Result<Self, Error> {
        Limits::check("json_bytes", source.len(), limits.json_bytes)?;
        let json = source.stable(0..source.len()).unwrap_or_default();
        let index = json::parse(&json, Members(Index::default()))?;
        let Some(weight_map) = index.weight_map else {
            return Err(Error::malformed("the index has no `weight_map`, which says where each tensor is"));
        };
        let mut shards: Vec<String> = Vec::new();
        let mut numbers: HashMap<String, usize> = HashMap::new();
        let mut names = Vec::with_capacity(weight_map.len());
        for (name, shard) in weight_map {
            let number = match numbers.get(&shard) {
                Some(&number) => number,
                None => {
                    let number = shards.len();
                    shards.push(shard.clone());
                    numbers.insert(shard, number);
                    number
                }
            };
            names.push((name, number));
        }
        Ok(Self { shards, names, metadata: index.metadata })
    }
}

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

    fn read(json: &'static str) -> Result<ShardIndex, Error> {
        ShardIndex::read(&Source::from(json.as_bytes()), &Limits::default())
    }

    #[test]
    fn case_095_an_index_names_shards_in_order() {
        let index = read(
            r#"{"metadata": {"total_size": 12, "x": [1]}, "weight_map": {"b": "two", "a": "one", "c": "two"}, "more": {}}"#,
        )
        .unwrap();
        assert_eq!(index.shards, ["two", "one"]);
        assert_eq!(index.names, [("b".into(), 0), ("a".into(), 1), ("c".into(), 0)]);
        assert_eq!(index.metadata.len(), 2);
        assert!(read(r#"{"metadata": null, "weight_map": {}}"#).unwrap().names.is_empty());
        for (json, word) in [
            (r#"{"metadata": {}}"#, "no `weight_map`"),
            (r#"{"weight_map": {"a": 1}}"#, "expected a string"),
            (r#"{"weight_map": {"a": "x", "a": "y"}}"#, "`a` is there twice"),
            (r#"{"weight_map": {}, "weight_map": {}}"#, "twice"),
            (r#"{"weight_map": ["a"]}"#, "a JSON object"),
            (r#"{"weight_map": {"a": "x"}"#, "EOF"),
        ] {
            let error = read(json).err().unwrap().to_string();
            assert!(error.contains(word), "{json}: {error}");
        }
        let mut limits = Limits::default();
        limits.json_bytes = 9;
        let error = ShardIndex::read(&Source::from(&br#"{"weight_map": {}}"#[..]), &limits).err().unwrap();
        assert!(error.to_string().contains("json_bytes"));
    }

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
