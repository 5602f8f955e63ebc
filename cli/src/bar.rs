//! The progress bar of what takes time.

use std::path::Path;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::text::clean;

/// Drawn on a terminal only, and only for files that take more than a moment.
pub(crate) fn bar(path: &Path) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{msg} [{bar:30}] {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left");
    if let Ok(style) = style {
        bar.set_style(style.progress_chars("=> "));
    }
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    bar.with_message(clean(&name).into_owned())
}
