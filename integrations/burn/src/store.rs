//! The store: names and options, and the doors that burn-store asks for.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use burn_store::burn_pack::Tensor as Entry;
use burn_store::{
    ApplyResult, KeyRemapper, ModuleAdapter, ModuleSnapshot, ModuleStore, PathFilter, PyTorchToBurnAdapter,
    map_indices_contiguous_except,
};
use torch_checkpoint::{Tensor, load_state_dict};

use crate::entry::entry;
use crate::error::Error;

/// Named tensors of a PyTorch checkpoint, for burn's [`ModuleSnapshot::load_from`].
///
/// Its options are those of burn-store's `PytorchStore`, with the same defaults. Nothing is read before a module asks for
/// it, and then tensor by tensor.
///
/// ```
/// use burn::module::Module;
/// use burn::nn::{BatchNorm, BatchNormConfig, conv::{Conv2d, Conv2dConfig}};
/// use burn::store::{ModuleSnapshot, PathFilter};
/// use torch_checkpoint_burn::TorchCheckpointStore;
///
/// #[derive(Module, Debug)]
/// struct Block { conv: Conv2d, norm: BatchNorm }
///
/// # let path = "../../fixtures/zip/torch-2.15/trained_cnn_cuda.pt";
/// let device = Default::default();
/// let conv = Conv2dConfig::new([1, 4], [3, 3]).with_bias(false).init(&device);
/// let mut block = Block { conv, norm: BatchNormConfig::new(4).init(&device) };
///
/// let mut store = TorchCheckpointStore::from_file(path)?        // saved on cuda:0 and cuda:1
///     .with_key_remapping(r"^conv1\.", "conv.")?
///     .with_key_remapping(r"^bn1\.", "norm.")?;                 // weight and bias are burn's gamma and beta
/// let result = block.load_from(&mut store)?;
/// assert_eq!(result.applied.len(), 5);
/// assert!(result.unused.contains(&"head.1.weight".to_owned())); // the rest of the checkpoint's network
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TorchCheckpointStore {
    tensors: Vec<(String, Tensor)>,
    filter: PathFilter,
    remapper: KeyRemapper,
    adapter: Box<dyn ModuleAdapter>,
    validate: bool,
    allow_partial: bool,
    skip_enum_variants: bool,
    map_indices_contiguous: bool,
    keep_indices: PathFilter,
    zero_copy: bool,
    /// Under burn's names; made when first asked for.
    entries: Option<BTreeMap<String, Entry>>,
}

impl TorchCheckpointStore {
    /// The weights in a file or folder that PyTorch saved, whatever the container, found by the rules of
    /// [`load_state_dict`]. Where they were saved does not matter: burn puts each on the device of its parameter.
    ///
    /// # Errors
    /// As [`load_state_dict`].
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, torch_checkpoint::Error> {
        load_state_dict(path, "cpu").map(Self::new)
    }

    /// A [`StateDict`](torch_checkpoint::StateDict), or any other tensors with names:
    /// [`LoadOptions`](torch_checkpoint::LoadOptions) takes `ema` instead of `model`, limits and so on,
    /// [`unpack_attention`](crate::unpack_attention) renames.
    ///
    /// ```
    /// # let path = "../../fixtures/integrations/burn/network_cuda.pt";
    /// let weights = torch_checkpoint::LoadOptions::new().map_location("cpu").key("model").load_state_dict(path)?;
    /// let store = torch_checkpoint_burn::TorchCheckpointStore::new(weights);
    /// # let _ = store;
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    pub fn new(tensors: impl IntoIterator<Item = (String, Tensor)>) -> Self {
        Self {
            tensors: tensors.into_iter().collect(),
            filter: PathFilter::new(),
            remapper: KeyRemapper::new(),
            adapter: Box::new(PyTorchToBurnAdapter),
            validate: true,
            allow_partial: false,
            skip_enum_variants: true,
            map_indices_contiguous: true,
            keep_indices: PathFilter::new(),
            zero_copy: false,
            entries: None,
        }
    }

    /// Which parameters of the module are loaded. Default: all.
    #[must_use]
    pub fn filter(mut self, filter: PathFilter) -> Self {
        self.filter = filter;
        self
    }

    /// How the names of the checkpoint become those of the module, before any index is changed.
    #[must_use]
    pub fn remap(mut self, remapper: KeyRemapper) -> Self {
        (self.remapper, self.entries) = (remapper, None);
        self
    }

    /// Replaces what the regular expression `from` finds in a name by `to`, in which `$1` is its first group. Patterns
    /// apply in the order in which they were given.
    ///
    /// # Errors
    /// [`Error::Pattern`].
    pub fn with_key_remapping(mut self, from: impl AsRef<str>, to: impl Into<String>) -> Result<Self, Error> {
        let from = from.as_ref();
        let bad = |reason: String| Error::Pattern { pattern: from.to_owned(), reason };
        self.remapper = self.remapper.add_pattern(from, to).map_err(|error| bad(error.to_string()))?;
        self.entries = None;
        Ok(self)
    }

    /// What else is done to each tensor once burn-store's [`PyTorchToBurnAdapter`] has given it burn's form. A
    /// [`FloatCastAdapter`](burn_store::FloatCastAdapter) loads a checkpoint of one precision into a module of another:
    /// without it, parameters take the precision of the file.
    #[must_use]
    pub fn then_adapter(mut self, adapter: impl ModuleAdapter + 'static) -> Self {
        self.adapter = Box::new(PyTorchToBurnAdapter.chain(adapter));
        self
    }

    /// Whether a tensor that does not fit is an error, rather than an entry in [`ApplyResult::errors`]. Default true.
    #[must_use]
    pub fn validate(mut self, validate: bool) -> Self {
        self.validate = validate;
        self
    }

    /// Whether parameters without a tensor keep their values, rather than being an error. Default false.
    #[must_use]
    pub fn allow_partial(mut self, allow: bool) -> Self {
        self.allow_partial = allow;
        self
    }

    /// Whether a variant of an enum in the module has no part in names, as in PyTorch. Default true.
    #[must_use]
    pub fn skip_enum_variants(mut self, skip: bool) -> Self {
        self.skip_enum_variants = skip;
        self
    }

    /// Whether the numbers in names are counted anew: of an `nn.Sequential` with tensors at 0 and 2 (there is a ReLU
    /// between them) a `Vec` in burn has 0 and 1. Default true.
    #[must_use]
    pub fn map_indices_contiguous(mut self, map: bool) -> Self {
        (self.map_indices_contiguous, self.entries) = (map, None);
        self
    }

    /// Lists whose numbers stay as they are, by the part of the name in front of the number.
    #[must_use]
    pub fn keep_indices(mut self, lists: PathFilter) -> Self {
        (self.keep_indices, self.entries) = (lists, None);
        self
    }

    /// Whether burn gets the bytes of the mapped file instead of a copy, where they lie there as burn needs them. A
    /// backend on the CPU then computes from the page cache; the file must not change as long as the module lives.
    /// Default false.
    #[must_use]
    pub fn zero_copy(mut self, zero_copy: bool) -> Self {
        (self.zero_copy, self.entries) = (zero_copy, None);
        self
    }

    fn entries(&mut self) -> Result<&BTreeMap<String, Entry>, Error> {
        let entries = match self.entries.take() {
            Some(entries) => entries,
            None => self.named()?,
        };
        Ok(self.entries.insert(entries))
    }

    /// burn-store's own renaming. Where it would leave one of two tensors out, this is an error.
    fn named(&self) -> Result<BTreeMap<String, Entry>, Error> {
        let entries = self.tensors.iter().map(|(name, tensor)| entry(name, tensor, self.zero_copy)).collect();
        let (mut entries, _) = self.remapper.remap(entries);
        if self.map_indices_contiguous {
            (entries, _) = map_indices_contiguous_except(entries, |list| self.keep_indices.matches(list));
        }
        let mut named: BTreeMap<String, (Entry, &str)> = BTreeMap::new();
        for (entry, (was, _)) in entries.into_iter().zip(&self.tensors) {
            let name = entry.name.clone();
            if let Some((_, other)) = named.insert(name.clone(), (entry, was)) {
                return Err(Error::SameName { name, were: [other.to_owned(), was.clone()] });
            }
        }
        Ok(named.into_iter().map(|(name, (entry, _))| (name, entry)).collect())
    }
}

impl ModuleStore for TorchCheckpointStore {
    type Error = Error;

    /// There is no writing: [`Error::ReadOnly`].
    fn collect_from<M: ModuleSnapshot>(&mut self, _module: &M) -> Result<(), Error> {
        Err(Error::ReadOnly)
    }

    /// As burn-store's own stores do, this changes the module first and reports then.
    fn apply_to<M: ModuleSnapshot>(&mut self, module: &mut M) -> Result<ApplyResult, Error> {
        let entries = self.entries()?.values().cloned().collect();
        let filter = (!self.filter.is_empty()).then(|| self.filter.clone());
        let result = module.apply(entries, filter, Some(self.adapter.clone()), self.skip_enum_variants);
        if self.validate && !result.errors.is_empty() {
            return Err(Error::Unfit(Box::new(result)));
        }
        if !self.allow_partial && !result.missing.is_empty() {
            return Err(Error::Missing(Box::new(result)));
        }
        Ok(result)
    }

    fn get_tensor(&mut self, name: &str) -> Result<Option<&Entry>, Error> {
        Ok(self.entries()?.get(name))
    }

    fn get_all_tensors(&mut self) -> Result<&BTreeMap<String, Entry>, Error> {
        self.entries()
    }

    fn keys(&mut self) -> Result<Vec<String>, Error> {
        Ok(self.entries()?.keys().cloned().collect())
    }
}

impl fmt::Debug for TorchCheckpointStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TorchCheckpointStore").field("tensors", &self.tensors).finish_non_exhaustive()
    }
}
