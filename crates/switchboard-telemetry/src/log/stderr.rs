//! Standard error, which somebody else empties, or does not.
//!
//! Many MCP clients start a server with a pipe for its standard error and never read it. After
//! 64 KiB (pipe(7)) a plain write would wait for ever, and the daemon with it. So each piece is
//! written only when there is room for it now. We cannot make the descriptor non-blocking instead:
//! that would be a property of the open file, which we share with the shell that started us.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Writes whole lines, and gives up on a line that has no room.
pub(super) struct Impatient<F> {
    to: F,
    /// The last line was given up in its middle; the next one must not continue it.
    torn: bool,
}

/// `PIPE_BUF` on Linux: a pipe that is ready takes this much without waiting (poll(2), pipe(7)).
const PIECE_BYTES: usize = 4096;

const NOT_AT_ALL: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

pub(super) fn stderr() -> Impatient<BorrowedFd<'static>> {
    Impatient::new(rustix::stdio::stderr())
}

impl<F: AsFd> Impatient<F> {
    fn new(to: F) -> Self {
        Self { to, torn: false }
    }

    /// Writes what there is room for right now, at least one byte.
    fn write_piece(&self, piece: &[u8]) -> io::Result<usize> {
        let mut ready = [PollFd::new(&self.to, PollFlags::OUT)];
        if poll(&mut ready, Some(&NOT_AT_ALL))? == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        match rustix::io::write(&self.to, piece)? {
            0 => Err(io::ErrorKind::WriteZero.into()),
            written => Ok(written),
        }
    }

    fn write_pieces(&mut self, mut line: &[u8]) -> io::Result<()> {
        while !line.is_empty() {
            match self.write_piece(&line[..line.len().min(PIECE_BYTES)]) {
                Ok(written) => {
                    line = &line[written..];
                    self.torn = !line.is_empty();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl<F: AsFd> Write for Impatient<F> {
    /// Takes one whole line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.torn {
            self.write_pieces(b"\n")?;
        }
        self.write_pieces(line)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
