//! JSON objects in which the order of the names counts, and none may be there twice: what `serde_json`'s own maps make of
//! them keeps the last of two.

use std::fmt;
use std::marker::PhantomData;

use hashbrown::HashSet;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};

use crate::error::{Error, Shown};

/// Reads the members of an object one by one: for each name, `each` gives what reads the value.
pub(crate) struct Members<F>(pub(crate) F);

/// What [`Members`] calls: reads a member's value from the map, or skips it.
pub(crate) trait Each<'de> {
    fn member<A: MapAccess<'de>>(&mut self, name: String, map: &mut A) -> Result<(), A::Error>;
}

impl<'de, F: Each<'de>> DeserializeSeed<'de> for Members<F> {
    type Value = F;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<F, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F: Each<'de>> Visitor<'de> for Members<F> {
    type Value = F;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<F, A::Error> {
        let mut names: HashSet<Box<str>> = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if !names.insert(name.as_str().into()) {
                return Err(A::Error::custom(format!("the name `{}` is there twice", Shown(&name))));
            }
            self.0.member(name, &mut map)?;
        }
        Ok(self.0)
    }
}

/// An object whose values are all of one type, in order.
pub(crate) struct Entries<T>(pub(crate) Vec<(String, T)>);

struct Push<T>(Vec<(String, T)>, PhantomData<T>);

impl<'de, T: serde::Deserialize<'de>> Each<'de> for Push<T> {
    fn member<A: MapAccess<'de>>(&mut self, name: String, map: &mut A) -> Result<(), A::Error> {
        self.0.push((name, map.next_value()?));
        Ok(())
    }
}

impl<'de, T: serde::Deserialize<'de>> serde::Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Members(Push(Vec::new(), PhantomData)).deserialize(deserializer).map(|push| Self(push.0))
    }
}

/// Reads a whole text with a seed.
///
/// # Errors
/// Malformed, with the place in the text.
pub(crate) fn parse<'de, S: DeserializeSeed<'de>>(json: &'de [u8], seed: S) -> Result<S::Value, Error> {
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
