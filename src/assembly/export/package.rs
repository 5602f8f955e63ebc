//! The form since torch 2.7 (`torch/export/pt2_archive/_package.py`): records with the bytes of storages, and JSON that
//! says for each name which part of which record it is. One package may hold several programs.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::files::add_saved;
use super::mapping::Mapping;
use crate::assembly::archive_storages::ArchiveStorages;
use crate::assembly::gathering::Gathering;
use crate::assembly::{Assembly, Opening, of_source};
use crate::container::{Archive, ExportedTensor, Payload, payload_config};
use crate::error::{Error, ErrorKind, Shown};
use crate::format::Format;
use crate::pickle::graph::NodeId;
use crate::source::RecordId;
use crate::tensor::{DType, Geometry};

/// The version of the package's form that torch reads.
const VERSION: &str = "0";
/// The number of `Layout.Strided` in `torch/_export/serde/schema.py`.
const STRIDED: i64 = 7;

pub(in crate::assembly) fn assemble(archive: Arc<Archive>, opening: Opening<'_>) -> Result<Assembly, Error> {
    // That of the zip archive's layout, which is the same for packages of all versions.
    archive.version()?;
    check_form(&archive)?;
    let mut gathering = Gathering::new(opening);
    let byte_order = archive.byte_order()?;
    let store = gathering.add_store(ArchiveStorages::export(Arc::clone(&archive), byte_order));
    let mut package = Package {
        archive: &archive,
        gathering,
        opening,
        store,
        part: None,
        storages: HashMap::new(),
        globals: HashMap::new(),
        locations: HashMap::new(),
    };
    let mut models = Vec::new();
    let mut known = HashSet::new();
    for name in archive.paths().filter_map(|(path, _)| program_name(path)) {
        if known.insert(name) {
            models.push((name.to_owned(), package.program(name)?));
        }
    }
    package.add_compiled(&mut models)?;
    let root = package.root(&models)?;
    let assembly = package.gathering.finish(root, Format::Export, 0, archive.consumed());
    Ok(Assembly { writer: Some("torch 2.7 or later"), ..assembly })
}

fn check_form(archive: &Archive) -> Result<(), Error> {
    let format = archive.word("archive_format")?.unwrap_or_default();
    if format != "pt2" {
        return Err(Error::unsupported(format!(
            "the archive says that its format is `{}`; this crate knows `pt2` of torch.export",
            Shown(&format)
        )));
    }
    match archive.word("archive_version")? {
        Some(version) if version != VERSION => Err(Error::unsupported(format!(
            "the package has version {}; this crate reads {VERSION}, as torch does",
            Shown(&version)
        ))),
        _ => Ok(()),
    }
}

/// The name of the program that a record belongs to.
fn program_name(path: &str) -> Option<&str> {
    let model = path.strip_prefix("models/").and_then(|name| name.strip_suffix(".json"));
    model.or_else(|| path.strip_prefix("data/weights/")?.strip_suffix("_weights_config.json"))
}

/// A package whose weights become a graph.
pub(super) struct Package<'a> {
    pub(super) archive: &'a Archive,
    pub(super) gathering: Gathering,
    pub(super) opening: Opening<'a>,
    store: usize,
    /// The config whose part the graph's last nodes belong to.
    part: Option<RecordId>,
    /// The reference to each record that is a storage.
    storages: HashMap<RecordId, NodeId>,
    globals: HashMap<(&'static str, &'static str), NodeId>,
    locations: HashMap<String, NodeId>,
}

impl Package<'_> {
    /// The weights, then the constants of a program.
    fn program(&mut self, name: &str) -> Result<NodeId, Error> {
        let mut mapping = Mapping::default();
        for kind in ["weights", "constants"] {
            // torch 2.7 and 2.8 had a whole file of `torch.save` here.
            if let Some(saved) = self.archive.find(&format!("data/{kind}/{name}.pt")) {
                add_saved(&mut self.gathering, &mut mapping, self.archive, saved, self.opening)?;
                self.part = None;
                continue;
            }
            let config = self.archive.require(&format!("data/{kind}/{name}_{kind}_config.json"))?;
            let config_name = self.archive.name(config);
            let json = self.archive.json(config)?;
            for (name, payload) in payload_config(&json).map_err(|e| e.in_record(config_name))? {
                let located = |error: Error| error.in_record(config_name).in_tensor(&name);
                let value = self.payload(kind, config, &payload).map_err(located)?;
                mapping.add(&mut self.gathering.composer, &name, value).map_err(located)?;
            }
        }
        mapping.finish(&mut self.gathering.composer)
    }

    /// One program is the root itself, several are a mapping of their names.
    fn root(&mut self, models: &[(String, NodeId)]) -> Result<NodeId, Error> {
        match models {
            [] => Err(Error::unsupported(
                "the package has no weights by name: it holds compiled models (AOTInductor), which keep theirs in their code, or none",
            )),
            [(_, only)] => Ok(*only),
            several => {
                let composer = &mut self.gathering.composer;
                let entries = several.iter().map(|(name, model)| Ok((composer.text(name)?, *model)));
                let entries = entries.collect::<Result<Vec<_>, Error>>()?;
                composer.dict(&entries)
            }
        }
    }

    fn payload(&mut self, kind: &str, config: RecordId, payload: &Payload) -> Result<NodeId, Error> {
        let key = &payload.path_name;
        let record = self.record(kind, key)?;
        if payload.use_pickle {
            return self.pickled(record, key);
        }
        let Some(tensor) = &payload.tensor else {
            return Err(Error::malformed("it is described neither as a tensor nor as a pickled object"));
        };
        if self.part != Some(config) {
            self.gathering.begin(self.store, self.archive.name(config));
            self.part = Some(config);
        }
        let data = self.tensor(&format!("{kind}/{key}"), record, tensor, payload.is_param)?;
        if !payload.is_param {
            return Ok(data);
        }
        let function = self.global("torch._utils", "_rebuild_parameter")?;
        self.gathering.composer.call(function, &[data, NodeId::bool(tensor.requires_grad), NodeId::NONE])
    }

    /// A record of weights or constants, by its name in their folder.
    pub(super) fn record(&self, kind: &str, key: &str) -> Result<RecordId, Error> {
        let folder = self.archive.path_of(&format!("data/{kind}/"));
        let found = self.archive.storage(&folder, key).map_err(|_| {
            Error::malformed(format!("its record is named `{}`, which is no plain file name", Shown(key)))
        })?;
        found.ok_or_else(|| Error::malformed(format!("its record `data/{kind}/{}` is missing", Shown(key))))
    }

    /// A call that rebuilds the tensor, as torch pickles tensors of any dtype: a view of untyped bytes.
    fn tensor(
        &mut self,
        key: &str,
        record: RecordId,
        tensor: &ExportedTensor,
        is_param: bool,
    ) -> Result<NodeId, Error> {
        if tensor.declared_layout != STRIDED {
            let layout = tensor.declared_layout;
            return Err(Error::unsupported(format!(
                "its layout has the number {layout} in torch.export; only strided tensors ({STRIDED}) are stored as bytes"
            )));
        }
        let dtype = DType::from_export_code(tensor.declared_dtype).ok_or_else(|| {
            let dtype = tensor.declared_dtype;
            Error::unsupported(format!(
                "its dtype has the number {dtype} in torch.export, which this crate does not know"
            ))
        })?;
        let (sizes, strides) = (tensor.declared_sizes()?, tensor.declared_strides()?);
        let offset = tensor.declared_offset()?;
        let has_data = self.check_view(record, dtype, &sizes, &strides, offset)?;
        let grad = NodeId::bool(tensor.requires_grad && !is_param);
        let dtype = self.global("torch", dtype.name())?;
        let composer = &mut self.gathering.composer;
        let (sizes, strides, offset) = (composer.ints(&sizes)?, composer.ints(&strides)?, composer.int(offset)?);
        if !has_data {
            let function = self.global("torch._utils", "_rebuild_meta_tensor_no_storage")?;
            return self.gathering.composer.call(function, &[dtype, sizes, strides, grad]);
        }
        let storage = self.storage(key, record, tensor)?;
        let function = self.global("torch._utils", "_rebuild_tensor_v3")?;
        let args = [storage, offset, sizes, strides, grad, NodeId::NONE, dtype];
        self.gathering.composer.call(function, &args)
    }

    /// Checks a view against its record; whether it has data. A program that was exported from fake tensors has shapes,
    /// and records without bytes.
    fn check_view(
        &self,
        record: RecordId,
        dtype: DType,
        sizes: &[i64],
        strides: &[i64],
        offset: i64,
    ) -> Result<bool, Error> {
        let name = self.archive.name(record);
        let nbytes = self.archive.record_len(record);
        let itemsize = u64::try_from(dtype.itemsize()).unwrap_or(1);
        let (elements, rest) = (nbytes.checked_div(itemsize).unwrap_or(0), nbytes.checked_rem(itemsize).unwrap_or(0));
        if rest != 0 {
            return Err(Error::malformed(format!(
                "the record has {nbytes} bytes, which is no whole number of elements of dtype {dtype}"
            ))
            .in_record(name));
        }
        let room = if nbytes == 0 { u64::MAX } else { elements };
        let geometry = Geometry::check(sizes, strides, offset, room, self.opening.limits);
        let numel = geometry.map_err(|e| e.in_record(name))?.numel();
        Ok(nbytes > 0 || numel == 0)
    }

    /// The reference to a record that is a storage, one for all its views.
    fn storage(&mut self, key: &str, record: RecordId, tensor: &ExportedTensor) -> Result<NodeId, Error> {
        if let Some(&storage) = self.storages.get(&record) {
            return Ok(storage);
        }
        let class = self.global("torch.storage", "UntypedStorage")?;
        let location = tensor.location();
        let composer = &mut self.gathering.composer;
        let nbytes = i64::try_from(self.archive.record_len(record)).unwrap_or(i64::MAX);
        let location = match self.locations.get(&location) {
            Some(&known) => known,
            None => {
                let node = composer.text(&location)?;
                self.locations.insert(location, node);
                node
            }
        };
        let id = [composer.text("storage")?, class, composer.text(key)?, location, composer.int(nbytes)?];
        let id = composer.tuple(&id)?;
        let storage = composer.persistent(id)?;
        self.storages.insert(record, storage);
        Ok(storage)
    }

    /// What a record holds as a file of its own: a tensor of a subclass, or an object that is no tensor.
    fn pickled(&mut self, record: RecordId, key: &str) -> Result<NodeId, Error> {
        let name = self.archive.name(record);
        let is_script = key.starts_with("custom_obj_");
        self.part = None;
        let opened = of_source(self.archive.source(record)?, self.opening.inner()?).map_err(|e| e.inside(name));
        let content = match opened {
            Ok(assembly) => self.gathering.add(assembly, name)?,
            // Not a weight; that it is there is said all the same.
            Err(error)
                if (is_script || key.starts_with("opaque_obj_"))
                    && matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::NotACheckpoint) =>
            {
                self.gathering.composer.text(name)?
            }
            Err(error) => return Err(error),
        };
        if !is_script {
            return Ok(content);
        }
        // An object of C++ code, which is no module of its own.
        let class = self.global("torch._C", "ScriptObject")?;
        self.gathering.composer.call(class, &[content])
    }

    /// A name that means what it means in a pickle.
    pub(super) fn global(&mut self, module: &'static str, name: &'static str) -> Result<NodeId, Error> {
        if let Some(&known) = self.globals.get(&(module, name)) {
            return Ok(known);
        }
        let node = self.gathering.composer.made_global(module, name)?;
        self.globals.insert((module, name), node);
        Ok(node)
    }
}
