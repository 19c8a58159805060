//! What a server reports about a request, on its way to the client that asked.

use std::sync::Arc;

use switchboard_core::Notification;
use switchboard_mcp::{Json, LogLevel, Method, Object, ProtocolVersion, encode, without_hop_meta};
use tokio::sync::mpsc;

use crate::meter::Meter;

/// Messages that may wait for a client that reads slowly. Beyond it reports are lost, which the
/// protocol allows; the answer itself never is.
pub(crate) const OUTLET_QUEUE: usize = 64;

/// The way of reports about one request, for as long as it is open.
pub(crate) struct Outlet {
    queue: mpsc::Sender<Vec<u8>>,
    /// The client's own; without one it hears of no progress.
    token: Option<Json>,
    /// The revision of the client.
    version: ProtocolVersion,
    /// How far the client has heard of progress.
    reached: Option<f64>,
    meter: Arc<dyn Meter>,
}

impl Outlet {
    pub(crate) fn new(
        queue: mpsc::Sender<Vec<u8>>,
        token: Option<Json>,
        version: ProtocolVersion,
        meter: Arc<dyn Meter>,
    ) -> Self {
        Self { queue, token, version, reached: None, meter }
    }

    pub(crate) fn queue(&self) -> &mpsc::Sender<Vec<u8>> {
        &self.queue
    }

    /// Passes on what the client wants to hear. `threshold` is the least severe log message that
    /// it wants.
    pub(crate) fn report(&mut self, notification: &Notification, threshold: Option<LogLevel>) {
        let message = match notification.method {
            Method::Progress => self.progress(notification.params.as_ref()),
            Method::LogMessage => self.log(notification.params.as_ref(), threshold),
            _ => None,
        };
        if let Some(message) = message {
            self.say(message);
        }
    }

    /// Passes on what else a server says about the request.
    pub(crate) fn pass(&self, notification: &Notification) {
        let params = notification.params.as_ref().map(|params| self.for_client(params));
        // With parameters that nobody can read it says nothing.
        if let Some(params) = params.map_or(Some(None), |params| params.map(Some)) {
            self.say(encode::notification(&notification.method, params.as_ref()));
        }
    }

    /// Says something that may be lost.
    pub(crate) fn say(&self, message: Vec<u8>) {
        // Full: the client reads too slowly to follow.
        if self.queue.try_send(message).is_err() {
            self.meter.notification_dropped();
        }
    }

    /// Progress under the client's token; `None` where it is not further than what was said
    /// before (all revisions: "the progress value MUST increase").
    fn progress(&mut self, params: Option<&Json>) -> Option<Vec<u8>> {
        let token = self.token.as_ref()?;
        let params = self.for_client(params?)?;
        let members = params.members().ok()?;
        let progress: f64 = members.read("progress")?;
        if self.reached.is_some_and(|reached| progress <= reached) {
            return None;
        }
        let mut out = Vec::with_capacity(128);
        let mut object = Object::open(&mut out);
        for (name, value) in members.iter() {
            let value =
                if name == "progressToken" { token.as_bytes() } else { value.get().as_bytes() };
            object.raw(name, value);
        }
        object.close();
        self.reached = Some(progress);
        Some(encode::notification(&Method::Progress, Some(&Json::written(out))))
    }

    fn log(&self, params: Option<&Json>, threshold: Option<LogLevel>) -> Option<Vec<u8>> {
        let threshold = threshold?;
        let params = params?;
        let level: String = params.members().ok()?.read("level")?;
        // A level that no revision has is nobody's to judge but the client's.
        let wanted = LogLevel::parse(&level).is_none_or(|level| level >= threshold);
        if !wanted {
            return None;
        }
        Some(encode::notification(&Method::LogMessage, Some(&self.for_client(params)?)))
    }

    /// Parameters without what their `_meta` says for one hop: what it says of subscriptions,
    /// versions and the like holds between the server and us, and a client believes it of us.
    fn for_client(&self, params: &Json) -> Option<Json> {
        without_hop_meta(params.clone(), self.version).ok()
    }
}

#[cfg(test)]
mod tests;
