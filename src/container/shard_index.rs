//! The index of a sharded checkpoint: JSON that says in which file each tensor is
//! (`{"metadata": {…}, "weight_map": {"name": "file", …}}`, as Hugging Face's libraries write it).

use std::marker::PhantomData;

use hashbrown::HashMap;
use serde::Deserialize;
use serde_json::Value as Json;

use super::json::{self, Entries};
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

#[derive(Deserialize)]
struct Index {
    weight_map: Option<Entries<String>>,
    metadata: Option<Entries<Json>>,
}

impl ShardIndex {
    /// Reads an index.
    ///
    /// # Errors
    /// Malformed: it is no JSON, has no `weight_map` or a name twice. Limit: `Limits::json_bytes`.
    pub(crate) fn read(source: &Source, limits: &Limits) -> Result<Self, Error> {
        Limits::check("json_bytes", source.len(), limits.json_bytes)?;
        let json = source.stable(0..source.len())?;
        let Index { weight_map, metadata } = json::parse(&json, PhantomData::<Index>)?;
        let Some(Entries(weight_map)) = weight_map else {
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
        Ok(Self { shards, names, metadata: metadata.unwrap_or_default().0 })
    }
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
            (r#"{"weight_map": {}, "weight_map": {}}"#, "duplicate field `weight_map`"),
            (r#"{"weight_map": ["a"]}"#, "a JSON object"),
            (r#"{"weight_map": {"a": "x"}"#, "EOF"),
        ] {
            let error = read(json).err().unwrap().to_string();
            assert!(error.contains(word), "{json}: {error}");
        }
        let limits = Limits { json_bytes: 9, ..Limits::default() };
        let error = ShardIndex::read(&Source::from(&br#"{"weight_map": {}}"#[..]), &limits).err().unwrap();
        assert!(error.to_string().contains("json_bytes"));
    }
}
