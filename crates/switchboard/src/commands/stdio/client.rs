//! The client at the other end of standard input and output.

use std::cell::{RefCell, RefMut};
use std::io;

use bytes::Bytes;
use switchboard_mcp::{Lines, RpcError, code, encode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Stdin, Stdout, stdin, stdout};
use tokio::sync::Mutex;

use super::replay::{FromClient, Session};

/// The longest line that is carried. The daemon has limits of its own that are far below, and says so
/// to whom it concerns; this one bounds our memory.
pub(super) const LINE_LIMIT: usize = 64 * 1024 * 1024;

pub(super) struct Client {
    requests: Requests,
    answers: Answers,
}

/// What the client sends.
pub(super) struct Requests {
    stdin: Stdin,
    lines: Lines,
    is_closed: bool,
}

/// What the client is told, and what is known of the conversation.
pub(super) struct Answers {
    /// Held while one line is written, so that lines do not mix.
    stdout: Mutex<Stdout>,
    session: RefCell<Session>,
}

impl Client {
    pub(super) fn new() -> Self {
        let requests = Requests { stdin: stdin(), lines: Lines::new(LINE_LIMIT), is_closed: false };
        let answers = Answers { stdout: Mutex::new(stdout()), session: RefCell::default() };
        Self { requests, answers }
    }

    pub(super) fn split(&mut self) -> (&mut Requests, &Answers) {
        (&mut self.requests, &self.answers)
    }

    pub(super) fn session(&mut self) -> &mut Session {
        self.answers.session.get_mut()
    }

    /// Writes a line with its end.
    pub(super) async fn write(&mut self, line: &[u8]) -> io::Result<()> {
        self.answers.write(line).await
    }

    /// Passes a line of the daemon on, if it is for the client.
    pub(super) async fn relay(&mut self, line: Bytes) -> io::Result<()> {
        self.answers.relay(line).await
    }
}

impl Requests {
    /// The next line for the daemon, with its end; `None` when the client has closed standard input.
    ///
    /// # Cancel safety
    ///
    /// A line that was read and not returned is returned by the next call.
    pub(super) async fn next(&mut self, answers: &Answers) -> Option<Vec<u8>> {
        loop {
            let line = match self.lines.next_line() {
                Some(Ok(line)) => line,
                Some(Err(error)) => {
                    let error = RpcError::new(code::INVALID_REQUEST, error.to_string());
                    let mut answer = encode::error(None, &error);
                    answer.push(b'\n');
                    answers.write(&answer).await.ok()?;
                    continue;
                }
                None if self.is_closed => self.lines.finish()?,
                None => {
                    // A broken input is as closed as one that ends.
                    self.is_closed =
                        !matches!(self.stdin.read_buf(self.lines.space()).await, Ok(1..));
                    continue;
                }
            };
            let verdict = answers.session().outbound(&line);
            match verdict {
                FromClient::Send => return Some([line.as_ref(), b"\n"].concat()),
                FromClient::Answer(answer) => answers.write(&answer).await.ok()?,
            }
        }
    }
}

impl Answers {
    fn session(&self) -> RefMut<'_, Session> {
        self.session.borrow_mut()
    }

    pub(super) async fn relay(&self, line: Bytes) -> io::Result<()> {
        let is_for_client = self.session().inbound(&line);
        if is_for_client {
            self.write(&[line.as_ref(), b"\n"].concat()).await?;
        }
        Ok(())
    }

    async fn write(&self, line: &[u8]) -> io::Result<()> {
        let mut stdout = self.stdout.lock().await;
        stdout.write_all(line).await?;
        stdout.flush().await
    }
}
