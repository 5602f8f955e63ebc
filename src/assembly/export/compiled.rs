//! Weights of models that AOTInductor compiled, where they were packaged beside the code: each is a view of a tensor that
//! a record holds as a file of `torch.save` (`torch/export/pt2_archive/_package.py`, `_package_aoti_files`).

use hashbrown::HashMap;

use super::mapping::Mapping;
use super::package::Package;
use crate::assembly::of_source;
use crate::container::{CompiledWeight, compiled_config};
use crate::error::Error;
use crate::pickle::graph::{Node, NodeId};

/// Wrappers around the call that rebuilds a tensor: one, of a parameter.
const MAX_WRAPPING: usize = 4;

impl Package<'_> {
    /// Adds the compiled models that have weights by name.
    pub(super) fn add_compiled(&mut self, models: &mut Vec<(String, NodeId)>) -> Result<(), Error> {
        let archive = self.archive;
        // By record: several models may share weights.
        let mut tensors: HashMap<String, NodeId> = HashMap::new();
        for (path, config) in archive.paths() {
            let name =
                path.strip_prefix("data/aotinductor/").and_then(|path| path.strip_suffix("/weights_config.json"));
            let Some(name) = name else { continue };
            let config_name = archive.name(config);
            let mut mapping = Mapping::default();
            let json = archive.json(config)?;
            for (weight, view) in compiled_config(&json).map_err(|e| e.in_record(config_name))? {
                let located = |error: Error| error.in_record(config_name).in_tensor(&weight);
                let value = self.compiled_weight(&view, &mut tensors).map_err(located)?;
                mapping.add(&mut self.gathering.composer, &weight, value).map_err(located)?;
            }
            // A program and what was compiled of it have one name.
            let known = models.iter().any(|(model, _)| model == name);
            let name = if known { format!("aotinductor/{name}") } else { name.to_owned() };
            models.push((name, mapping.finish(&mut self.gathering.composer)?));
        }
        Ok(())
    }

    fn compiled_weight(
        &mut self,
        view: &CompiledWeight,
        tensors: &mut HashMap<String, NodeId>,
    ) -> Result<NodeId, Error> {
        let CompiledWeight(key, sizes, strides, offset) = view;
        let base = match tensors.get(key) {
            Some(&base) => base,
            None => {
                let record = self.record("weights", key)?;
                let name = self.archive.name(record);
                let source = self.archive.source(record)?;
                let assembly = of_source(source, self.opening.inner()?).map_err(|e| e.inside(name))?;
                let base = self.gathering.add(assembly, name)?;
                tensors.insert(key.clone(), base);
                base
            }
        };
        let Some((function, args)) = self.rebuild_call(base) else {
            return Err(Error::unsupported("it is a view of something else than a plain tensor"));
        };
        let composer = &mut self.gathering.composer;
        let view = [composer.int(*offset)?, composer.ints(sizes)?, composer.ints(strides)?];
        let storage = args.first().copied().unwrap_or(NodeId::NONE);
        let rest = args.get(4..).unwrap_or_default();
        composer.call(function, &[&[storage], &view[..], rest].concat())
    }

    /// The call of `_rebuild_tensor_v2` or `_v3` that a tensor is, with its arguments.
    fn rebuild_call(&self, tensor: NodeId) -> Option<(NodeId, Vec<NodeId>)> {
        let graph = self.gathering.composer.graph();
        let mut node = tensor;
        for _ in 0..MAX_WRAPPING {
            let Node::Object(object) = graph.node(node) else { return None };
            let args = graph.as_tuple(object.args)?;
            match graph.global(graph.as_global(object.callable)?) {
                ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor_v3") => {
                    return Some((object.callable, args.to_vec()));
                }
                ("torch._utils", "_rebuild_parameter") => node = *args.first()?,
                _ => return None,
            }
        }
        None
    }
}
