//! A checkpoint's state dict: the entries of the dict that was chosen or named, or every tensor under its path.

use super::StateDict;
use crate::checkpoint::Checkpoint;
use crate::choose::choose;
use crate::error::{Error, Shown};
use crate::pickle::graph::NodeId;
use crate::torch::Meant;
use crate::value::key_text;

impl Checkpoint {
    /// The state dict, chosen by the rules that [`load_state_dict`](crate::load_state_dict) states.
    ///
    /// # Errors
    /// No dict qualifies, or several do.
    ///
    /// ```
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/wrapped_state_dict.pt")?;
    /// assert!(checkpoint.state_dict()?.keys().eq(["fc.weight", "fc.bias"]));
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    pub fn state_dict(&self) -> Result<StateDict, Error> {
        self.state_dict_at(None).map_err(|e| self.in_path(e))
    }

    /// The state dict at a dotted path, or chosen below it; see [`LoadOptions::key`](crate::LoadOptions::key).
    pub(crate) fn state_dict_at(&self, key: Option<&str>) -> Result<StateDict, Error> {
        let program = self.program();
        let root = self.require(key.unwrap_or_default())?;
        let node = choose(program, root, key.is_some(), self.limits())?;
        let Meant::Dict(entries) = program.meant(node) else { return self.module_dict(node) };
        let is_tensor = |(_, value): &(NodeId, NodeId)| program.tensor(*value).is_some();
        let others = entries.iter().filter(|entry| !is_tensor(entry));
        let others = others.map(|(key, value)| (key_text(program, key).into_owned(), value)).collect();
        let tensors = entries.iter().filter(is_tensor).map(|(key, value)| (key_text(program, key), value));
        // Different keys may become one text: lone surrogates, Python 2 byte strings, numbers.
        let graph = program.graph();
        if !graph.has_surrogates() && entries.iter().all(|(key, _)| graph.as_str(key).is_some()) {
            return Ok(StateDict::from_dict(tensors, others, node, self.clone()));
        }
        StateDict::new(tensors, others, node, self.clone())
    }

    fn module_dict(&self, node: NodeId) -> Result<StateDict, Error> {
        let program = self.program();
        let (mut tensors, mut others) = (Vec::new(), Vec::new());
        for entry in program.module_entries(node, self.limits(), key_text)? {
            let kind = if program.tensor(entry.value).is_some() { &mut tensors } else { &mut others };
            kind.push((entry.name, entry.value));
        }
        if tensors.is_empty()
            && let Some((path, _)) = self.tensors_below(node)?.into_iter().next()
        {
            // Quantised modules pack their weights.
            return Err(Error::caller(format!(
                "the module has tensors (`{}` is the first), but none as a parameter or buffer; take them with `LoadOptions::flatten()`, or walk them with `LoadOptions::open`",
                Shown(&path.join("."))
            )));
        }
        if tensors.is_empty()
            && node == self.root().node()
            && let Some((path, _)) = self.all_tensors()?.into_iter().next()
        {
            // `torch.jit.freeze` turns weights into constants.
            return Err(Error::caller(format!(
                "the module has no parameters: the tensors of this archive (`{}` is the first) are constants of its code, as in a frozen module; take them with `LoadOptions::flatten()`, or walk them with `Checkpoint::constants`",
                Shown(&path.join("."))
            )));
        }
        StateDict::new(tensors.into_iter(), others, node, self.clone())
    }

    /// Every tensor under its dotted path; see [`LoadOptions::flatten`](crate::LoadOptions::flatten).
    pub(crate) fn flattened(&self, key: Option<&str>) -> Result<StateDict, Error> {
        let node = self.require(key.unwrap_or_default())?;
        let tensors = if key.is_some() { self.tensors_below(node)? } else { self.all_tensors()? };
        let entries = tensors.into_iter().map(|(path, tensor)| (path.join("."), tensor));
        StateDict::new(entries, Vec::new(), node, self.clone())
    }
}
