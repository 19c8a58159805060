//! A line that shows that something takes a while.

use std::io::{self, Write as _};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Shown until it is dropped; then the line is clean again.
pub(crate) struct Progress {
    running: Option<(Sender<String>, JoinHandle<()>)>,
}

/// What is over sooner is not shown: a line that flashes up only startles.
const DELAY: Duration = Duration::from_millis(300);

/// Ten pictures a second look like movement.
const PERIOD: Duration = Duration::from_millis(100);

const PICTURES: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

impl Progress {
    pub(super) fn new(text: &str, visible: bool) -> Self {
        if !visible {
            return Self { running: None };
        }
        let (sender, receiver) = channel::<String>();
        let mut text = text.to_owned();
        let thread = thread::spawn(move || {
            let mut wait = DELAY;
            let mut shown = false;
            for picture in PICTURES.iter().cycle() {
                match receiver.recv_timeout(wait) {
                    Ok(next) => text = next,
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
                wait = PERIOD;
                shown = true;
                let _ = write!(io::stderr(), "\r\x1b[K{picture} {text}");
            }
            if shown {
                let _ = write!(io::stderr(), "\r\x1b[K");
            }
        });
        Self { running: Some((sender, thread)) }
    }

    /// Says what is being done now.
    pub(crate) fn say(&self, text: &str) {
        if let Some((sender, _)) = &self.running {
            let _ = sender.send(text.to_owned());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((sender, thread)) = self.running.take() {
            drop(sender);
            let _ = thread.join();
        }
    }
}
