//! A conversation with the daemon, one message on each line of `switchboard stdio`.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::answer;

/// How many messages may wait for us: more than any scenario sends.
const WAITING: usize = 1000;

pub(crate) struct Line {
    child: Child,
    stdin: ChildStdin,
    incoming: Receiver<String>,
    deadline: Instant,
    next_id: u64,
    /// Answers to requests of which the answer was not waited for yet.
    answers: BTreeMap<u64, Value>,
}

impl Line {
    #[expect(clippy::disallowed_methods, reason = "a program of one visit, with one deadline")]
    pub(crate) fn open(mut command: Command, patience: Duration) -> Result<Self> {
        let deadline = Instant::now() + patience;
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("start `switchboard stdio`")?;
        let stdin = child.stdin.take().context("its standard input is ours")?;
        let stdout = BufReader::new(child.stdout.take().context("its standard output is ours")?);
        let (sender, incoming) = sync_channel(WAITING);
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, stdin, incoming, deadline, next_id: 1, answers: BTreeMap::new() })
    }

    /// The result of a request, or the error as an error of ours.
    pub(crate) fn request(&mut self, method: &str, params: &Value) -> Result<Value> {
        let id = self.send_request(method, params)?;
        self.result(id).with_context(|| format!("{method} {params}"))
    }

    pub(crate) fn notify(&mut self, method: &str) -> Result<()> {
        self.send(&json!({ "jsonrpc": "2.0", "method": method }))
    }

    fn send_request(&mut self, method: &str, params: &Value) -> Result<u64> {
        let id = self.next_id;
        self.next_id += 1;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))?;
        Ok(id)
    }

    /// Waits for the answer to `id`, and answers what the server asks meanwhile.
    fn result(&mut self, id: u64) -> Result<Value> {
        let mut answer = loop {
            if let Some(answer) = self.answers.remove(&id) {
                break answer;
            }
            self.receive()?;
        };
        if answer["error"].is_object() {
            bail!("{}", answer["error"]);
        }
        Ok(answer["result"].take())
    }

    #[expect(clippy::disallowed_methods, reason = "a program of one visit, with one deadline")]
    fn receive(&mut self) -> Result<()> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let line = self.incoming.recv_timeout(left).context("no answer in time")?;
        let message: Value = serde_json::from_str(&line).context("what came is not JSON")?;
        match (message["method"].as_str(), message["id"].as_u64()) {
            (Some(method), _) if !message["id"].is_null() => {
                let result = answer::to(method, &message["params"]);
                self.send(&json!({ "jsonrpc": "2.0", "id": message["id"], "result": result }))
            }
            (None, Some(id)) => {
                self.answers.insert(id, message);
                Ok(())
            }
            // A notification: nobody here listens.
            _ => Ok(()),
        }
    }

    fn send(&mut self, message: &Value) -> Result<()> {
        writeln!(self.stdin, "{message}").context("write to `switchboard stdio`")
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // It ends with its input as well, and there is nothing left to wait for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
