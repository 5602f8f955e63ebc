//! Standard output in large pieces.

use std::io::{self, StdoutLock, Write};

use serde::Serialize;

/// Bytes that are collected before they are written.
const PIECE: usize = 64 << 10;

/// Collects text and writes it in large pieces. [`finish`](Self::finish) writes the rest.
pub(crate) struct Output<'a> {
    to: StdoutLock<'a>,
    collected: Vec<u8>,
}

impl Output<'_> {
    pub(crate) fn new() -> Self {
        Self { to: io::stdout().lock(), collected: Vec::with_capacity(2 * PIECE) }
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
