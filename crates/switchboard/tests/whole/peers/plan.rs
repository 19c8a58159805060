//! What a client is told to do, and whether it saw what it must.

use serde_json::{Value, json};

/// What a tool does beyond answering with text.
#[derive(Clone, Copy, Debug)]
pub(super) enum Feature {
    Structure,
    Progress,
    Elicitation,
    Sampling,
}

impl Feature {
    pub(super) const ALL: &'static [Self] =
        &[Self::Structure, Self::Progress, Self::Elicitation, Self::Sampling];

    /// A tool of server-everything; the servers of `tests-peers/servers` have them too.
    pub(super) fn tool(self) -> &'static str {
        match self {
            Self::Structure => "get-structured-content",
            Self::Progress => "trigger-long-running-operation",
            Self::Elicitation => "trigger-elicitation-request",
            Self::Sampling => "trigger-sampling-request",
        }
    }

    fn arguments(self) -> Value {
        match self {
            Self::Structure => json!({ "location": "New York" }),
            Self::Progress => json!({ "duration": 0.3, "steps": 3 }),
            Self::Elicitation => json!({}),
            Self::Sampling => json!({ "prompt": "a poem", "maxTokens": 7 }),
        }
    }

    /// What the text of the answer has in it: the clients say that their name is Ada, and that a
    /// model gave "a sampled answer".
    fn answer(self) -> &'static str {
        match self {
            Self::Structure => "Cloudy",
            Self::Progress => "3",
            Self::Elicitation => "Ada",
            Self::Sampling => "a sampled answer",
        }
    }

    /// Whether the client, which saw `call` of this, saw all of it.
    fn is_seen(self, call: &Value, progress: Seen) -> bool {
        let answer = call["result"]["content"].to_string();
        let asked = |kind: &str, words: &str| match call[kind].as_array().unwrap().as_slice() {
            [] => words.is_empty(),
            [one] => !words.is_empty() && one.as_str().is_some_and(|one| one.contains(words)),
            _ => false,
        };
        let (elicited, sampled) = match self {
            Self::Structure | Self::Progress => ("", ""),
            Self::Elicitation => ("Please", ""),
            Self::Sampling => ("", "a poem"),
        };
        let own = match self {
            Self::Structure => {
                call["result"]["structuredContent"]["humidity"].as_f64() == Some(82.0)
            }
            Self::Progress => progress.is_met(&call["progress"]),
            Self::Elicitation | Self::Sampling => true,
        };
        answer.contains(self.answer())
            && call["result"]["isError"] != true
            && asked("elicited", elicited)
            && asked("sampled", sampled)
            && own
    }
}

/// How much of its progress notifications a client sees.
#[derive(Clone, Copy, Debug)]
pub(super) enum Seen {
    All,
    /// Some from the first on. TypeScript's SDKs handle an answer at once and a notification that
    /// came in the same read after it, when nobody listens for progress any more.
    FirstOnes,
}

impl Seen {
    /// Three steps of three were reported.
    fn is_met(self, progress: &Value) -> bool {
        let seen: Option<Vec<_>> = progress
            .as_array()
            .unwrap()
            .iter()
            .map(|step| Some((step[0].as_f64()?, step[1].as_f64()?)))
            .collect();
        let Some(seen) = seen else { return false };
        let sent = [(1.0, 3.0), (2.0, 3.0), (3.0, 3.0)];
        match self {
            Self::All => seen == sent,
            Self::FirstOnes => !seen.is_empty() && sent.starts_with(&seen),
        }
    }
}

/// The calls of one client: every feature of every upstream, one after the other.
pub(super) struct Plan<'a> {
    calls: Vec<(&'a str, Feature)>,
}

impl<'a> Plan<'a> {
    pub(super) fn new(upstreams: impl IntoIterator<Item = (&'a str, &'a [Feature])>) -> Self {
        let calls = upstreams.into_iter().flat_map(|(upstream, features)| {
            features.iter().map(move |feature| (upstream, *feature))
        });
        Self { calls: calls.collect() }
    }

    /// As the clients take it.
    pub(super) fn encode(&self, mode: &str) -> String {
        let calls: Vec<_> = self
            .calls
            .iter()
            .map(|(upstream, feature)| {
                let tool = format!("{upstream}__{}", feature.tool());
                json!({ "tool": tool, "arguments": feature.arguments() })
            })
            .collect();
        json!({ "mode": mode, "calls": calls }).to_string()
    }

    /// A line for each call of which the client, which printed `seen`, did not see everything, from
    /// the tool in the list on.
    pub(super) fn faults(&self, seen: &Value, progress: Seen) -> Vec<String> {
        let calls = seen["calls"].as_array().unwrap();
        assert_eq!(calls.len(), self.calls.len(), "{seen}");
        let tools = seen["tools"].as_array().unwrap();
        let calls = self.calls.iter().zip(calls);
        calls
            .filter(|((_, feature), call)| {
                !(tools.contains(&call["tool"]) && feature.is_seen(call, progress))
            })
            .map(|((upstream, feature), call)| format!("{upstream}, {feature:?}: {call}"))
            .collect()
    }
}
