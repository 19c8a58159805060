//! What a client said it can do, and whether that covers what a server asks of it.

use crate::error::{RpcError, code};
use crate::json::{Json, Members, Object, Raw};
use crate::method::Method;

/// The `ClientCapabilities` of a session or of one request.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent yes-or-no facts of the protocol")]
pub struct ClientCapabilities {
    sampling: bool,
    sampling_tools: bool,
    sampling_context: bool,
    form: bool,
    url: bool,
    roots: bool,
    /// As the client wrote them, for servers that are told per request.
    raw: Option<Json>,
}

/// What a request of a server needs and its client did not declare.
#[derive(Clone, Debug)]
pub struct Uncovered {
    /// A `ClientCapabilities` object that would cover it.
    pub required: Json,
    /// The kind of request itself is not declared, rather than a way of it.
    pub whole: bool,
    /// The request, for people.
    pub what: String,
}

impl ClientCapabilities {
    pub fn none() -> Self {
        Self::default()
    }

    /// Reads the object; members that are not what they must be declare nothing.
    pub fn read(json: Json) -> Self {
        let mut read = Self::default();
        let Ok(members) = json.members() else { return read };
        let part = |name: &str| members.get(name).and_then(|part| Members::parse(part).ok());
        if let Some(sampling) = part("sampling") {
            read.sampling = true;
            read.sampling_tools = is_object(sampling.get("tools"));
            read.sampling_context = is_object(sampling.get("context"));
        }
        if let Some(elicitation) = part("elicitation") {
            read.url = is_object(elicitation.get("url"));
            // An empty object is how revisions before the two modes declare the one there was.
            read.form = is_object(elicitation.get("form")) || !read.url;
        }
        read.roots = part("roots").is_some();
        Self { raw: Some(json), ..read }
    }

    /// As the client wrote them.
    pub fn as_json(&self) -> Json {
        self.raw.clone().unwrap_or_else(Json::empty_object)
    }

    /// The text of [`Self::as_json`].
    pub fn as_str(&self) -> &str {
        self.raw.as_ref().map_or("{}", Json::as_str)
    }

    /// As the client wrote them, but with `extension` declared or not: a gateway speaks some of
    /// them in its client's place, and keeps some for itself.
    pub fn with_extension(&self, extension: &str, declared: bool) -> Json {
        let whole = self.as_json();
        let members = whole.members().unwrap_or_default();
        let given = members.get("extensions").and_then(|given| Members::parse(given).ok());
        let given = given.unwrap_or_default();
        let mut kept: Vec<(&str, &str)> =
            given.iter().map(|(id, settings)| (id, settings.get())).collect();
        if !declared {
            kept.retain(|(id, _)| *id != extension);
        } else if !is_object(given.get(extension)) {
            kept.retain(|(id, _)| *id != extension);
            kept.push((extension, "{}"));
        }
        let mut out = Vec::with_capacity(whole.as_bytes().len() + extension.len() + 24);
        let mut object = Object::open(&mut out);
        for (name, value) in members.iter().filter(|(name, _)| *name != "extensions") {
            object.raw(name, value.get().as_bytes());
        }
        if !kept.is_empty() {
            let mut extensions = Object::open(object.member("extensions"));
            for (id, settings) in kept {
                extensions.raw(id, settings.as_bytes());
            }
            extensions.close();
        }
        object.close();
        Json::written(out)
    }

    /// Whether there is anything that a server may ask this client.
    pub fn can_be_asked(&self) -> bool {
        self.sampling || self.form || self.url || self.roots
    }

    /// Whether the client supports the extension `id`.
    pub fn has_extension(&self, id: &str) -> bool {
        let has = || {
            let members = self.raw.as_ref()?.members().ok()?;
            let extensions = Members::parse(members.get("extensions")?).ok()?;
            Some(is_object(extensions.get(id)))
        };
        has().unwrap_or(false)
    }

    /// Whether a server may ask this client `method` with `params`.
    ///
    /// # Errors
    ///
    /// [`Uncovered`] says what is missing.
    pub fn check(&self, method: &Method, params: Option<&Json>) -> Result<(), Uncovered> {
        let members = params.and_then(|params| params.members().ok());
        let has = |name: &str| members.as_ref().is_some_and(|m| m.get(name).is_some());
        let text = |name: &str| members.as_ref().and_then(|m| m.read::<String>(name));
        match method {
            Method::RootsList if !self.roots => {
                Err(Uncovered::new(method, r#"{"roots":{}}"#, true))
            }
            Method::RootsList => Ok(()),
            Method::CreateMessage if !self.sampling => {
                Err(Uncovered::new(method, r#"{"sampling":{}}"#, true))
            }
            Method::CreateMessage
                if (has("tools") || has("toolChoice")) && !self.sampling_tools =>
            {
                Err(Uncovered::new(method, r#"{"sampling":{"tools":{}}}"#, false))
            }
            Method::CreateMessage
                if !self.sampling_context
                    && matches!(
                        text("includeContext").as_deref(),
                        Some("thisServer" | "allServers")
                    ) =>
            {
                Err(Uncovered::new(method, r#"{"sampling":{"context":{}}}"#, false))
            }
            Method::CreateMessage => Ok(()),
            Method::Elicit => {
                let url = text("mode").as_deref() == Some("url");
                let (covered, required) = match url {
                    true => (self.url, r#"{"elicitation":{"url":{}}}"#),
                    false => (self.form, r#"{"elicitation":{"form":{}}}"#),
                };
                let whole = !self.form && !self.url;
                if covered { Ok(()) } else { Err(Uncovered::new(method, required, whole)) }
            }
            other => Err(Uncovered::new(other, "{}", true)),
        }
    }
}

/// Capabilities are declared by objects, mostly empty ones.
fn is_object(value: Option<Raw<'_>>) -> bool {
    value.is_some_and(|value| value.get().starts_with('{'))
}

impl Uncovered {
    fn new(method: &Method, required: &'static str, whole: bool) -> Self {
        let required = Json::written(required.as_bytes().to_vec());
        Self { required, whole, what: method.to_string() }
    }

    fn message(&self) -> String {
        format!("the client did not declare the capability for `{}`: {}", self.what, self.required)
    }

    /// What the server gets that asked.
    pub fn to_server(&self) -> RpcError {
        let code = if self.whole { code::METHOD_NOT_FOUND } else { code::INVALID_PARAMS };
        RpcError::new(code, self.message())
    }

    /// What a client of 2026-07-28 gets whose request would need it.
    pub fn to_client(&self) -> RpcError {
        let required: serde_json::Value = self.required.view().unwrap_or_default();
        RpcError::new(code::MISSING_CAPABILITY, self.message())
            .with_data(&serde_json::json!({ "requiredCapabilities": required }))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::ClientCapabilities;
    use crate::json::Json;
    use crate::method::Method;

    fn json(text: &str) -> Json {
        Json::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()
    }

    /// Puts a question `method params` to a client that declared `capabilities`.
    #[track_caller]
    fn check(capabilities: &str, question: &str, expected: &str) {
        let (method, params) = question.split_once(' ').unwrap_or((question, ""));
        let params = (!params.is_empty()).then(|| json(params));
        let client = ClientCapabilities::read(json(capabilities));
        let actual = match client.check(&Method::from(method), params.as_ref()) {
            Ok(()) => "ok".to_owned(),
            Err(missing) => format!("{} {}", missing.to_server().code, missing.required),
        };
        assert_eq!(actual, expected, "{question} of {capabilities}");
    }

    #[test]
    fn a_kind_is_declared_or_it_does_not_exist() {
        check("{}", "roots/list", r#"-32601 {"roots":{}}"#);
        check("{}", "sampling/createMessage {}", r#"-32601 {"sampling":{}}"#);
        check("{}", "elicitation/create {}", r#"-32601 {"elicitation":{"form":{}}}"#);
        check(r#"{"roots":{"listChanged":true}}"#, "roots/list", "ok");
        check(r#"{"sampling":{}}"#, "sampling/createMessage {}", "ok");
        check(r#"{"roots":{}}"#, "tools/list", "-32601 {}");
    }

    #[test]
    fn sampling_has_two_ways_of_its_own() {
        let tools = r#"sampling/createMessage {"tools":[]}"#;
        let choice = r#"sampling/createMessage {"toolChoice":{"mode":"none"}}"#;
        check(r#"{"sampling":{}}"#, tools, r#"-32602 {"sampling":{"tools":{}}}"#);
        check(r#"{"sampling":{}}"#, choice, r#"-32602 {"sampling":{"tools":{}}}"#);
        check(r#"{"sampling":{"tools":{}}}"#, tools, "ok");
        check(r#"{"sampling":{"tools":null}}"#, tools, r#"-32602 {"sampling":{"tools":{}}}"#);
        let context =
            |which: &str| format!(r#"sampling/createMessage {{"includeContext":"{which}"}}"#);
        let missing = r#"-32602 {"sampling":{"context":{}}}"#;
        check(r#"{"sampling":{}}"#, &context("none"), "ok");
        check(r#"{"sampling":{}}"#, &context("thisServer"), missing);
        check(r#"{"sampling":{"tools":{}}}"#, &context("allServers"), missing);
        check(r#"{"sampling":{"context":{}}}"#, &context("allServers"), "ok");
    }

    #[test]
    fn an_empty_elicitation_is_the_form() {
        let form = r#"elicitation/create {"mode":"form"}"#;
        let url = r#"elicitation/create {"mode":"url"}"#;
        for declared in [r#"{"elicitation":{}}"#, r#"{"elicitation":{"form":{}}}"#] {
            check(declared, "elicitation/create {}", "ok");
            check(declared, form, "ok");
            check(declared, url, r#"-32602 {"elicitation":{"url":{}}}"#);
        }
        check(r#"{"elicitation":{"url":{}}}"#, url, "ok");
        check(r#"{"elicitation":{"url":{}}}"#, form, r#"-32602 {"elicitation":{"form":{}}}"#);
        check(r#"{"elicitation":{"form":{},"url":{}}}"#, url, "ok");
    }

    #[test]
    fn what_is_not_what_it_must_be_declares_nothing() {
        check("[]", "roots/list", r#"-32601 {"roots":{}}"#);
        check(r#"{"roots":true}"#, "roots/list", r#"-32601 {"roots":{}}"#);
        check(r#"{"roots":{},"roots":{}}"#, "roots/list", r#"-32601 {"roots":{}}"#);
        check(r#"{"sampling":[]}"#, "sampling/createMessage", r#"-32601 {"sampling":{}}"#);
    }

    #[test]
    fn an_extension_is_declared_by_its_settings() {
        let client = ClientCapabilities::read(json(r#"{"extensions":{"a/b":{},"c/d":null}}"#));
        assert!(client.has_extension("a/b"));
        assert!(!client.has_extension("c/d"));
        assert!(!client.has_extension("e/f"));
        assert!(!ClientCapabilities::none().has_extension("a/b"));
    }

    #[test]
    fn an_extension_is_put_in_or_left_out() {
        let check = |given: &str, declared: bool, expected: &str| {
            let client = ClientCapabilities::read(json(given));
            assert_eq!(client.with_extension("a/b", declared).as_str(), expected, "{given}");
        };
        check("{}", false, "{}");
        check("{}", true, r#"{"extensions":{"a/b":{}}}"#);
        check("[]", true, r#"{"extensions":{"a/b":{}}}"#);
        check(r#"{"roots":{}}"#, true, r#"{"roots":{},"extensions":{"a/b":{}}}"#);
        let given = r#"{"extensions":{"a/b":{"x":1},"c/d":{}}}"#;
        check(given, true, given);
        check(given, false, r#"{"extensions":{"c/d":{}}}"#);
        check(r#"{"extensions":{"a/b":null}}"#, true, r#"{"extensions":{"a/b":{}}}"#);
        check(r#"{"extensions":{"a/b":null}}"#, false, "{}");
        check(r#"{"extensions":7}"#, true, r#"{"extensions":{"a/b":{}}}"#);
    }

    #[test]
    fn what_is_passed_on_is_an_object() {
        for odd in ["[]", "null", r#"{"roots":{},"roots":{}}"#] {
            assert_eq!(ClientCapabilities::read(json(odd)).as_json().as_str(), "{}", "{odd}");
        }
    }

    #[test]
    fn a_modern_client_is_told_what_to_declare() {
        let missing = ClientCapabilities::none().check(&Method::RootsList, None).unwrap_err();
        let error = missing.to_client();
        assert_eq!(error.code, -32021);
        assert_eq!(error.data.unwrap().as_str(), r#"{"requiredCapabilities":{"roots":{}}}"#);
    }
}
