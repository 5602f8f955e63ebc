//! The front door: drives the stages from a path to a [`StateDict`].

use std::io::Read;
use std::path::Path;

use crate::assembly::{self, Assembly, Opening};
use crate::checkpoint::{Checkpoint, Inner};
use crate::device::{Device, MapLocation};
use crate::error::{Error, Shown};
use crate::limits::Limits;
use crate::source::{Backing, Source};
use crate::state_dict::StateDict;
use crate::torch::Program;

/// Loads the named tensors of a checkpoint, with every storage on the device that `map_location` says.
///
/// Which dict is it? A *candidate* is a whole `nn.Module`, or a mapping with text keys that directly holds at least one
/// tensor. The state dict is
/// 1. the root, if it is a module;
/// 2. the root, if it is a candidate and none of its children is;
/// 3. the only candidate child, if the root holds no tensor itself;
/// 4. the candidate child under `state_dict` or `model_state_dict`, if it is the only candidate child.
/// 5. Otherwise it is an error that lists the candidates; choose with [`LoadOptions::key`], or take every tensor with
///    [`LoadOptions::flatten`].
///
/// `path` may be a folder: one of Hugging Face shards with their index (or the index itself), a distributed checkpoint
/// (`torch.distributed.checkpoint`), or one in which exactly one file is a checkpoint. Several files then are one state
/// dict; what is not clear is an error that says what the folder holds.
///
/// # Errors
/// The file cannot be read, is no checkpoint, is damaged, or holds no state dict or several; see
/// [`ErrorKind`](crate::ErrorKind).
///
/// ```
/// // Saved on two GPUs; every `cuda:N` tag now says cpu.
/// let weights = torch_checkpoint::load_state_dict("fixtures/zip/torch-2.15/trained_cnn_cuda.pt", "cpu")?;
/// for (name, tensor) in &weights {
///     println!("{name}: {} {:?} on {}, saved on {}", tensor.dtype(), tensor.shape(), tensor.device(), tensor.location());
/// }
///
/// // Two shards and their index; and what two ranks saved of the same tensors, put together.
/// let shards = torch_checkpoint::load_state_dict("fixtures/sharded/two_shards", "cpu")?;
/// let ranks = torch_checkpoint::LoadOptions::new().flatten().load_state_dict("fixtures/distributed/torch-2.15/two_ranks")?;
/// let rows = ranks["model.rows"].narrow(0, 3, 2)?.to_vec::<f32>()?; // reads no more than the second rank's file
/// # assert_eq!((shards.len(), rows.len()), (7, 6));
/// # Ok::<(), torch_checkpoint::Error>(())
/// ```
pub fn load_state_dict<'a>(
    path: impl AsRef<Path>,
    map_location: impl Into<MapLocation<'a>>,
) -> Result<StateDict, Error> {
    LoadOptions::new().map_location(map_location).load_state_dict(path)
}

/// How to load a checkpoint.
///
/// ```
/// use torch_checkpoint::{Backing, Device, LoadOptions};
///
/// let weights = LoadOptions::new()
///     .map_location("cpu")
///     .key("model")
///     .backing(Backing::Owned)
///     .verify_checksums(true)
///     .available([Device::Cpu])
///     .load_state_dict("fixtures/zip/torch-2.15/training_checkpoint.pt")?;
/// assert!(!weights.is_empty());
/// # Ok::<(), torch_checkpoint::Error>(())
/// ```
#[derive(Debug)]
#[must_use]
pub struct LoadOptions<'a> {
    map_location: MapLocation<'a>,
    key: Option<String>,
    flatten: bool,
    backing: Backing,
    limits: Limits,
    verify_checksums: bool,
    available: Option<Vec<Device>>,
    offset: u64,
}

impl Default for LoadOptions<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> LoadOptions<'a> {
    /// Every storage keeps its tag, the file is memory-mapped, checksums are verified for `data.pkl` only.
    ///
    /// ```
    /// use torch_checkpoint::LoadOptions;
    /// let weights = LoadOptions::new().load_state_dict("fixtures/zip/torch-2.15/trained_cnn_cuda.pt")?;
    /// assert_eq!(weights["head.1.bias"].device().to_string(), "cuda:1");
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    pub fn new() -> Self {
        Self {
            map_location: MapLocation::Keep,
            key: None,
            flatten: false,
            backing: Backing::Mapped,
            limits: Limits::default(),
            verify_checksums: false,
            available: None,
            offset: 0,
        }
    }

    /// Where the storages go; see [`MapLocation`].
    ///
    /// ```
    /// use torch_checkpoint::LoadOptions;
    /// let mut options = LoadOptions::new().map_location([("cuda:1", "cuda:0")]);
    /// let weights = options.load_state_dict("fixtures/zip/torch-2.15/trained_cnn_cuda.pt")?;
    /// assert_eq!(weights["head.1.bias"].device().to_string(), "cuda:0");
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    pub fn map_location(mut self, map_location: impl Into<MapLocation<'a>>) -> Self {
        self.map_location = map_location.into();
        self
    }

    /// Takes the state dict at a dotted path (`"model"`, `"ema.0"`), or the one that the rules of [`load_state_dict`]
    /// choose below it. A dict named so is taken if it holds a tensor, whatever else it holds; `""` names the root.
    ///
    /// ```
    /// use torch_checkpoint::LoadOptions;
    /// let path = "fixtures/zip/torch-2.15/model_and_ema.pt"; // two dicts: one has to be named
    /// let ema = LoadOptions::new().key("ema").load_state_dict(path)?;
    /// assert!(ema.contains_key("fc.weight"));
    /// assert!(LoadOptions::new().load_state_dict(path).is_err());
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Takes every tensor of the file (or below [`key`](Self::key)) under its dotted path instead of choosing a dict.
    ///
    /// ```
    /// use torch_checkpoint::LoadOptions;
    /// let all = LoadOptions::new().flatten().load_state_dict("fixtures/zip/torch-2.15/training_checkpoint.pt")?;
    /// assert!(all.contains_key("model.conv1.weight") && all.contains_key("optimizer.state.0.exp_avg"));
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    pub fn flatten(mut self) -> Self {
        self.flatten = true;
        self
    }

    /// Whether a file is mapped or read into memory. Default [`Backing::Mapped`].
    ///
    /// ```
    /// use torch_checkpoint::{Backing, LoadOptions};
    /// # let path = std::env::temp_dir().join(format!("backing-{}.pt", std::process::id()));
    /// # std::fs::copy("fixtures/zip/torch-2.15/state_dict.pt", &path)?;
    /// let weights = LoadOptions::new().backing(Backing::Owned).load_state_dict(&path)?;
    /// std::fs::write(&path, "something else")?; // does no harm: nothing is read from the file any more
    /// assert_eq!(weights["bn1.num_batches_tracked"].to_vec::<i64>()?, [12]);
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn backing(mut self, backing: Backing) -> Self {
        self.backing = backing;
        self
    }

    /// How much the file may cost.
    ///
    /// ```
    /// use torch_checkpoint::{ErrorKind, Limits, LoadOptions};
    /// let mut limits = Limits::default();
    /// limits.pickle_bytes = 100;
    /// let error = LoadOptions::new().limits(limits).open("fixtures/zip/torch-2.15/state_dict.pt").unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Limit);
    /// ```
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Whether the checksum of a record is verified when its storage is first read. Default off: torch does not, and a
    /// pass over every byte is what mapping saves. `data.pkl` and compressed records are always verified.
    ///
    /// ```
    /// use torch_checkpoint::LoadOptions;
    /// let mut options = LoadOptions::new().verify_checksums(true);
    /// let checkpoint = options.open("fixtures/refused/x_flipped_bit.pt")?; // reads no tensor
    /// let damaged = checkpoint.tensors()?.into_iter().find_map(|entry| entry.tensor().bytes().err());
    /// assert!(damaged.unwrap().message().contains("checksum"));
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    pub fn verify_checksums(mut self, verify: bool) -> Self {
        self.verify_checksums = verify;
        self
    }

    /// States which devices exist. A storage that is mapped to any other is then an error that names the tensor, the tag
    /// and the remedy, as in torch. A device without index (`cuda`) stands for every index. By default nothing is checked.
    ///
    /// ```
    /// use torch_checkpoint::{Device, LoadOptions};
    /// let mut options = LoadOptions::new().available([Device::Cpu]);
    /// let error = options.open("fixtures/zip/torch-2.15/trained_cnn_cuda.pt").unwrap_err();
    /// assert!(error.message().contains("`cuda:0`, which is not available here"));
    /// assert!(options.map_location("cpu").open("fixtures/zip/torch-2.15/trained_cnn_cuda.pt").is_ok());
    /// ```
    pub fn available(mut self, devices: impl IntoIterator<Item = Device>) -> Self {
        self.available = Some(devices.into_iter().collect());
        self
    }

    /// Where in the file (or the bytes, or what the reader gives) the checkpoint begins, in bytes. Default 0. Several
    /// checkpoints may stand one behind the other in a file, or behind something else.
    ///
    /// ```
    /// use torch_checkpoint::LoadOptions;
    ///
    /// let mut file = std::fs::read("fixtures/rewritten/stored_unaligned.pt")?;
    /// file.splice(0..0, *b"13 bytes more");
    /// let checkpoint = LoadOptions::new().offset(13).open_bytes(file)?;
    /// # let _ = checkpoint;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn offset(mut self, bytes: u64) -> Self {
        self.offset = bytes;
        self
    }

    /// Opens the file and takes its state dict.
    ///
    /// # Errors
    /// As [`load_state_dict`].
    ///
    /// ```
    /// use torch_checkpoint::LoadOptions;
    /// let mut options = LoadOptions::new().key("model");
    /// let weights = options.load_state_dict("fixtures/zip/torch-2.15/training_checkpoint.pt")?;
    /// assert_eq!(weights["conv1.weight"].shape(), [4, 1, 3, 3]);
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    pub fn load_state_dict(&mut self, path: impl AsRef<Path>) -> Result<StateDict, Error> {
        let checkpoint = self.open(path)?;
        let (key, flatten) = (self.key.as_deref(), self.flatten);
        let dict = if flatten { checkpoint.flattened(key) } else { checkpoint.state_dict_at(key) };
        dict.map_err(|e| checkpoint.in_path(e))
    }

    /// Opens the file: everything in it, with [`key`](Self::key) and [`flatten`](Self::flatten) left aside. A folder opens as
    /// [`load_state_dict`] says.
    ///
    /// # Errors
    /// The file cannot be read, is no checkpoint, or is damaged.
    ///
    /// ```
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/wrapped_state_dict.pt")?;
    /// assert_eq!(checkpoint.get("best_prec1").unwrap().as_f64(), Some(76.5));
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    pub fn open(&mut self, path: impl AsRef<Path>) -> Result<Checkpoint, Error> {
        let path = path.as_ref();
        let opened = self.map_location.resolve().and_then(|()| {
            let assembly = assembly::of_path(path, self.backing, self.offset, self.opening())?;
            self.load(assembly, Some(path))
        });
        opened.map_err(|e| e.in_path(path))
    }

    /// Opens a checkpoint that is in memory.
    ///
    /// # Errors
    /// The bytes are no checkpoint, or are damaged.
    ///
    /// ```
    /// let bytes: Vec<u8> = std::fs::read("fixtures/zip/torch-2.15/state_dict.pt")?;
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open_bytes(bytes)?;
    /// assert!(!checkpoint.state_dict()?.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open_bytes(&mut self, bytes: impl Into<Source>) -> Result<Checkpoint, Error> {
        self.open_source(bytes.into())
    }

    /// Reads a checkpoint to its end and opens it.
    ///
    /// # Errors
    /// As [`open_bytes`](Self::open_bytes), and what the reader reports.
    ///
    /// ```
    /// let pipe = std::fs::File::open("fixtures/zip/torch-2.15/state_dict.pt")?; // or a socket, or standard input
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open_reader(pipe)?;
    /// assert_eq!(checkpoint.tensors()?.len(), 17);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open_reader(&mut self, reader: impl Read) -> Result<Checkpoint, Error> {
        self.open_source(Source::from_reader(reader)?)
    }

    fn open_source(&mut self, source: Source) -> Result<Checkpoint, Error> {
        self.map_location.resolve()?;
        let source = assembly::from_offset(source, self.offset)?;
        let assembly = assembly::of_source(source, self.opening())?;
        self.load(assembly, None)
    }

    fn opening(&self) -> Opening<'_> {
        Opening { limits: &self.limits, verify_checksums: self.verify_checksums, nesting: Opening::NESTING }
    }

    fn load(&mut self, assembly: Assembly, path: Option<&Path>) -> Result<Checkpoint, Error> {
        let Assembly { graph, stores, records, format, version, writer, consumed, constants } = assembly;
        let program = Program::new(graph, &stores, &mut self.map_location, &self.limits)?;
        self.devices_exist(&program)?;
        Ok(Checkpoint::new(Inner {
            program,
            format,
            version,
            writer,
            consumed,
            constants,
            limits: self.limits.clone(),
            path: path.map(Path::to_owned),
            records,
        }))
    }

    /// torch finds a missing device when it restores the first storage on it; so does this.
    fn devices_exist(&self, program: &Program) -> Result<(), Error> {
        let Some(available) = &self.available else { return Ok(()) };
        for storage in program.storages() {
            let device = storage.device();
            if available.iter().any(|there| there.serves(device)) {
                continue;
            }
            let there: Vec<String> = available.iter().map(Device::to_string).collect();
            let mapped = if storage.location() == device.to_string() {
                String::new()
            } else {
                format!(" (mapped from `{}`)", Shown(storage.location()))
            };
            let error = Error::caller(format!(
                "storage `{}` is on `{}`{mapped}, which is not available here (available: {}); load with map_location \"cpu\", or map that tag to an available device",
                Shown(storage.key()),
                Shown(&device.to_string()),
                if there.is_empty() { "nothing".to_owned() } else { there.join(", ") },
            ));
            return Err(program.named_by_storage(error, storage));
        }
        Ok(())
    }
}
