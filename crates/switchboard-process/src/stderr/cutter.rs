//! Cuts a stream of bytes into lines of bounded length.

/// Collects a line across reads. Holds at most `limit` bytes, whatever the child writes.
#[derive(Debug)]
pub(super) struct Cutter {
    line: Vec<u8>,
    cut: usize,
    limit: usize,
}

impl Cutter {
    pub(super) fn new(limit: usize) -> Self {
        Self { line: Vec::new(), cut: 0, limit }
    }

    /// Calls `emit` with the start of each line that is complete, and how many bytes of it were cut off.
    pub(super) fn push(&mut self, bytes: &[u8], mut emit: impl FnMut(&[u8], usize)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, complete) = match piece {
                [text @ .., b'\n'] => (text, true),
                text => (text, false),
            };
            self.extend(text);
            if complete {
                self.end(&mut emit);
            }
        }
    }

    /// Calls `emit` with the last line if it had no end.
    pub(super) fn finish(mut self, mut emit: impl FnMut(&[u8], usize)) {
        if !self.line.is_empty() {
            self.end(&mut emit);
        }
    }

    fn extend(&mut self, text: &[u8]) {
        let fits = text.len().min(self.limit - self.line.len());
        self.line.extend_from_slice(&text[..fits]);
        self.cut += text.len() - fits;
    }

    fn end(&mut self, emit: &mut impl FnMut(&[u8], usize)) {
        let text = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        emit(text, self.cut);
        self.line.clear();
        self.cut = 0;
    }
}
