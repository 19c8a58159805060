//! Headers that say again what the body says, for those between us and the server.

use std::borrow::Cow;

use http::{HeaderName, HeaderValue, Request};
use switchboard_mcp::{Era, Method, Naming, ProtocolVersion, encode_header};

use crate::link::Call;

pub(super) const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");

/// Puts what `version` wants said into the headers of `request`.
pub(super) fn mirror<B>(request: &mut Request<B>, version: ProtocolVersion, call: &Call<'_>) {
    let headers = request.headers_mut();
    // A legacy client names the version once it is agreed on, which `initialize` does.
    if *call.method != Method::Initialize {
        headers.insert(VERSION, HeaderValue::from_static(version.as_str()));
    }
    if version.era() == Era::Legacy {
        return;
    }
    // A method name that no header can carry is answered by the server as it likes.
    let mut put = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    };
    put(METHOD, call.method.as_str());
    if let Some(name) = subject(call) {
        put(NAME, &encode_header(&name));
    }
    for (name, value) in call.headers {
        // The names were checked when the tool was read.
        if let Ok(name) = HeaderName::try_from(name) {
            put(name, value);
        }
    }
}

/// What the request is about, where a header has to say it.
fn subject<'a>(call: &Call<'a>) -> Option<Cow<'a, str>> {
    let member = call.method.mirrored()?;
    match call.naming {
        Naming::Member(_, name) => Some(name.into()),
        Naming::Same | Naming::Reference(..) => {
            let name = call.params?.members().ok()?.read::<String>(member)?;
            Some(name.into())
        }
    }
}
