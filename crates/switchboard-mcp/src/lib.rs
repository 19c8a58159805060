//! MCP as data: messages, versions, framing and translation, with no I/O and no clock.
//!
//! The rule of this crate: what Switchboard does not have to understand stays the text it arrived
//! as. [`Json`] is a slice of the received bytes; ids, names and `_meta` are replaced by writing a
//! new text around the untouched parts, never by decoding and encoding a whole message. That is
//! what keeps tomorrow's fields, the order of keys and the spelling of numbers intact, and it is
//! also the cheapest way (see `benches/`).

mod capability;
mod error;
mod frame;
mod header;
mod json;
mod level;
mod line;
mod message;
mod meta;
mod method;
mod param_header;
mod pending;
mod question;
mod renumber;
mod rounds;
mod shape;
mod sse;
mod tasks;
mod translate;
mod uris;
mod version;

pub use capability::{ClientCapabilities, Uncovered};
pub use error::{RpcError, code};
pub use frame::{Frame, Naming};
pub use header::{decode_header, encode_header};
pub use json::{DEPTH_LIMIT, Json, Malformed, Members, Needle, Object, Raw};
pub use level::LogLevel;
pub use line::{LineError, Lines};
pub use message::{DecodeError, Incoming, RequestId, encode, split_batch};
pub use meta::{Envelope, MetaError, without_hop_meta};
pub use method::Method;
pub use param_header::{InvalidParamHeader, ParamHeaders};
pub use pending::{Full, Pending, WireId};
pub use question::{answer_to_server, question_to_client};
pub use renumber::{renumber, url_elicitations, with_uri};
pub use rounds::{
    Answers, InputRequest, InputRequired, fingerprint, with_answers, without_answers,
};
pub use sse::{Event, SseDecoder, SseError, encode_event, encode_event_with};
pub use tasks::{
    TASKS_EXTENSION, Task, TaskGeneration, TaskStatus, TaskWish, encode_task_list, related_task,
    rewrite_task_ids, with_related_task,
};
pub use translate::{Hint, Scope, to_client};
pub use uris::{rewrite_error_uris, rewrite_item_uris, rewrite_uris};
pub use version::{Era, ProtocolVersion};
