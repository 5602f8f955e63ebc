//! How much room there is to print in.

use std::io::IsTerminal as _;

use terminal_size::{Height, Width, terminal_size_of};

/// The room for what is printed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    /// Columns of a line.
    pub(crate) width: usize,
    /// Lines that are seen at once; `None` if the output goes to a file or another program.
    pub(crate) height: Option<usize>,
}

impl Screen {
    /// Of standard output: a terminal's size; else lines of `COLUMNS` or 80.
    pub(crate) fn of_stdout() -> Self {
        let stdout = std::io::stdout();
        if stdout.is_terminal() {
            let (Width(width), Height(height)) = terminal_size_of(&stdout).unwrap_or((Width(80), Height(24)));
            return Self { width: usize::from(width).max(1), height: Some(usize::from(height)) };
        }
        let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        Self { width: columns.filter(|&columns| columns > 0).unwrap_or(80), height: None }
    }
}
