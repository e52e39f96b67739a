//! JSON lines: each an object.

use std::io::Read;

use super::{TEXT_BYTES_MAX, Texts};
use crate::error::{Fault, Position};
use crate::lines::LineReader;
use crate::options::ReadOptions;

/// The lines of a jsonl.
pub(crate) struct LineTexts<R> {
    lines: LineReader<R>,
}

impl<R: Read> LineTexts<R> {
    pub(crate) fn new(source: R, options: &ReadOptions) -> Self {
        Self { lines: LineReader::new(source, TEXT_BYTES_MAX, options.comment.clone()) }
    }
}

impl<R: Read + Send> Texts for LineTexts<R> {
    fn advance(&mut self) -> Result<bool, Fault> {
        while self.lines.advance()? {
            if !self.lines.line().1.trim_ascii().is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn text(&self) -> &[u8] {
        self.lines.line().1
    }

    fn name(&self) -> Option<&[u8]> {
        None
    }

    fn position(&self) -> Position {
        Position::line(self.lines.line().0)
    }

    fn position_of(&self, offset: usize) -> Position {
        Position::column(self.lines.line().0, offset as u64 + 1)
    }
}
