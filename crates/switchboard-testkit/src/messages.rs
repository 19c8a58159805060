//! Random messages, valid and not, from a seed: what a differential run sends both ways.
//!
//! Left out is what two servers may rightly answer differently: requests that wait, ask back or
//! change lists, and lists with pages.

use std::fmt::Write as _;

use switchboard_mcp::ProtocolVersion;

pub struct Messages {
    random: Random,
    version: ProtocolVersion,
    /// Stands in the addresses of the server's resources.
    server: String,
    next: u64,
}

/// xorshift64*: enough to choose with, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let mixed = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(mixed).unwrap() % bound
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

/// Tools that answer at once and by themselves.
const TOOLS: &[&str] = &[
    "echo",
    "echo",
    "echo",
    "structured",
    "scalar",
    "kinds",
    "audio",
    "link",
    "progress",
    "fail",
    "refuse",
    "log",
    "no_such_tool",
    "",
];

/// Numbers and texts as few writers write them.
const ATOMS: &[&str] = &[
    "0",
    "-0",
    "1.10",
    "1E+2",
    "9007199254740993",
    "-1e-7",
    "true",
    "false",
    "null",
    "\"\"",
    "\"\\u00e4\\/\"",
    "\"\u{e4}\u{1F980}\"",
    "\"a\\\"b\\\\\"",
    "[]",
    "{}",
    "[ 1 ,2]",
];

const NAMES: &[&str] =
    &["a", "name", "uri", "x-future", "_meta", "id", "method", "\u{e4}", "", "cursor", "task"];

impl Messages {
    pub fn new(seed: u64, version: ProtocolVersion, server: &str) -> Self {
        Self { random: Random(seed | 1), version, server: server.to_owned(), next: 1 }
    }

    /// The next message; most are valid.
    pub fn message(&mut self) -> String {
        let (method, params) = self.request();
        match self.random.below(10) {
            0 => self.broken(&method, &params),
            1 => self.malformed(&method, &params),
            _ => {
                let id = self.id();
                self.whole("\"2.0\"", Some(&id), &format!("\"{method}\""), Some(&params))
            }
        }
    }

    fn is_modern(&self) -> bool {
        self.version == ProtocolVersion::MODERN
    }

    fn id(&mut self) -> String {
        self.next += 1;
        let next = self.next;
        match self.random.below(6) {
            0 => format!("\"id-{next}\""),
            1 => format!("\"\\u00e4 {next}\""),
            2 => format!("-{next}"),
            3 => format!("{}", 9_007_199_254_740_000 + next),
            _ => next.to_string(),
        }
    }

    /// The members of a message, in any order and with any blanks.
    fn whole(
        &mut self,
        jsonrpc: &str,
        id: Option<&str>,
        method: &str,
        params: Option<&str>,
    ) -> String {
        let mut members = vec![format!("\"jsonrpc\":{jsonrpc}"), format!("\"method\": {method}")];
        members.extend(id.map(|id| format!("\"id\" :{id}")));
        members.extend(params.map(|params| format!("\"params\":{params}")));
        if self.random.one_in(8) {
            members.push("\"x-future\":{\"n\":1.10}".to_owned());
        }
        for last in (1..members.len()).rev() {
            members.swap(last, self.random.below(last + 1));
        }
        let comma = self.random.pick(&[",", " , ", ",\t"]);
        format!("{{{}}}", members.join(comma))
    }

    /// Method and parameters of a request that every server of the revision can read.
    fn request(&mut self) -> (String, String) {
        let server = self.server.clone();
        let (method, mut members) = match self.random.below(12) {
            0..=4 => {
                let tool = self.random.pick(TOOLS);
                let arguments = self.object(3);
                ("tools/call", format!("\"name\":\"{tool}\",\"arguments\":{arguments}"))
            }
            5 | 6 => {
                let what =
                    self.random.pick(&["text", "blob", "items/7", "items/none", "items/%20", "?"]);
                ("resources/read", format!("\"uri\":\"test://{server}/{what}\""))
            }
            7 => {
                let who = self.random.pick(&["\"Ann\"", "\"\"", "\"\\u00e4\"", "7", "null"]);
                let name = self.random.pick(&["greet", "greet", "none"]);
                ("prompts/get", format!("\"name\":\"{name}\",\"arguments\":{{\"who\":{who}}}"))
            }
            8 => {
                let value = self.random.pick(&["\"a\"", "\"\"", "7"]);
                let argument = format!("\"argument\":{{\"name\":\"who\",\"value\":{value}}}");
                let kind = self.random.pick(&["ref/prompt", "ref/prompt", "ref/other"]);
                let reference = format!("\"ref\":{{\"type\":\"{kind}\",\"name\":\"greet\"}}");
                ("completion/complete", format!("{reference},{argument}"))
            }
            9 => {
                let lists = ["prompts/list", "resources/list", "resources/templates/list"];
                (self.random.pick(&lists), String::new())
            }
            10 if !self.is_modern() => {
                let level = self.random.pick(&["info", "error", "debug", "loud"]);
                ("logging/setLevel", format!("\"level\":\"{level}\""))
            }
            10 => ("ping", String::new()),
            _ => {
                // A header cannot repeat every name (2026-07-28, "Streamable HTTP").
                let last = if self.is_modern() { "tools/*" } else { "\u{e4}" };
                let method = self.random.pick(&["ping", "no/such", "tools/none", last]);
                (method, String::new())
            }
        };
        if self.random.one_in(4) {
            let more = format!("\"x-future\":{}", self.value(2));
            members = join(&[&members, &more]);
        }
        if let Some(meta) = self.meta() {
            members = join(&[&members, &format!("\"_meta\":{meta}")]);
        }
        (method.to_owned(), format!("{{{members}}}"))
    }

    fn meta(&mut self) -> Option<String> {
        let mut members = Vec::new();
        if self.is_modern() {
            let version = if self.random.one_in(40) { "2031-01-01" } else { "2026-07-28" };
            members.push(format!("\"io.modelcontextprotocol/protocolVersion\":\"{version}\""));
            members.push("\"io.modelcontextprotocol/clientCapabilities\":{}".to_owned());
            if self.random.one_in(40) {
                members.remove(self.random.below(2));
            }
            if self.random.one_in(10) {
                let level = self.random.pick(&["warning", "debug"]);
                members.push(format!("\"io.modelcontextprotocol/logLevel\":\"{level}\""));
            }
        }
        if self.random.one_in(5) {
            members.push(format!("\"example.org/x\":{}", self.value(2)));
        }
        if self.random.one_in(5) {
            members.push(format!("\"progressToken\":\"token {}\"", self.next));
        }
        (!members.is_empty()).then(|| format!("{{{}}}", members.join(",")))
    }

    fn value(&mut self, depth: usize) -> String {
        match self.random.below(4) {
            0 if depth > 0 => self.object(depth - 1),
            1 if depth > 0 => {
                let items: Vec<_> =
                    (0..self.random.below(3)).map(|_| self.value(depth - 1)).collect();
                format!("[{}]", items.join(", "))
            }
            _ => self.random.pick(ATOMS).to_owned(),
        }
    }

    fn object(&mut self, depth: usize) -> String {
        let mut out = "{".to_owned();
        let mut names = NAMES.to_vec();
        for index in 0..self.random.below(4) {
            let name = names.remove(self.random.below(names.len()));
            let comma = if index > 0 { "," } else { "" };
            write!(out, "{comma}\"{name}\":{}", self.value(depth)).unwrap();
        }
        out + "}"
    }

    /// A message that is one, with something wrong inside.
    fn broken(&mut self, method: &str, params: &str) -> String {
        let id = self.id();
        let wrong = self.value(1);
        let method = format!("\"{method}\"");
        match self.random.below(7) {
            0 => self.whole("\"2.0\"", Some(&id), &method, None),
            1 => self.whole("\"2.0\"", Some(&id), &method, Some(&wrong)),
            2 => self.whole("\"1.0\"", Some(&id), &method, Some(params)),
            3 => self.whole("\"2.0\"", Some("[1]"), &method, Some(params)),
            4 => self.whole("\"2.0\"", Some(&id), "7", Some(params)),
            5 => self.whole("\"2.0\"", None, "\"notifications/unknown\"", Some("{}")),
            _ => {
                let params = match params.split_once("\"name\":\"") {
                    Some((before, after)) => format!("{before}\"name\":7,\"x\":\"{after}"),
                    None => params.replacen("\"uri\":\"", "\"uri\":[],\"x\":\"", 1),
                };
                self.whole("\"2.0\"", Some(&id), &method, Some(&params))
            }
        }
    }

    /// No message at all.
    fn malformed(&mut self, method: &str, params: &str) -> String {
        let id = self.id();
        let text = self.whole("\"2.0\"", Some(&id), &format!("\"{method}\""), Some(params));
        match self.random.below(6) {
            0 => {
                let mut end = self.random.below(text.len()).max(1);
                while !text.is_char_boundary(end) {
                    end -= 1;
                }
                text[..end].to_owned()
            }
            1 => format!("{text}}}"),
            2 => text.replacen(':', "=", 1),
            3 => "null".to_owned(),
            4 => "\"text\"".to_owned(),
            _ => format!("{{\"jsonrpc\":\"2.0\",\"id\":{id}}}"),
        }
    }
}

fn join(parts: &[&str]) -> String {
    let parts: Vec<_> = parts.iter().filter(|part| !part.is_empty()).copied().collect();
    parts.join(",")
}
