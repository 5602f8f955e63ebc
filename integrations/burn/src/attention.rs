//! torch packs the three projections of an attention into one tensor; burn has three.

use std::collections::HashSet;

use torch_checkpoint::{Error, Tensor};

/// Who has this is an attention.
const PACKED: &str = "in_proj_weight";

/// Gives the weights of `torch.nn.MultiheadAttention` the form and the names of burn's `MultiHeadAttention`: of
/// `attention.in_proj_weight` and `attention.in_proj_bias` become `attention.query.weight`, `attention.key.bias` and so
/// on, as views (nothing is read or copied), and `attention.out_proj` is called `attention.output`. All other tensors
/// stay as they are.
///
/// ```
/// # let path = "../../fixtures/integrations/burn/network_cuda.pt";
/// let weights = torch_checkpoint::load_state_dict(path, "cpu")?;
/// assert_eq!(weights["attention.in_proj_weight"].shape(), [48, 16]);
///
/// let weights = torch_checkpoint_burn::unpack_attention(weights)?;
/// let (_, query) = weights.iter().find(|(name, _)| name == "attention.query.weight").unwrap();
/// assert_eq!(query.shape(), [16, 16]);
/// # Ok::<(), torch_checkpoint::Error>(())
/// ```
///
/// # Errors
/// A packed tensor is sparse, nested or quantised per channel, of which there are no views.
pub fn unpack_attention(tensors: impl IntoIterator<Item = (String, Tensor)>) -> Result<Vec<(String, Tensor)>, Error> {
    let tensors: Vec<(String, Tensor)> = tensors.into_iter().collect();
    let modules = tensors.iter().filter_map(|(name, _)| name.strip_suffix(PACKED));
    let packed: HashSet<String> =
        modules.filter(|module| module.is_empty() || module.ends_with('.')).map(str::to_owned).collect();
    let mut unpacked = Vec::new();
    for (name, tensor) in tensors {
        let parameter = name.rfind("in_proj_").or_else(|| name.rfind("out_proj."));
        let Some((module, parameter)) = parameter.and_then(|at| name.split_at_checked(at)) else {
            unpacked.push((name, tensor));
            continue;
        };
        let rows = tensor.shape().first().copied().unwrap_or(0);
        match parameter {
            "out_proj.weight" | "out_proj.bias" if packed.contains(module) => {
                unpacked.push((format!("{module}{}", parameter.replacen("out_proj", "output", 1)), tensor));
            }
            "in_proj_weight" | "in_proj_bias" if packed.contains(module) && rows.is_multiple_of(3) => {
                let (third, kind) = (rows / 3, parameter.trim_start_matches("in_proj_"));
                for (start, projection) in [(0, "query"), (third, "key"), (third * 2, "value")] {
                    unpacked.push((format!("{module}{projection}.{kind}"), tensor.narrow(0, start, third)?));
                }
            }
            _ => unpacked.push((name, tensor)),
        }
    }
    Ok(unpacked)
}
