//! Programs of `torch.export`: their weights and constants by name. The programs themselves are not looked at.

mod compiled;
mod files;
mod mapping;
mod package;

pub(super) use files::assemble as assemble_files;
pub(super) use package::assemble as assemble_package;
