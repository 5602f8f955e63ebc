//! JSON objects in which the order of the names counts, and none may be there twice: what `serde_json`'s own maps make of
//! them keeps the last of two.

use std::fmt;
use std::marker::PhantomData;

use hashbrown::HashSet;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, Visitor};

use crate::error::{Error, Shown};

/// An object whose values are all of one type, in order.
pub(super) struct Entries<T>(pub(super) Vec<(String, T)>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
            type Value = Vec<(String, T)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    entries.push((name, map.next_value()?));
                }
                must_differ(&entries)?;
                Ok(entries)
            }
        }
        deserializer.deserialize_map(Object(PhantomData)).map(Self)
    }
}

/// Refuses a name that is there twice.
pub(super) fn must_differ<T, E: serde::de::Error>(entries: &[(String, T)]) -> Result<(), E> {
    let mut names = HashSet::with_capacity(entries.len());
    match entries.iter().find(|(name, _)| !names.insert(name.as_str())) {
        None => Ok(()),
        Some((name, _)) => Err(E::custom(format!("the name `{}` is there twice", Shown(name)))),
    }
}

/// Reads a whole text with a seed.
///
/// # Errors
/// Malformed, with the place in the text.
pub(super) fn parse<'de, S: DeserializeSeed<'de>>(json: &'de [u8], seed: S) -> Result<S::Value, Error> {
    let text = std::str::from_utf8(json).map_err(|e| {
        Error::malformed("the JSON is not UTF-8").at(u64::try_from(e.valid_up_to()).unwrap_or(u64::MAX))
    })?;
    let mut deserializer = serde_json::Deserializer::from_str(text.trim_start_matches('\u{feff}'));
    let value = seed.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    value.map_err(|e| Error::malformed(format!("the JSON is not what it should be: {}", Shown(&e.to_string()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(json: &str) -> Result<Vec<(String, u32)>, Error> {
        parse(json.as_bytes(), PhantomData::<Entries<u32>>).map(|entries| entries.0)
    }

    #[test]
    fn order_is_kept_and_nothing_is_there_twice() {
        let found = entries(r#"{"b": 1, "a": 2, "\u0063": 3}"#).unwrap();
        assert_eq!(found, [("b".into(), 1), ("a".into(), 2), ("c".into(), 3)]);
        for (json, word) in [
            (r#"{"a": 1, "\u0061": 2}"#, "twice"),
            (r#"{"a": -1}"#, "-1"),
            (r#"{"a": 1} x"#, "trailing"),
            (r#"["a"]"#, "a JSON object"),
            (r#"{"a": 1"#, "EOF"),
            (r#"{"a": 99999999999999999999999}"#, "invalid"),
            (r#"{"\ud800": 1}"#, "hex escape"),
        ] {
            let error = entries(json).unwrap_err().to_string();
            assert!(error.contains(word), "{json}: {error}");
        }
        assert!(parse(b"\xff{}", PhantomData::<Entries<u32>>).is_err());
    }
}
