//! What can go wrong, and what to do about it.

use std::fmt;

use burn_store::{ApplyError, ApplyResult};

/// Why a checkpoint did not become the parameters of a module.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// A pattern of [`with_key_remapping`](crate::TorchCheckpointStore::with_key_remapping) is no regular expression.
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Two tensors of the checkpoint would have one name.
    SameName {
        /// That name.
        name: String,
        /// What the two are called in the checkpoint.
        were: [String; 2],
    },
    /// Tensors were found and do not fit their parameters, or could not be read.
    Unfit(Box<ApplyResult>),
    /// The module has parameters that the checkpoint has no tensor for.
    Missing(Box<ApplyResult>),
    /// This store reads only.
    ReadOnly,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pattern { pattern, reason } => write!(f, "`{pattern}` is no regular expression: {reason}"),
            Self::SameName { name, were: [a, b] } => write!(
                f,
                "`{a}` and `{b}` of the checkpoint would both be called `{name}`: change the patterns of `with_key_remapping`, or keep the indices of that list with `keep_indices`"
            ),
            Self::Unfit(result) => {
                let errors: Vec<String> = result.errors.iter().map(ApplyError::to_string).collect();
                write!(
                    f,
                    "tensors of the checkpoint do not fit the module: {}; correct the module, or let it keep its own values there with `validate(false)`",
                    few(&errors)
                )
            }
            Self::Missing(result) => {
                let missing: Vec<String> = result.missing.iter().map(|(path, _)| format!("`{path}`")).collect();
                let unused: Vec<String> = result.unused.iter().map(|name| format!("`{name}`")).collect();
                write!(f, "the checkpoint has no tensor for these parameters of the module: {}; ", few(&missing))?;
                if !unused.is_empty() {
                    write!(f, "rename those that no parameter asked for with `with_key_remapping` ({}), or ", few(&unused))?;
                }
                f.write_str("let the module keep its own values with `allow_partial(true)`")
            }
            Self::ReadOnly => f.write_str(
                "this store reads PyTorch's files and writes none: save with burn-store's `BurnpackStore` or `SafetensorsStore`",
            ),
        }
    }
}

impl std::error::Error for Error {}

/// The first of them, and how many more there are.
fn few(items: &[String]) -> String {
    const SHOWN: usize = 8;
    let mut text = items.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    if items.len() > SHOWN {
        text.push_str(&format!(" and {} more", items.len().saturating_sub(SHOWN)));
    }
    text
}
