//! A checkpoint's state dict: the entries of the dict that was chosen or named, or every tensor under its path.

use std::borrow::Cow;

use super::StateDict;
use crate::checkpoint::Checkpoint;
use crate::choose::choose;
use crate::error::Error;
use crate::pickle::graph::NodeId;
use crate::torch::Meant;
use crate::value::key_text;

impl Checkpoint {
    /// The state dict, chosen by the rules that [`load_state_dict`](crate::load_state_dict) states.
    ///
    /// # Errors
    /// No dict qualifies, or several do.
    pub fn state_dict(&self) -> Result<StateDict, Error> {
        self.state_dict_at(None).map_err(|e| self.in_path(e))
    }

    /// The state dict at a dotted path, or chosen below it; see [`LoadOptions::key`](crate::LoadOptions::key).
    pub(crate) fn state_dict_at(&self, key: Option<&str>) -> Result<StateDict, Error> {
        let program = self.program();
        let root = self.require(key.unwrap_or_default())?;
        let node = choose(program, root, key.is_some(), self.limits())?;
        let Meant::Dict(entries) = program.meant(node) else { return self.module_dict(node) };
        let mut others = Vec::new();
        let mut tensors = Vec::with_capacity(entries.len());
        let mut all_text = true;
        for (key, value) in entries.iter() {
            let name = key_text(program, key);
            match program.tensor(value) {
                Some(tensor) => {
                    all_text &= matches!(name, Cow::Borrowed(_));
                    tensors.push((name, tensor));
                }
                None => others.push((name.into_owned(), value)),
            }
        }
        let count = tensors.len();
        if all_text && !program.graph().has_surrogates() {
            let entries = tensors.iter().map(|(name, tensor)| (&**name, (*tensor).clone()));
            return Ok(StateDict::from_dict(entries, count, others, node, self.clone()));
        }
        // Different keys may become one text: lone surrogates, Python 2 byte strings.
        let entries = tensors.into_iter().map(|(name, tensor)| (name.into_owned(), tensor.clone()));
        StateDict::new(entries, others, node, self.clone())
    }

    fn module_dict(&self, node: NodeId) -> Result<StateDict, Error> {
        let program = self.program();
        let (mut tensors, mut others) = (Vec::new(), Vec::new());
        for entry in program.module_entries(node, self.limits())? {
            match program.tensor(entry.value) {
                Some(tensor) => tensors.push((entry.name, tensor.clone())),
                None => others.push((entry.name, entry.value)),
            }
        }
        StateDict::new(tensors, others, node, self.clone())
    }

    /// Every tensor under its dotted path; see [`LoadOptions::flatten`](crate::LoadOptions::flatten).
    pub(crate) fn flattened(&self, key: Option<&str>) -> Result<StateDict, Error> {
        let node = self.require(key.unwrap_or_default())?;
        let entries = self.tensors_below(node)?.into_iter().map(|entry| (entry.name(), entry.into_tensor()));
        StateDict::new(entries, Vec::new(), node, self.clone())
    }
}
