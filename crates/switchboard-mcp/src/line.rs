//! Newline-delimited messages: the framing of stdio, unix sockets and our own pipes.

use bytes::{Bytes, BytesMut};

/// Cuts a stream of bytes into lines without copying them.
///
/// A line that is too long is thrown away up to its end and reported once, so that the messages
/// behind it still arrive.
#[derive(Debug)]
pub struct Lines {
    buffer: BytesMut,
    /// How far `buffer` is known to hold no line end, so that a long line is searched once.
    searched: usize,
    /// Inside a line that was too long.
    skipping: bool,
    limit: usize,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum LineError {
    #[error("a line is longer than {limit} bytes")]
    TooLong { limit: usize },
}

impl Lines {
    pub fn new(limit: usize) -> Self {
        Self { buffer: BytesMut::with_capacity(READ_SIZE), searched: 0, skipping: false, limit }
    }

    /// Where to read to; has room for at least one read.
    pub fn space(&mut self) -> &mut BytesMut {
        self.buffer.reserve(READ_SIZE);
        &mut self.buffer
    }

    /// The next complete line without its end (`\n` or `\r\n`); blank lines are passed over.
    ///
    /// # Errors
    ///
    /// [`LineError::TooLong`] once for each line over the limit.
    pub fn next_line(&mut self) -> Option<Result<Bytes, LineError>> {
        loop {
            let Some(at) = memchr::memchr(b'\n', &self.buffer[self.searched..]) else {
                return self.unfinished();
            };
            let mut line = self.buffer.split_to(self.searched + at + 1);
            self.searched = 0;
            line.truncate(line.len() - 1);
            line.truncate(without_return(&line).len());
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            // Before it is looked into, as of a line that comes in pieces only the length is known.
            if line.len() > self.limit {
                return Some(Err(LineError::TooLong { limit: self.limit }));
            }
            if !line.trim_ascii().is_empty() {
                return Some(Ok(line.freeze()));
            }
        }
    }

    fn unfinished(&mut self) -> Option<Result<Bytes, LineError>> {
        if self.skipping {
            self.buffer.clear();
            self.searched = 0;
            return None;
        }
        self.searched = self.buffer.len();
        // A `\r` may be half of the line's end.
        if without_return(&self.buffer).len() <= self.limit {
            return None;
        }
        // Its memory goes with it: nobody knows when a line as long comes again.
        self.buffer = BytesMut::with_capacity(READ_SIZE);
        self.searched = 0;
        self.skipping = true;
        Some(Err(LineError::TooLong { limit: self.limit }))
    }

    /// What is left when the stream ended: a last line without an end.
    pub fn finish(&mut self) -> Option<Bytes> {
        let mut rest = self.buffer.split();
        rest.truncate(without_return(&rest).len());
        self.searched = 0;
        (!self.skipping && !rest.trim_ascii().is_empty()).then(|| rest.freeze())
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// One read: the size of a Linux pipe (pipe(7)), so that a full one is emptied at once.
const READ_SIZE: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::Lines;

    /// Feeds the pieces of `input` (separated by `|`) and writes down what comes out after each.
    #[track_caller]
    fn check(input: &str, expected: &str) {
        let mut lines = Lines::new(8);
        let mut actual = Vec::new();
        for piece in input.split('|') {
            lines.space().extend_from_slice(piece.as_bytes());
            while let Some(line) = lines.next_line() {
                actual.push(match line {
                    Ok(line) => String::from_utf8_lossy(&line).into_owned(),
                    Err(error) => format!("({error})"),
                });
            }
            actual.push("|".into());
        }
        if let Some(rest) = lines.finish() {
            actual.push(format!("rest {}", String::from_utf8_lossy(&rest)));
        }
        assert!(lines.next_line().is_none(), "nothing follows the rest");
        assert_eq!(actual.join(" "), expected);
    }

    #[test]
    fn lines_are_put_together_from_pieces() {
        check("one\ntw|o\r\n\n  \nthree", "one | two | rest three");
    }

    #[test]
    fn a_line_that_is_too_long_is_reported_once_and_the_next_one_arrives() {
        check("123456789\nok\n", "(a line is longer than 8 bytes) ok |");
        check("12345678|9|0|1234567890|\nok\n", "| (a line is longer than 8 bytes) | | | ok |");
    }

    #[test]
    fn a_line_without_end_takes_no_memory() {
        let mut lines = Lines::new(1 << 20);
        for _ in 0..64 {
            lines.space().extend_from_slice(&[b'x'; super::READ_SIZE]);
            let _ = lines.next_line();
        }
        assert!(lines.space().capacity() <= 4 * super::READ_SIZE, "{}", lines.space().capacity());
    }

    #[test]
    fn where_a_stream_is_cut_makes_no_difference() {
        for input in ["12345678\r\nok\n", "12345678\r|\nok\n", "12345678|\r|\nok\n"] {
            check(&input.replace('|', ""), "12345678 ok |");
            check(input, &format!("{}12345678 ok |", "| ".repeat(input.matches('|').count())));
        }
        check("         \nok\n", "(a line is longer than 8 bytes) ok |");
        check("         |\nok\n", "(a line is longer than 8 bytes) | ok |");
        check("12345678\r", "| rest 12345678");
    }
}
