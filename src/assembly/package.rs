//! `torch.package`: objects pickled as resources of Python packages, all with the same storages
//! (`torch/package/package_exporter.py`). Objects that decide themselves how they are packaged are given by persistent
//! ids: `('reduce_package', id, function, args)`.

use std::sync::Arc;

use hashbrown::HashMap;

use super::archive_pickle::decode_record;
use super::archive_storages::ArchiveStorages;
use super::gathering::Gathering;
use super::{Assembly, Opening, script};
use crate::container::Archive;
use crate::error::Error;
use crate::format::Format;
use crate::pickle::graph::{Graph, NodeId};
use crate::source::RecordId;
use crate::torch::{ascii_or_text, in_place, renamed};

/// The root is a mapping of the resources' paths to their objects, in the order of the paths.
pub(super) fn assemble(archive: Arc<Archive>, opening: Opening<'_>) -> Result<Assembly, Error> {
    let version = archive.version()?;
    let byte_order = archive.byte_order()?;
    let mut gathering = Gathering::new(opening);
    let store = gathering.add_store(ArchiveStorages::package(Arc::clone(&archive), byte_order));
    let mut package =
        Package { archive: &archive, gathering, opening, store, scripts: HashMap::new(), constants: vec![] };
    let mut resources: Vec<(&str, RecordId)> = archive.paths().filter(|(path, _)| is_resource(path)).collect();
    resources.sort_unstable();
    let mut entries = Vec::with_capacity(resources.len());
    for (path, record) in resources {
        let root = package.splice(record)?;
        entries.push((package.gathering.composer.text(path)?, root));
    }
    package.reduce()?;
    let Package { mut gathering, constants, .. } = package;
    let root = gathering.composer.dict(&entries)?;
    let constants = match constants.as_slice() {
        [] => None,
        some => Some(gathering.composer.dict(some)?),
    };
    let assembly = gathering.finish(root, Format::Package, version, archive.consumed());
    Ok(Assembly { constants, writer: Some(script::writer(&archive)), ..assembly })
}

fn is_resource(path: &str) -> bool {
    path.ends_with(".pkl") && !path.starts_with(".data/")
}

struct Package<'a> {
    archive: &'a Archive,
    gathering: Gathering,
    opening: Opening<'a>,
    store: usize,
    /// The TorchScript modules of the package, by their numbers.
    scripts: HashMap<String, Option<NodeId>>,
    /// The constants of those that have some.
    constants: Vec<(NodeId, NodeId)>,
}

impl Package<'_> {
    /// Adds the object of a pickle.
    fn splice(&mut self, record: RecordId) -> Result<NodeId, Error> {
        let graph = decode_record(self.archive, record, self.opening.limits)?;
        self.gathering.splice(&graph, self.store)
    }

    /// Puts calls, or the TorchScript modules that the package holds, in the place of the ids that mean them.
    fn reduce(&mut self) -> Result<(), Error> {
        let graph = self.gathering.composer.graph();
        let reduced: Vec<_> = graph.persistents().filter_map(|(node, id)| Some((node, reduced(graph, id)?))).collect();
        for (node, reduced) in reduced {
            let graph = self.gathering.composer.graph();
            let [function, args] = reduced.ok_or_else(|| {
                let error = Error::malformed("the persistent id is not ('reduce_package', id, function, args)");
                in_place(error, graph, node)
            })?;
            let script = script_id(graph, function, args).map(str::to_owned);
            let object = match script {
                Some(id) => self.script(&id)?,
                None => None,
            };
            let composer = &mut self.gathering.composer;
            let object = match (object, composer.graph().as_tuple(args).map(<[_]>::to_vec)) {
                (Some(object), _) => object,
                (None, Some(args)) => composer.call(function, &args)?,
                (None, None) => composer.call(function, &[args])?,
            };
            composer.alias(node, object);
        }
        Ok(())
    }

    /// The TorchScript module of a number, if the package has it.
    fn script(&mut self, id: &str) -> Result<Option<NodeId>, Error> {
        if let Some(&known) = self.scripts.get(id) {
            return Ok(known);
        }
        let module = match self.archive.find(&format!(".data/ts_code/{id}/data.pkl")) {
            Some(data) => Some(self.splice(data)?),
            None => None,
        };
        self.scripts.insert(id.to_owned(), module);
        if module.is_some()
            && let Some(constants) = self.archive.find(&format!(".data/ts_code/{id}/constants.pkl"))
        {
            let constants = self.splice(constants)?;
            if constants != NodeId::EMPTY_TUPLE {
                let key = self.gathering.composer.text(id)?;
                self.constants.push((key, constants));
            }
        }
        Ok(module)
    }
}

/// Function and arguments of an id that is no storage's; `Some(None)` if they are not there.
fn reduced(graph: &Graph, id: NodeId) -> Option<Option<[NodeId; 2]>> {
    let items = graph.as_tuple(id)?;
    if ascii_or_text(graph, *items.first()?) != Some("reduce_package") {
        return None;
    }
    Some(match *items {
        // Without the number in torch 1.9 and before.
        [_, function, args] | [_, _, function, args] if graph.as_global(function).is_some() => Some([function, args]),
        _ => None,
    })
}

/// The number of the TorchScript module that `torch.jit._script.unpackage_script_module(number)` would load.
fn script_id(graph: &Graph, function: NodeId, args: NodeId) -> Option<&str> {
    let (module, name) = graph.global(graph.as_global(function)?);
    if renamed(module, name) != ("torch.jit._script", "unpackage_script_module") {
        return None;
    }
    match graph.as_tuple(args)? {
        &[id] => ascii_or_text(graph, id),
        _ => None,
    }
}
