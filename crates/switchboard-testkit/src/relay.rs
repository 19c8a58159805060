//! The child process of a fake: hands bytes on between its standard streams and the test.
//!
//! The server itself lives in the test, so that the test sees and steers it; what has to be a
//! process is only this. From the test come commands of one byte, a length and as many bytes.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;

pub(crate) const OUTPUT: u8 = b'o';
pub(crate) const ERROR: u8 = b'e';
pub(crate) const CLOSE_OUTPUT: u8 = b'c';
pub(crate) const EXIT: u8 = b'x';

/// Runs as the child; `socket` is where the test listens.
pub(crate) fn run(socket: &str) -> ExitCode {
    relay(Path::new(socket), File::from(io::stdout().as_fd().try_clone_to_owned().unwrap()))
}

/// The same for a child with its standard output elsewhere.
pub fn relay(socket: &Path, output: File) -> ExitCode {
    let Ok(mut commands) = UnixStream::connect(socket) else {
        return ExitCode::from(99);
    };
    let mut input = commands.try_clone().unwrap();
    std::thread::spawn(move || {
        let _ = io::copy(&mut io::stdin().lock(), &mut input);
        let _ = input.shutdown(Shutdown::Write);
    });
    // The end of the test is the end of its children.
    obey(&mut commands, output).unwrap_or(ExitCode::from(98))
}

/// The command that makes the child write `body` to its standard output.
pub(crate) fn output(body: &[u8]) -> Vec<u8> {
    frame(OUTPUT, body)
}

pub(crate) fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[kind][..], &length, body].concat()
}

fn obey(commands: &mut UnixStream, mut output: File) -> io::Result<ExitCode> {
    loop {
        let mut head = [0; 5];
        commands.read_exact(&mut head)?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
        let mut body = vec![0; length as usize];
        commands.read_exact(&mut body)?;
        match head[0] {
            OUTPUT => output.write_all(&body)?,
            ERROR => io::stderr().write_all(&body)?,
            CLOSE_OUTPUT => {
                output = File::create("/dev/null")?;
                rustix::stdio::dup2_stdout(&output)?;
            }
            _ => return Ok(ExitCode::from(body.first().copied().unwrap_or_default())),
        }
    }
}
