//! How much a client may leave unread.

use std::sync::atomic::{AtomicUsize, Ordering};

use switchboard_mcp::{RequestId, RpcError, code, encode};

/// The bytes of long answers that wait for a client to read them.
///
/// Many requests may be under way, and each may have a long answer. Servers are not kept waiting for
/// one client, so what comes back for one that does not read would pile up here.
#[derive(Default)]
pub(crate) struct Unread(AtomicUsize);

/// Answers that are not counted: as many as may be under way are little beside [`MOST`].
const SHORT: usize = 64 << 10;

/// What may wait. One answer always may, of whatever length is taken from servers.
const MOST: usize = 16 << 20;

impl Unread {
    /// The answer if there is room for it, and otherwise an error in its place: it was carried out,
    /// and nobody should do it again for that.
    pub(crate) fn kept(&self, id: &RequestId, answer: Vec<u8>) -> Vec<u8> {
        let length = answer.len();
        if length < SHORT {
            return answer;
        }
        let entered = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |waiting| {
            (waiting == 0 || waiting + length <= MOST).then_some(waiting + length)
        });
        let Err(waiting) = entered else { return answer };
        let message = format!(
            "an answer of {length} bytes was not kept: {waiting} bytes of others wait for this client to \
             read them; the request was carried out"
        );
        let data = serde_json::json!({ "reason": "unread", "retry": false });
        encode::error(Some(id), &RpcError::new(code::INTERNAL, message).with_data(&data))
    }

    /// A message leaves for the client.
    pub(crate) fn leaves(&self, message: &[u8]) {
        if SHORT <= message.len() {
            // Some were never counted: what a server says by itself is let go of instead where there is
            // no room in the queue.
            let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |waiting| {
                Some(waiting.saturating_sub(message.len()))
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use switchboard_mcp::RequestId;

    use super::{MOST, SHORT, Unread};

    #[test]
    fn what_is_not_read_has_a_bound() {
        let (unread, id) = (Unread::default(), RequestId::from_number(7));
        let long = || vec![b' '; MOST / 2];
        // One may be as long as it likes, and short ones always go.
        assert_eq!(unread.kept(&id, vec![b' '; 2 * MOST]).len(), 2 * MOST);
        let refused = String::from_utf8(unread.kept(&id, long())).unwrap();
        assert!(refused.contains("\"id\":7") && refused.contains("\"unread\""), "{refused}");
        assert_eq!(unread.kept(&id, vec![b' '; SHORT - 1]).len(), SHORT - 1);
        unread.leaves(&vec![b' '; 2 * MOST]);
        for _ in 0..2 {
            assert_eq!(unread.kept(&id, long()).len(), MOST / 2);
        }
        assert!(unread.kept(&id, long()).len() < SHORT);
        unread.leaves(&long());
        assert_eq!(unread.kept(&id, long()).len(), MOST / 2);
    }
}
