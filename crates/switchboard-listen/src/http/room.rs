//! Whether there is room for one more, and what is said where there is none.

use std::time::Duration;

use switchboard_core::Principal;
use tokio::net::TcpStream;

use crate::http::Service;
use crate::http::message::{Refused, unavailable};
use crate::http::places::{Place, Work};
use crate::shares::NoShare;

/// How long whoever has a connection beyond those that are served may take to send the head of a
/// request: nobody who is only to hear that there is no room may keep others from hearing it.
const SPARE_PATIENCE: Duration = Duration::from_secs(5);

impl Service {
    /// Counts the connection as one that `principal` keeps busy.
    pub(super) fn seat(&self, work: &mut Work, principal: &Principal) -> Result<(), Refused> {
        work.sit(principal).map_err(|why| {
            let limit = self.config.connections;
            let whose = match why {
                NoShare::All => format!("{limit} connections are busy"),
                NoShare::Own(own) => format!(
                    "this caller keeps {own} connections busy, which is its share of {limit}"
                ),
            };
            self.crowded(&format!("{whose} (`http.connections`); try again"))
        })
    }

    /// What somebody gets who has one of the spare connections.
    pub(super) fn full(&self) -> Refused {
        let limit = self.config.connections;
        self.crowded(&format!("{limit} connections are busy (`http.connections`); try again"))
    }

    fn crowded(&self, message: &str) -> Refused {
        self.operations.rejected("connections");
        unavailable(message).into()
    }

    /// How long a client may take to ask for something.
    pub(super) fn patience(&self, place: &Place) -> Duration {
        let patience = self.config.header_timeout.as_duration();
        if place.is_spare { patience.min(SPARE_PATIENCE) } else { patience }
    }
}

/// Tells a client that there is no room, as far as that can be done without waiting for anything. In
/// the clear somebody who speaks TLS would not understand it.
pub(super) fn turn_away(stream: TcpStream, tls_is_spoken: bool) {
    use std::io::Write as _;
    const NO_ROOM: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n\
        content-length: 0\r\nconnection: close\r\n\r\n";
    // Into the empty buffer of a new socket, which takes it at once; whoever left is not told.
    if let (false, Ok(mut stream)) = (tls_is_spoken, stream.into_std()) {
        let _ = stream.write_all(NO_ROOM);
    }
}
