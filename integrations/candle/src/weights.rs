//! A state dict behind candle's `VarBuilder`.

use candle_core::{DType, Device, Error, Result, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use torch_checkpoint::StateDict;

use crate::tensor::{self, TensorExt};

/// A `VarBuilder` over the tensors of a checkpoint, in the place of `VarBuilder::from_pth`: whatever the container, with the
/// key and the prefix that the state dict was taken by. A tensor is read when a layer asks for it, and converted to `dtype`
/// while it is read.
///
/// ```
/// use candle_core::{DType, Device};
/// use torch_checkpoint_candle::var_builder;
///
/// # let path = "../../fixtures/distributed/torch-2.15/fully_sharded";
/// let weights = torch_checkpoint::LoadOptions::new().key("model").load_state_dict(path)?; // what two GPUs saved
/// let vb = var_builder(weights, DType::BF16, &Device::Cpu);
/// let w = vb.pp("0").get_unchecked("weight")?;
/// # assert_eq!((w.dtype(), w.rank()), (DType::BF16, 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn var_builder(weights: StateDict, dtype: DType, device: &Device) -> VarBuilder<'static> {
    VarBuilder::from_backend(Box::new(Weights::new(weights)), dtype, device.clone())
}

/// The backend of [`var_builder`], for `VarBuilder::from_backend` and for backends that wrap others.
#[derive(Clone, Debug)]
pub struct Weights(StateDict);

impl Weights {
    /// Takes the tensors of a state dict.
    #[must_use]
    pub fn new(weights: StateDict) -> Self {
        Self(weights)
    }

    fn find(&self, name: &str) -> Result<&torch_checkpoint::Tensor> {
        self.0.get(name).ok_or_else(|| {
            let error = Error::CannotFindTensor { path: name.to_owned() };
            // The library says which names are near.
            match self.0.require(name, torch_checkpoint::DType::Float32, &[]) {
                Err(missing) => error.context(missing),
                Ok(_) => error,
            }
            .bt()
        })
    }
}

impl SimpleBackend for Weights {
    fn get(&self, shape: Shape, name: &str, _: Init, dtype: DType, device: &Device) -> Result<Tensor> {
        let got = Shape::from(tensor::shape(self.find(name)?));
        if got != shape {
            return Err(Error::UnexpectedShape { msg: format!("shape mismatch for {name}"), expected: shape, got }.bt());
        }
        self.get_unchecked(name, dtype, device)
    }

    fn get_unchecked(&self, name: &str, dtype: DType, device: &Device) -> Result<Tensor> {
        let read = self.find(name)?.to_candle_as(dtype, device);
        read.map_err(|error| error.context(format!("tensor `{}`", name.escape_debug())))
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}
