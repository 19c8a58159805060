//! The text of the configuration file, and how to point at a part of it.

use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::diagnostic::{Excerpt, Place};

/// The file as it was read.
pub(crate) struct Document {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    /// Byte ranges that may be secrets: an excerpt has `…` in their place.
    pub(crate) hidden: Vec<Range<usize>>,
}

/// The longest excerpt, in characters: a line of a usual terminal, less the margin.
const EXCERPT_LIMIT: usize = 100;

/// A character of an excerpt and the bytes of the file it stands for.
struct Glyph {
    shown: char,
    bytes: Range<usize>,
}

impl Document {
    /// The directory that relative paths in the file are relative to.
    pub(crate) fn directory(&self) -> Option<&Path> {
        self.path.parent()
    }

    /// Line and column of a byte, counted from one.
    pub(crate) fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.line_at(offset);
        let number = self.text[..line.start].matches('\n').count() + 1;
        let column =
            self.text[line.start..].char_indices().take_while(|(i, _)| line.start + i < offset);
        (number, column.count() + 1)
    }

    /// The place of a byte range. Of a range over several lines, the first line is shown.
    pub(crate) fn place(&self, span: &Range<usize>) -> Place {
        let (line, column) = self.position(span.start);
        Place::File { path: self.path.clone(), line, column, excerpt: self.excerpt(span) }
    }

    /// The bytes of the line that `offset` lies in, without its end.
    pub(crate) fn line_at(&self, offset: usize) -> Range<usize> {
        let bytes = self.text.as_bytes();
        let offset = offset.min(bytes.len());
        let start = bytes[..offset].iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1);
        let length = bytes[start..].iter().position(|b| *b == b'\n');
        let end = length.map_or(bytes.len(), |length| start + length);
        start..end
    }

    fn excerpt(&self, span: &Range<usize>) -> Excerpt {
        let glyphs = self.glyphs(self.line_at(span.start));
        let start = glyphs.iter().position(|glyph| glyph.bytes.end > span.start);
        let start = start.unwrap_or(glyphs.len());
        let marked = glyphs[start..].iter().take_while(|glyph| glyph.bytes.start < span.end);
        let width = marked.count().max(1);
        crop(glyphs.iter().map(|glyph| glyph.shown).collect(), start, width)
    }

    fn glyphs(&self, line: Range<usize>) -> Vec<Glyph> {
        let mut glyphs: Vec<Glyph> = Vec::new();
        for (offset, c) in self.text[line.clone()].trim_end().char_indices() {
            let start = line.start + offset;
            let glyph = match self.hidden.iter().find(|hidden| hidden.contains(&start)) {
                Some(hidden) => Glyph { shown: '…', bytes: hidden.clone() },
                None => Glyph { shown: printable(c), bytes: start..start + c.len_utf8() },
            };
            // A hidden range is one `…`, however long.
            if glyphs.last().is_none_or(|last| last.bytes != glyph.bytes) {
                glyphs.push(glyph);
            }
        }
        glyphs
    }
}

/// Keeps the underline where it belongs (a tab is wider than its one column) and the terminal
/// unharmed (a file may contain escape sequences).
fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

/// Shortens a long line to the part around the underline.
fn crop(line: Vec<char>, start: usize, width: usize) -> Excerpt {
    if line.len() <= EXCERPT_LIMIT {
        return Excerpt { text: line.into_iter().collect(), start, width };
    }
    // A third before the mark is enough to recognise the place; what follows matters more.
    let first = start.saturating_sub(EXCERPT_LIMIT / 3).min(line.len() - EXCERPT_LIMIT);
    let last = first + EXCERPT_LIMIT;
    let mut text: String = line[first..last].iter().collect();
    if last < line.len() {
        text.push('…');
    }
    let mut start = start - first;
    if first > 0 {
        text.insert(0, '…');
        start += 1;
    }
    Excerpt { text, start, width: width.min(EXCERPT_LIMIT.saturating_sub(start)).max(1) }
}
