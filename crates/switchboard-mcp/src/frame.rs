//! A request as it goes to a server: the client's parameters with what belongs to our hop replaced.

use std::borrow::Cow;

use crate::json::{Json, Malformed, Members, Object};
use crate::meta::is_for_neighbour;
use crate::method::Method;
use crate::pending::WireId;

/// One request or notification for an upstream.
#[derive(Debug)]
pub struct Frame<'a> {
    /// Our own id on this connection; `None` for a notification.
    pub id: Option<WireId>,
    pub method: &'a Method,
    /// As the client sent them.
    pub params: Option<&'a Json>,
    pub naming: Naming<'a>,
    /// Members of `_meta` that the server's revision requires, values already written; empty for a
    /// server of the legacy era.
    pub envelope: &'a [(&'static str, Cow<'a, str>)],
    /// Whether the server may report progress; it does so under the request's own id.
    pub progress: bool,
}

/// What the server calls the thing that the client asked for.
#[derive(Clone, Copy, Debug)]
pub enum Naming<'a> {
    /// As the client calls it.
    Same,
    /// The member `.0` of `params` is to be `.1`.
    Member(&'static str, &'a str),
    /// The member `.0` of `params.ref` is to be `.1` (`completion/complete`).
    Reference(&'static str, &'a str),
}

impl Frame<'_> {
    /// Writes the message on one line, without the line end.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when the parameters have a member twice or are no object.
    pub fn encode(&self) -> Result<Vec<u8>, Malformed> {
        let size = self.params.map_or(0, |params| params.as_bytes().len());
        let mut out = Vec::with_capacity(size + 128 + 160 * self.envelope.len());
        out.extend_from_slice(b"{\"jsonrpc\":\"2.0\"");
        if let Some(WireId(id)) = self.id {
            out.extend_from_slice(format!(",\"id\":{id}").as_bytes());
        }
        out.extend_from_slice(b",\"method\":");
        Json::write_string(&mut out, self.method.as_str());
        self.write_params(&mut out)?;
        out.push(b'}');
        // Line ends in JSON stand between tokens only, where a space means the same.
        if memchr::memchr2(b'\n', b'\r', &out).is_some() {
            for byte in out.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
                *byte = b' ';
            }
        }
        Ok(out)
    }

    fn write_params(&self, out: &mut Vec<u8>) -> Result<(), Malformed> {
        let members = self.params.map(Json::members).transpose()?.unwrap_or_default();
        let meta = members.get("_meta").map(Members::parse).transpose()?.unwrap_or_default();
        let token = self.id.filter(|_| self.progress);
        let has_own = token.is_some() || !self.envelope.is_empty();
        if self.params.is_none() && !has_own {
            return Ok(());
        }
        out.extend_from_slice(b",\"params\":");
        let mut params = Object::open(out);
        // In another case it could be taken for the one that is written below.
        let is_meta = |name: &str| name.eq_ignore_ascii_case("_meta");
        for (name, value) in members.iter().filter(|(name, _)| !is_meta(name)) {
            match self.naming {
                Naming::Member(member, own) if member == name => {
                    params.text(name, own);
                }
                Naming::Reference(member, own) if name == "ref" => {
                    write_reference(params.member(name), &Members::parse(value)?, member, own);
                }
                _ => {
                    params.raw(name, value.get().as_bytes());
                }
            }
        }
        let foreign = || meta.iter().filter(|(name, _)| !is_for_neighbour(name));
        if has_own || foreign().next().is_some() {
            let mut object = Object::open(params.member("_meta"));
            for (name, value) in foreign() {
                object.raw(name, value.get().as_bytes());
            }
            if let Some(WireId(token)) = token {
                object.raw("progressToken", token.to_string().as_bytes());
            }
            for (name, value) in self.envelope {
                object.raw(name, value.as_bytes());
            }
            object.close();
        }
        params.close();
        Ok(())
    }
}

fn write_reference(out: &mut Vec<u8>, reference: &Members<'_>, member: &str, own: &str) {
    let mut object = Object::open(out);
    for (name, value) in reference.iter() {
        if name == member {
            object.text(name, own);
        } else {
            object.raw(name, value.get().as_bytes());
        }
    }
    object.close();
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Frame, Naming};
    use crate::json::Json;
    use crate::method::Method;
    use crate::pending::WireId;

    #[track_caller]
    fn check(params: &str, naming: Naming<'_>, modern: bool, expected: &str) {
        let params = (!params.is_empty())
            .then(|| Json::parse(Bytes::copy_from_slice(params.as_bytes())).unwrap());
        let envelope = [("io.modelcontextprotocol/protocolVersion", "\"2026-07-28\"".into())];
        let frame = Frame {
            id: Some(WireId(5)),
            method: &Method::Ping,
            params: params.as_ref(),
            naming,
            envelope: if modern { &envelope } else { &[] },
            progress: modern,
        };
        let line = String::from_utf8(frame.encode().unwrap()).unwrap();
        let head = r#"{"jsonrpc":"2.0","id":5,"method":"ping""#;
        assert_eq!(line.strip_prefix(head).unwrap().strip_suffix('}').unwrap(), expected);
    }

    #[test]
    fn parameters_pass_untouched_but_for_the_name_and_the_hop() {
        let call = r#"{"name":"git__log","arguments":{ "n": 1.10,"name":"x" },"later":null}"#;
        check(
            call,
            Naming::Member("name", "log"),
            false,
            r#","params":{"name":"log","arguments":{ "n": 1.10,"name":"x" },"later":null}"#,
        );
        check("", Naming::Same, false, "");
        check("{\n}", Naming::Same, false, r#","params":{}"#);
        check(
            r#"{"_meta":{"progressToken":1,"io.modelcontextprotocol/x":2}}"#,
            Naming::Same,
            false,
            r#","params":{}"#,
        );
        check(
            r#"{"_meta":{"traceparent":"00-1","progressToken":1}}"#,
            Naming::Same,
            false,
            r#","params":{"_meta":{"traceparent":"00-1"}}"#,
        );
    }

    #[test]
    fn a_modern_server_gets_its_envelope() {
        let own = r#""progressToken":5,"io.modelcontextprotocol/protocolVersion":"2026-07-28""#;
        check("", Naming::Same, true, &format!(r#","params":{{"_meta":{{{own}}}}}"#));
        check(
            r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"1","a/b":2},"uri":"x"}"#,
            Naming::Member("uri", "y"),
            true,
            &format!(r#","params":{{"uri":"y","_meta":{{"a/b":2,{own}}}}}"#),
        );
    }

    #[test]
    fn what_the_client_declared_goes_on_in_our_words() {
        let params = Json::parse(Bytes::from_static(
            br#"{"name":"t","_meta":{"io.modelcontextprotocol/clientCapabilities":{"x":1},"io.modelcontextprotocol/logLevel":"debug","io.modelcontextprotocol/related-task":{"taskId":"theirs"},"traceparent":"00-1"}}"#,
        ));
        let envelope = [
            ("io.modelcontextprotocol/clientCapabilities", r#"{"roots":{}}"#.into()),
            ("io.modelcontextprotocol/logLevel", "\"info\"".into()),
            ("io.modelcontextprotocol/related-task", r#"{"taskId":"ours"}"#.into()),
        ];
        let frame = Frame {
            id: Some(WireId(1)),
            method: &Method::ToolsCall,
            params: Some(&params.unwrap()),
            naming: Naming::Same,
            envelope: &envelope,
            progress: false,
        };
        let expected = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","_meta":{"traceparent":"00-1","io.modelcontextprotocol/clientCapabilities":{"roots":{}},"io.modelcontextprotocol/logLevel":"info","io.modelcontextprotocol/related-task":{"taskId":"ours"}}}}"#;
        assert_eq!(String::from_utf8(frame.encode().unwrap()).unwrap(), expected);
    }

    #[test]
    fn what_looks_like_our_members_does_not_stand_beside_them() {
        let own = r#""progressToken":5,"io.modelcontextprotocol/protocolVersion":"2026-07-28""#;
        check(
            r#"{"_meta":{"ProgressToken":1,"IO.modelcontextprotocol/protocolVersion":"1","a":2},"x":1}"#,
            Naming::Same,
            true,
            &format!(r#","params":{{"x":1,"_meta":{{"a":2,{own}}}}}"#),
        );
        check(
            r#"{"_Meta":{"progressToken":1}}"#,
            Naming::Same,
            true,
            &format!(r#","params":{{"_meta":{{{own}}}}}"#),
        );
    }

    #[test]
    fn a_completion_names_what_it_completes_inside_its_reference() {
        check(
            r#"{"ref":{"type":"ref/prompt","name":"git__commit"},"argument":{"name":"git__commit"}}"#,
            Naming::Reference("name", "commit"),
            false,
            r#","params":{"ref":{"type":"ref/prompt","name":"commit"},"argument":{"name":"git__commit"}}"#,
        );
    }

    #[test]
    fn line_ends_between_tokens_become_spaces() {
        check("{\"a\":\r\n[1,\n2]}", Naming::Same, false, r#","params":{"a":[1, 2]}"#);
    }
}
