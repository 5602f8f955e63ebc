//! Which container is it?

use std::fmt;

/// Which container a checkpoint was in.
///
/// ```
/// use torch_checkpoint::{Format, LoadOptions};
/// let checkpoint = LoadOptions::new().open("fixtures/zip/torch-2.15/tied.pt")?;
/// assert_eq!(checkpoint.format(), Format::Zip);
/// assert_eq!(checkpoint.format().to_string(), "zip");
/// # Ok::<(), torch_checkpoint::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// The zip archive that `torch.save` has written since 1.6.
    Zip,
    /// The stream of pickles and data that `torch.save` wrote from 0.1.10 to 1.5, and still writes with
    /// `_use_new_zipfile_serialization=False`.
    Legacy,
    /// The tar file that torch wrote before 0.1.10.
    Tar,
    /// A pickle of Python's own (`pickle.dump`), with the tensors inside.
    Pickle,
    /// A program of `torch.jit.save`: its parameters, buffers and attributes.
    TorchScript,
    /// A program of `torch.export.save` or AOTInductor (`.pt2`): its weights and constants.
    Export,
    /// An archive of `torch.package`: the objects pickled in it, by the names of their resources.
    Package,
    /// A safetensors file.
    Safetensors,
    /// A folder of Hugging Face shards with an index.
    Sharded,
    /// A folder of `torch.distributed.checkpoint`.
    Distributed,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zip => "zip",
            Self::Legacy => "legacy",
            Self::Tar => "tar",
            Self::Pickle => "pickle",
            Self::TorchScript => "torchscript",
            Self::Export => "export",
            Self::Package => "package",
            Self::Safetensors => "safetensors",
            Self::Sharded => "sharded",
            Self::Distributed => "distributed",
        })
    }
}
