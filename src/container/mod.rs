//! Which box is it, and which record is where? Nothing here knows pickle or torch.

mod onnx;
mod refusal;
mod sniff;
mod zip;

pub(crate) use refusal::refusal;
pub(crate) use sniff::{Kind, sniff};
pub(crate) use zip::Archive;

#[cfg(test)]
mod tests;
#[cfg(test)]
#[path = "../../tests/support/zip_builder.rs"]
mod zip_builder;
