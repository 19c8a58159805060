//! Whether a PostgreSQL takes `postgres` in without a password.
//!
//! An open port does not show it: what listens may be another program, may still be starting, or may
//! want a password, as Debian's own cluster does over TCP. `pg_isready` and `psql` are only where
//! PostgreSQL is installed, which a machine that runs it in a container need not have. So this begins
//! a session as every client does, and sees whether the server is ready for a query.

use std::io::{self, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// For each step of the conversation; on loopback, a server that takes longer has other troubles.
const PATIENCE: Duration = Duration::from_secs(2);

/// Far more than a server says before it is ready, some 400 bytes, and little enough to read from
/// one that never stops.
const GREETING_LIMIT_BYTES: u64 = 64 * 1024;

/// `StartupMessage` of protocol 3.0: its length, the version, the parameters.
/// PostgreSQL documentation, "Message Formats".
const STARTUP: &[u8] = b"\0\0\0\x29\0\x03\0\0user\0postgres\0database\0postgres\0\0";

/// `Terminate`. Without it the server would log a connection that broke off.
const TERMINATE: &[u8] = b"X\0\0\0\x04";

pub(super) fn answers(address: SocketAddr) -> bool {
    greet(address).unwrap_or(false)
}

fn greet(address: SocketAddr) -> io::Result<bool> {
    let mut server = TcpStream::connect_timeout(&address, PATIENCE)?;
    server.set_read_timeout(Some(PATIENCE))?;
    server.set_write_timeout(Some(PATIENCE))?;
    server.write_all(STARTUP)?;
    let ready = is_ready((&server).take(GREETING_LIMIT_BYTES))?;
    if ready {
        server.write_all(TERMINATE)?;
    }
    Ok(ready)
}

/// Reads what a server says to [`STARTUP`], until that tells.
pub(super) fn is_ready(mut messages: impl Read) -> io::Result<bool> {
    loop {
        let mut head = [0; 5];
        messages.read_exact(&mut head)?;
        let [kind, length @ ..] = head;
        // The length counts itself.
        let length = u64::from(u32::from_be_bytes(length).saturating_sub(4));
        let mut body = Vec::new();
        messages.by_ref().take(length).read_to_end(&mut body)?;
        match kind {
            // Authentication: 0 is what follows where nothing is wanted of us.
            b'R' if body == [0; 4] => {}
            // ParameterStatus, BackendKeyData, NoticeResponse.
            b'S' | b'K' | b'N' => {}
            // ReadyForQuery ends the greeting well; all else, ErrorResponse first, does not.
            other => return Ok(other == b'Z'),
        }
    }
}
