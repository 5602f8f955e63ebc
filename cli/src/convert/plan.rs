//! Decides, before anything is read, which tensors are written, as what, and in which file.

use std::collections::{BTreeMap, HashMap};

use torch_checkpoint::{Checkpoint, DType, Format, LoadOptions, StateDict, Tensor};

use super::args::{Convert, Tied};
use super::kinds::{self, Form};
use super::names::Names;
use super::{bare, refused, ties, values};
use crate::failure::Failure;
use crate::remedies::said;
use crate::text::{clean, plural};

/// Names that a message lists.
const LISTED: usize = 3;

/// Everything that is to be written.
pub(super) struct Plan {
    pub(super) format: Format,
    /// In the order of the file.
    pub(super) tensors: Vec<Planned>,
    /// The texts of the header, besides the tensors.
    pub(super) metadata: BTreeMap<String, String>,
    /// Tied tensors that are not written, and the name of the one that is.
    pub(super) tied: Vec<(String, String)>,
    /// Entries of the state dict that are no tensors.
    pub(super) others: Vec<String>,
}

/// One tensor to write.
pub(super) struct Planned {
    /// The name in the checkpoint.
    pub(super) from: String,
    /// The name that it is written under.
    pub(super) name: String,
    /// The dtype in the checkpoint.
    pub(super) stored: DType,
    pub(super) form: Form,
    /// Taken when it is written, so that what was read of it is freed.
    pub(super) tensor: Option<Tensor>,
}

impl Plan {
    pub(super) fn of(args: &Convert) -> Result<Self, Failure> {
        let dict = state_dict(args)?;
        let names = Names::new(args);
        let selected = || dict.iter().filter(|(name, _)| names.wanted(name));
        let tensors: Vec<&Tensor> = selected().map(|(_, tensor)| tensor).collect();
        if tensors.is_empty() {
            let why =
                if dict.is_empty() { "there are no tensors" } else { "no name is left by --include and --exclude" };
            return Err(refused(args, why));
        }
        let from: Vec<&str> = selected().map(|(name, _)| name).collect();
        let written: Vec<String> = from.iter().map(|name| names.written(name)).collect();
        names_differ(args, &from, &written)?;
        let dropped = untied(args, &from, &tensors)?;
        let forms = forms(args, &from, &tensors)?;

        let checkpoint = dict.checkpoint();
        let mut metadata = texts(checkpoint);
        let name = |place: usize| written.get(place).cloned().unwrap_or_default();
        let mut tied: Vec<(usize, usize)> = dropped.iter().map(|(&place, &kept)| (place, kept)).collect();
        tied.sort_unstable();
        let tied: Vec<(String, String)> = tied.into_iter().map(|(place, kept)| (name(place), name(kept))).collect();
        for (name, kept) in &tied {
            // As Python's safetensors notes it.
            metadata.entry(name.clone()).or_insert_with(|| kept.clone());
        }
        if args.metadata {
            metadata.insert("checkpoint".to_owned(), values::json(checkpoint)?);
        }
        let others = dict.others().map(|(name, _)| name.to_owned()).filter(|name| names.wanted(name)).collect();
        let planned = from.iter().zip(&written).zip(forms).zip(&tensors).enumerate();
        let tensors = planned.filter(|(place, _)| !dropped.contains_key(place));
        let tensors = tensors.map(|(_, (((from, name), form), tensor))| Planned {
            from: (*from).to_owned(),
            name: name.clone(),
            stored: tensor.dtype(),
            form,
            tensor: Some((*tensor).clone()),
        });
        // With the dict goes the checkpoint: only the tensors that are to be written keep files open.
        Ok(Self { format: checkpoint.format(), tensors: tensors.collect(), metadata, tied, others })
    }

    /// The tensors of each file: places in the list, each file's in the order in which safetensors has its data (the
    /// widest dtypes first, then by name). In their order, as many go into a file as fit.
    pub(super) fn files(&self, max_shard_size: Option<u64>) -> Vec<Vec<usize>> {
        let most = max_shard_size.map_or(usize::MAX, |size| usize::try_from(size).unwrap_or(usize::MAX));
        let (mut files, mut file, mut size) = (Vec::new(), Vec::new(), 0_usize);
        for (place, tensor) in self.tensors.iter().enumerate() {
            let grown = size.saturating_add(tensor.form.nbytes);
            size = if grown > most && !file.is_empty() {
                files.push(std::mem::take(&mut file));
                tensor.form.nbytes
            } else {
                grown
            };
            file.push(place);
        }
        files.push(file);
        let key = |&place: &usize| {
            self.tensors.get(place).map(|planned| (std::cmp::Reverse(planned.form.dtype), planned.name.as_str()))
        };
        files.iter_mut().for_each(|file| file.sort_by(|a, b| key(a).cmp(&key(b))));
        files
    }

    /// The bytes of all tensors.
    pub(super) fn nbytes(&self) -> u64 {
        let sizes = self.tensors.iter().map(|planned| u64::try_from(planned.form.nbytes).unwrap_or(u64::MAX));
        sizes.fold(0, u64::saturating_add)
    }
}

fn state_dict(args: &Convert) -> Result<StateDict, Failure> {
    let mut options = LoadOptions::new();
    if let Some(key) = &args.key {
        options = options.key(key);
    }
    if args.flatten {
        options = options.flatten();
    }
    options.load_state_dict(&args.input).map_err(|error| bare(said(&error)))
}

/// The texts of a safetensors file's own header, and that the tensors are torch's, which Hugging Face's libraries ask for.
fn texts(checkpoint: &Checkpoint) -> BTreeMap<String, String> {
    let header = checkpoint.root().attributes().filter(|(key, _)| key.as_str() == Some("__metadata__"));
    let texts = header.flat_map(|(_, texts)| texts.entries());
    let texts = texts.filter_map(|(key, text)| Some((key.to_text()?.into_owned(), text.to_text()?.into_owned())));
    let mut metadata: BTreeMap<String, String> =
        if checkpoint.format() == Format::Safetensors { texts.collect() } else { BTreeMap::new() };
    metadata.entry("format".to_owned()).or_insert_with(|| "pt".to_owned());
    metadata
}

fn names_differ(args: &Convert, from: &[&str], written: &[String]) -> Result<(), Failure> {
    let mut met: HashMap<&str, &str> = HashMap::with_capacity(written.len());
    for (from, name) in from.iter().zip(written) {
        if name == "__metadata__" {
            return Err(refused(args, &format!("tensor `{from}`: safetensors keeps the name `{name}` for itself")));
        }
        if let Some(other) = met.insert(name, from) {
            return Err(refused(args, &format!("`{other}` and `{from}` would both be written as `{name}`")));
        }
    }
    Ok(())
}

/// The places of the tensors that are not written because another stands for them, with the place of that one.
fn untied(args: &Convert, from: &[&str], tensors: &[&Tensor]) -> Result<HashMap<usize, usize>, Failure> {
    let groups = ties::groups(tensors);
    match args.tied {
        _ if groups.is_empty() => Ok(HashMap::new()),
        Some(Tied::Clone) => Ok(HashMap::new()),
        Some(Tied::First) => Ok(groups.iter().flat_map(|group| ties::repeated(group, tensors)).collect()),
        None => {
            let names = |group: &Vec<usize>| -> Vec<&str> {
                group.iter().filter_map(|&place| from.get(place).copied()).collect()
            };
            let group = |group: &Vec<usize>| listed(&names(group), " = ");
            let more = groups.len().saturating_sub(LISTED);
            let more = if more > 0 { format!(", and {} more", plural(more, "group")) } else { String::new() };
            let groups: Vec<String> = groups.iter().take(LISTED).map(group).collect();
            Err(refused(
                args,
                &format!(
                    "tensors share memory ({}{more}), which safetensors cannot express; `--tied first` writes the first of those that are the same, `--tied clone` writes each in full",
                    groups.join("; ")
                ),
            ))
        }
    }
}

/// The forms of all tensors; an error names those that cannot be written for the first reason there is.
fn forms(args: &Convert, from: &[&str], tensors: &[&Tensor]) -> Result<Vec<Form>, Failure> {
    let forms = tensors.iter().map(|tensor| kinds::form(tensor, args));
    let mut found = Vec::with_capacity(tensors.len());
    let mut wrong: Vec<&str> = Vec::new();
    let mut reason = None;
    for (name, form) in from.iter().zip(forms) {
        match form {
            Ok(form) => found.push(form),
            Err(why) if reason.as_ref().is_none_or(|first| *first == why) => {
                wrong.push(name);
                reason = Some(why);
            }
            Err(_) => {}
        }
    }
    let Some(reason) = reason else { return Ok(found) };
    let tensors = if wrong.len() == 1 { "tensor" } else { "tensors" };
    let names = listed(&wrong, ", ");
    Err(refused(args, &format!("{tensors} {names}: {reason} (--exclude leaves tensors out)")))
}

/// The first few names.
fn listed(names: &[&str], separator: &str) -> String {
    let more = names.len().saturating_sub(LISTED);
    let mut listed: Vec<String> = names.iter().take(LISTED).map(|name| format!("`{}`", clean(name))).collect();
    if more > 0 {
        listed.push(format!("{more} more"));
    }
    listed.join(separator)
}
