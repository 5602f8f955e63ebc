//! Sharded checkpoints: an index says in which file of the folder each tensor is. The shards are containers of any kind.

use hashbrown::HashMap;
use serde_json::Value as Json;

use super::gathering::Gathering;
use super::{Assembly, Opening, of_source};
use crate::container::{Kind, ShardIndex, refusal, sniff};
use crate::error::{Error, Shown};
use crate::format::Format;
use crate::pickle::Composer;
use crate::pickle::graph::{Graph, NodeId};
use crate::source::{Folder, Source};
use crate::torch::{ascii_or_text, mapping_entries};

/// The attribute of the root that holds what the index says of the whole.
const METADATA: &str = "metadata";

/// Opens the shards that an index names: the root is an `OrderedDict` of all tensors in the order of the index.
pub(super) fn assemble(folder: &Folder, index: &Source, opening: Opening<'_>) -> Result<Assembly, Error> {
    match sniff(index) {
        Kind::ShardIndex | Kind::Json | Kind::Text(_) => {}
        other => return Err(refusal(&other).inside("the index")),
    }
    let ShardIndex { shards, names, metadata } =
        ShardIndex::read(index, opening.limits).map_err(|e| e.inside("the index"))?;
    let places: HashMap<&str, usize> = names.iter().enumerate().map(|(n, (name, _))| (name.as_str(), n)).collect();
    let mut found: Vec<Option<(NodeId, NodeId)>> = vec![None; names.len()];
    let mut gathering = Gathering::new(opening);
    let mut consumed = index.len();
    for shard in &shards {
        Folder::check_name(shard).map_err(|e| e.inside("the index"))?;
    }
    for (number, shard) in shards.iter().enumerate() {
        let missing = |error: Error| match names.iter().find(|(_, of)| *of == number) {
            Some((name, _)) => error.in_tensor(name),
            None => error,
        };
        let source = folder.open(shard).map_err(missing)?;
        consumed = consumed.saturating_add(source.len());
        let assembly = opening.inner().and_then(|opening| of_source(source, opening)).map_err(|e| e.inside(shard))?;
        let root = gathering.add(assembly, shard)?;
        let graph = gathering.composer.graph();
        let Some(entries) = mapping_entries(graph, root) else {
            return Err(Error::malformed(format!(
                "the shard holds a {}, not a dict of tensors",
                graph.kind_name(root)
            ))
            .inside(shard));
        };
        for (key, value) in entries {
            let name = ascii_or_text(graph, key).unwrap_or_default();
            let place = places.get(name).filter(|&&place| names.get(place).is_some_and(|(_, of)| *of == number));
            let Some(slot) = place.and_then(|&place| found.get_mut(place)) else {
                return Err(
                    not_named(graph, key, places.get(name).and_then(|&place| names.get(place)), &shards).inside(shard)
                );
            };
            if slot.replace((key, value)).is_some() {
                return Err(Error::malformed("the shard has it twice").in_tensor(name).inside(shard));
            }
        }
    }
    let mut entries = Vec::with_capacity(names.len());
    for ((name, shard), entry) in names.iter().zip(found) {
        let Some(entry) = entry else {
            let shard = shards.get(*shard).map(String::as_str).unwrap_or_default();
            return Err(Error::malformed("the index says that it is in this shard, which does not have it")
                .in_tensor(name)
                .inside(shard));
        };
        entries.push(entry);
    }
    let composer = &mut gathering.composer;
    composer.begin_part("the index");
    let class = composer.made_global("collections", "OrderedDict")?;
    let state = state(composer, &metadata)?;
    let root = composer.mapping(class, &entries, state)?;
    Ok(gathering.finish(root, Format::Sharded, 0, consumed))
}

/// The error for a name in a shard that the index does not say is there.
fn not_named(graph: &Graph, key: NodeId, elsewhere: Option<&(String, usize)>, shards: &[String]) -> Error {
    let Some(name) = ascii_or_text(graph, key) else {
        return Error::malformed(format!("the shard has a {} as a name", graph.kind_name(key)));
    };
    let message = match elsewhere.and_then(|(_, shard)| shards.get(*shard)) {
        Some(other) => format!("the shard has it, but the index says that it is in `{}`", Shown(other)),
        None => "the shard has it, but the index does not name it".to_owned(),
    };
    Error::malformed(message).in_tensor(name)
}

/// What the index says of the whole, as an attribute of the root.
fn state(composer: &mut Composer, metadata: &[(String, Json)]) -> Result<Option<NodeId>, Error> {
    if metadata.is_empty() {
        return Ok(None);
    }
    let mut entries = Vec::with_capacity(metadata.len());
    for (name, value) in metadata {
        let value = match value {
            Json::Null => NodeId::NONE,
            Json::Bool(value) => NodeId::bool(*value),
            Json::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(int), _) => composer.int(int)?,
                (None, Some(float)) => composer.float(float)?,
                (None, None) => composer.text(&number.to_string())?,
            },
            Json::String(text) => composer.text(text)?,
            // Nobody writes these; as their text they are not lost.
            nested @ (Json::Array(_) | Json::Object(_)) => composer.text(&nested.to_string())?,
        };
        entries.push((composer.text(name)?, value));
    }
    let (name, value) = (composer.text(METADATA)?, composer.dict(&entries)?);
    composer.dict(&[(name, value)]).map(Some)
}
