//! What a checkpoint holds besides tensors, as JSON: hyper-parameters, counters, schedules.

use serde_json::{Map, Value as Json};
use torch_checkpoint::{Checkpoint, Kind, ListedValue, Value};

use super::bare;
use crate::failure::Failure;
use crate::json;

/// Levels that are nested; what is deeper has a dotted key. Readers of JSON have limits of their own, 128 and up.
const LEVELS: usize = 100;

/// One object of everything that `show` lists as other values, nested as in the checkpoint. Positions 0, 1, … make an array.
/// Tensors, storages and numeric arrays are left out, and so is what holds nothing else.
pub(super) fn json(checkpoint: &Checkpoint) -> Result<String, Failure> {
    let listing = checkpoint.leaves("")?;
    let mut root = Map::new();
    for leaf in listing.leaves {
        if let Some(value) = value(&leaf)? {
            insert(&mut root, leaf.path, value);
        }
    }
    let text = serde_json::to_string(&arrays(root));
    text.map_err(|error| bare(format!("the values of the checkpoint are no JSON: {error}")))
}

/// A value, unless it is numbers by the thousand.
fn value(leaf: &ListedValue<'_>) -> Result<Option<Json>, Failure> {
    let value = leaf.value;
    let numbers = |value: Value<'_>| value.to_tensor().is_some_and(|tensor| !tensor.shape().is_empty());
    match value.kind() {
        Kind::Tensor | Kind::Storage => return Ok(None),
        Kind::Object if numbers(value) => return Ok(None),
        // Numpy's scalars, paths, members of enums; sets and deques of such.
        Kind::Object | Kind::Set | Kind::FrozenSet => {
            if let Ok(value) = value.deserialize::<Json>() {
                return Ok(Some(value));
            }
        }
        _ => {}
    }
    let (_, plain) = json::plain(value);
    serde_json::to_value(plain).map(Some).map_err(|error| bare(format!("a value is no JSON: {error}")))
}

fn insert(root: &mut Map<String, Json>, mut path: Vec<String>, value: Json) {
    if path.len() > LEVELS {
        let deep = path.split_off(LEVELS).join(".");
        path.push(deep);
    }
    let Some(last) = path.pop() else {
        // The checkpoint is this one value.
        root.insert(String::new(), value);
        return;
    };
    let mut object = root;
    for piece in path {
        let below = object.entry(piece).or_insert_with(|| Json::Object(Map::new()));
        // Only where two keys have one text, as `1` and `"1"`.
        let Json::Object(below) = below else { return };
        object = below;
    }
    object.entry(last).or_insert(value);
}

/// The objects whose keys are 0, 1, … as arrays. Recursion ends at [`LEVELS`].
fn arrays(object: Map<String, Json>) -> Json {
    let below = |value| if let Json::Object(object) = value { arrays(object) } else { value };
    let len = object.len();
    let is_array = len > 0 && (0..len).all(|position| object.contains_key(&position.to_string()));
    if !is_array {
        return Json::Object(object.into_iter().map(|(key, value)| (key, below(value))).collect());
    }
    let mut items: Vec<(usize, Json)> =
        object.into_iter().filter_map(|(key, value)| Some((key.parse().ok()?, below(value)))).collect();
    items.sort_unstable_by_key(|(position, _)| *position);
    Json::Array(items.into_iter().map(|(_, item)| item).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(leaves: &[(&[&str], i64)]) -> Json {
        let mut root = Map::new();
        for (path, value) in leaves {
            insert(&mut root, path.iter().map(|&piece| piece.to_owned()).collect(), Json::from(*value));
        }
        arrays(root)
    }

    #[test]
    fn paths_nest() {
        let found = nested(&[(&["a", "b"], 1), (&["a", "c", "0"], 2), (&["a", "c", "1"], 3), (&["d", "1"], 4)]);
        assert_eq!(found, serde_json::json!({"a": {"b": 1, "c": [2, 3]}, "d": {"1": 4}}));
        let many: Vec<(String, i64)> = (0..12).map(|n| (n.to_string(), n)).collect();
        let many: Vec<([&str; 1], i64)> = many.iter().map(|(piece, n)| ([piece.as_str()], *n)).collect();
        let many: Vec<(&[&str], i64)> = many.iter().map(|(path, n)| (&path[..], *n)).collect();
        assert_eq!(nested(&many), serde_json::json!([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]));
    }

    #[test]
    fn what_cannot_be_nested_is_not() {
        assert_eq!(nested(&[(&["1"], 1), (&["1", "a"], 2), (&["1"], 3)]), serde_json::json!({"1": 1}));
        assert_eq!(nested(&[(&[], 1)]), serde_json::json!({"": 1}));
        let deep = nested(&[(&["x"; 103], 1)]);
        let mut levels = 0;
        let mut inner = &deep;
        while let Json::Object(object) = inner {
            levels += 1;
            inner = object.values().next().unwrap();
        }
        assert_eq!(levels, LEVELS + 1);
    }
}
