//! What the guard process does: wait for the daemon to die, then end what it left.
//!
//! The parent-death signal reaches the children of a killed daemon, and not what *they* started; `npx`
//! and `uvx` are only wrappers around the server that matters. So a second process holds the other end
//! of a pipe. The kernel closes the pipe with the daemon, however it dies, and no signal meant for the
//! daemon reaches the guard: it has a session of its own and ignores the polite ones from its first moment.
//!
//! The daemon writes to the pipe: one line with its name, and when it stops properly a second one.

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use crate::marker::OwnerId;
use crate::settle::{settle, settle_owner};

/// Written when no child is left and the guard may go home.
pub(crate) const DONE: &str = "done\n";

/// Most that is read: the name and the last word are 38 bytes. More can only come from somebody who is not the daemon.
const MESSAGE_LIMIT: u64 = 256;

/// Runs the guard of the daemon that holds the other end of `stdin`, until that daemon is gone.
///
/// Blocks, needs no runtime, and says nothing: its standard output and error are `/dev/null`. Fails
/// if the state directory cannot be read or a process could not be ended.
pub fn guard_main(state_dir: &Path, stdin: impl Read) -> ExitCode {
    let mut message = String::new();
    // A pipe that fails is as closed as one that ends, and what was read so far counts.
    let _ = stdin.take(MESSAGE_LIMIT).read_to_string(&mut message);
    let (name, last_word) = message.split_once('\n').unwrap_or((&message, ""));
    if last_word == DONE {
        return ExitCode::SUCCESS;
    }
    let settled = match OwnerId::parse(name) {
        Some(owner) => settle_owner(state_dir, &owner),
        // It died before it could say its name. Then what is to be settled belongs to a daemon that is gone.
        None => settle(state_dir),
    };
    match settled {
        Ok(settled) if settled.survivors.is_empty() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
