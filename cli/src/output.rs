//! Standard output in large pieces.

use std::io::{self, StdoutLock, Write};

use anstream::{AutoStream, ColorChoice};
use serde::Serialize;

/// Bytes that are collected before they are written.
const PIECE: usize = 64 << 10;

/// Collects text and writes it in large pieces. [`finish`](Self::finish) writes the rest.
pub(crate) struct Output {
    to: AutoStream<StdoutLock<'static>>,
    collected: Vec<u8>,
}

impl Output {
    pub(crate) fn new() -> Self {
        let stdout = io::stdout();
        // `Paint` writes no colours where there are to be none, so nothing has to be searched for them.
        let choice = match AutoStream::choice(&stdout) {
            ColorChoice::Never => ColorChoice::AlwaysAnsi,
            choice => choice,
        };
        Self { to: AutoStream::new(stdout.lock(), choice), collected: Vec::with_capacity(2 * PIECE) }
    }

    pub(crate) fn text(&mut self, text: &str) -> io::Result<()> {
        self.collected.extend_from_slice(text.as_bytes());
        self.relieve()
    }

    pub(crate) fn json<T: Serialize + ?Sized>(&mut self, value: &T) -> io::Result<()> {
        serde_json::to_writer(&mut self.collected, value)?;
        self.relieve()
    }

    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.to.write_all(&self.collected)?;
        self.to.flush()
    }

    fn relieve(&mut self) -> io::Result<()> {
        if self.collected.len() >= PIECE {
            self.to.write_all(&self.collected)?;
            self.collected.clear();
        }
        Ok(())
    }
}
