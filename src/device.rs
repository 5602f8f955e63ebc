//! Which device does a location tag become?

mod map_location;

pub use map_location::{MapLocation, MapTarget, StorageInfo};

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Shown};

/// A device as torch names it. [`Display`](fmt::Display) gives torch's text (`cpu`, `cuda:1`), [`FromStr`] reads it.
///
/// An index of `None` is the bare form, `cuda`: in torch the current device, 0 unless changed.
///
/// ```
/// use torch_checkpoint::Device;
///
/// let device: Device = "cuda:1".parse()?;
/// assert_eq!(device, Device::Cuda(Some(1)));
/// assert_eq!(device.to_string(), "cuda:1");
/// assert!("cuda:x".parse::<Device>().is_err());
/// # Ok::<(), torch_checkpoint::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Device {
    /// Main memory.
    Cpu,
    /// An NVIDIA GPU (or an AMD one under ROCm, which torch also calls `cuda`).
    Cuda(Option<u32>),
    /// An Apple GPU.
    Mps,
    /// No memory at all: shape without data.
    Meta,
    /// An Intel GPU.
    Xpu(Option<u32>),
    /// An Intel Gaudi accelerator.
    Hpu(Option<u32>),
    /// A Meta training and inference accelerator.
    Mtia(Option<u32>),
    /// An XLA device.
    Xla(Option<u32>),
    /// Anything else, verbatim: the devices of plug-ins (`npu:0`, `privateuseone:0`) and tags that follow no rule.
    Other(String),
}

/// Further device types that torch's own parser knows (`c10/core/Device.cpp`) and names that well-known plug-ins register.
const OTHER_TYPES: [&str; 18] = [
    "privateuseone",
    "npu",
    "musa",
    "mlu",
    "gcu",
    "sdaa",
    "ipu",
    "ve",
    "fpga",
    "maia",
    "lazy",
    "vulkan",
    "hip",
    "mkldnn",
    "opengl",
    "opencl",
    "ideep",
    "openreg",
];

impl Device {
    /// The device that a file's location tag names. Every tag has one, and its text is the tag again: what is not a
    /// device of torch's becomes [`Device::Other`].
    pub(crate) fn from_tag(tag: &str) -> Self {
        match tag.parse::<Self>() {
            Ok(device) if device.to_string() == tag => device,
            _ => Self::Other(tag.to_owned()),
        }
    }

    /// The text before the colon: `cuda` for `cuda:1`.
    ///
    /// ```
    /// use torch_checkpoint::Device;
    /// assert_eq!(Device::Cuda(Some(1)).type_name(), "cuda");
    /// assert_eq!("npu:0".parse::<Device>()?.type_name(), "npu");
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn type_name(&self) -> &str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda(_) => "cuda",
            Self::Mps => "mps",
            Self::Meta => "meta",
            Self::Xpu(_) => "xpu",
            Self::Hpu(_) => "hpu",
            Self::Mtia(_) => "mtia",
            Self::Xla(_) => "xla",
            Self::Other(text) => text.split_once(':').map_or(text, |(name, _)| name),
        }
    }

    /// The number after the colon, if there is one.
    ///
    /// ```
    /// use torch_checkpoint::Device;
    /// assert_eq!("cuda:1".parse::<Device>()?.index(), Some(1));
    /// assert_eq!(Device::Mps.index(), None);
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn index(&self) -> Option<u32> {
        match self {
            Self::Cpu | Self::Mps | Self::Meta => None,
            Self::Cuda(index) | Self::Xpu(index) | Self::Hpu(index) | Self::Mtia(index) | Self::Xla(index) => *index,
            Self::Other(text) => text.split_once(':').and_then(|(_, index)| parse_index(index)),
        }
    }

    /// Whether `self`, stated as existing, serves a storage on `wanted`: the same device, or the same type when either
    /// of them names no index.
    pub(crate) fn serves(&self, wanted: &Self) -> bool {
        self == wanted
            || (self.type_name() == wanted.type_name() && (self.index().is_none() || wanted.index().is_none()))
    }
}

impl FromStr for Device {
    type Err = Error;

    /// Reads torch's text form. `cpu:0`, `mps:0` and `meta:0` are accepted and mean `cpu`, `mps` and `meta`.
    ///
    /// # Errors
    /// [`ErrorKind::Caller`](crate::ErrorKind::Caller): an unknown device type (use [`Device::Other`] for the device of
    /// a plug-in) or a malformed index.
    fn from_str(text: &str) -> Result<Self, Error> {
        let (name, index) = match text.split_once(':') {
            None => (text, None),
            Some((name, index)) => match parse_index(index) {
                Some(index) => (name, Some(index)),
                None => {
                    return Err(Error::caller(format!(
                        "`{}` is not a device: after the colon torch has a number, as in `cuda:1`",
                        Shown(text)
                    )));
                }
            },
        };
        Ok(match name {
            "cpu" => Self::Cpu,
            "cuda" => Self::Cuda(index),
            "mps" => Self::Mps,
            "meta" => Self::Meta,
            "xpu" => Self::Xpu(index),
            "hpu" => Self::Hpu(index),
            "mtia" => Self::Mtia(index),
            "xla" => Self::Xla(index),
            name if OTHER_TYPES.contains(&name) => Self::Other(text.to_owned()),
            _ => {
                return Err(Error::caller(format!(
                    "`{}` is not a device that torch knows (cpu, cuda, mps, meta, xpu, hpu, mtia, xla, …); pass `Device::Other` for the device of a plug-in",
                    Shown(text)
                )));
            }
        })
    }
}

/// Decimal without sign or leading zeros, as torch requires.
fn parse_index(text: &str) -> Option<u32> {
    let canonical = text == "0" || (!text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()));
    if canonical { text.parse().ok() } else { None }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Other(text) = self {
            return f.write_str(text);
        }
        f.write_str(self.type_name())?;
        self.index().map_or(Ok(()), |index| write!(f, ":{index}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_forms_go_both_ways() {
        for text in [
            "cpu",
            "cuda",
            "cuda:0",
            "cuda:15",
            "mps",
            "meta",
            "xpu:0",
            "hpu",
            "mtia:1",
            "xla:0",
            "npu:0",
            "privateuseone:0",
        ] {
            let device: Device = text.parse().unwrap();
            assert_eq!(device.to_string(), text);
            assert_eq!(Device::from_tag(text), device);
        }
        assert_eq!("cpu:0".parse::<Device>().unwrap(), Device::Cpu);
    }

    #[test]
    fn malformed_text_is_an_error_and_a_tag_stays_verbatim() {
        for text in [
            "",
            "CPU",
            "cuda:",
            "cuda:x",
            "cuda:-1",
            "cuda:01",
            "cuda0",
            "cudafoo",
            "cuda:4294967296",
            "gpu",
            "cuda:1:2",
        ] {
            assert!(text.parse::<Device>().is_err(), "{text}");
            assert_eq!(Device::from_tag(text), Device::Other(text.to_owned()));
        }
        assert_eq!(Device::from_tag("cpu:0").to_string(), "cpu:0");
    }

    #[test]
    fn a_device_without_index_serves_every_index() {
        assert!(Device::Cuda(None).serves(&Device::Cuda(Some(5))));
        assert!(Device::Cuda(Some(0)).serves(&Device::Cuda(None)));
        assert!(!Device::Cuda(Some(0)).serves(&Device::Cuda(Some(1))));
        assert!(!Device::Cpu.serves(&Device::Other("cpu0".into())));
    }
}
