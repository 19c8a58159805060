use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::json;
use switchboard_mcp::{Json, Method, ProtocolVersion, RpcError};

use super::agree;
use crate::link::{Call, Link, LinkError};
use crate::settings::EraChoice;

/// A server that answers as it is told, and keeps what it was asked.
struct Scripted {
    /// To one `server/discover` after another; to more of them, and to `silence`, nothing.
    answers: Mutex<VecDeque<&'static str>>,
    over_http: bool,
    asked: Mutex<Vec<String>>,
}

#[async_trait]
impl Link for Scripted {
    async fn ask(&self, call: Call<'_>) -> Result<Json, LinkError> {
        self.asked.lock().unwrap().push(call.method.to_string());
        if *call.method == Method::Initialize {
            let version = ProtocolVersion::NEWEST_LEGACY.as_str();
            return Ok(Json::encode(&json!({ "protocolVersion": version, "capabilities": {} })));
        }
        let answer = self.answers.lock().unwrap().pop_front();
        let refused = |code: i64, supported: &str| {
            let data = json!({ "supported": [supported] });
            Err(LinkError::Refused(RpcError::new(code, "no").with_data(&data)))
        };
        let answer = answer.unwrap_or("silence");
        match answer.split_once(' ').unwrap_or((answer, "")) {
            ("versions", version) => Ok(Json::encode(&json!({ "supportedVersions": [version] }))),
            ("empty", _) => Ok(Json::empty_object()),
            ("unsupported", version) => refused(-32022, version),
            ("unknown", _) => refused(-32601, ""),
            ("not-taken", _) => Err(LinkError::NotTaken("405".into())),
            ("broken", _) => Err(LinkError::Lost("broken".into())),
            _ => std::future::pending().await,
        }
    }

    async fn tell(&self, _: &Method) -> Result<(), LinkError> {
        Ok(())
    }

    fn agree(&self, _: ProtocolVersion) {}

    fn answers_everything(&self) -> bool {
        self.over_http
    }

    fn is_over(&self) -> bool {
        false
    }

    async fn lost(&self) -> String {
        std::future::pending().await
    }

    async fn close(&self) {}
}

/// Opens a link to a server that answers `server/discover` as said; the outcome is the revision, or
/// how it failed, and how often the server was asked what.
async fn open(over_http: bool, answers: &[&'static str]) -> String {
    let link = Arc::new(Scripted {
        answers: Mutex::new(answers.iter().copied().collect()),
        over_http,
        asked: Mutex::default(),
    });
    // Longer than any wait in between; time is paused.
    let limit = std::time::Duration::from_secs(60);
    let server = Arc::clone(&link) as Arc<dyn Link>;
    let outcome = match tokio::time::timeout(limit, agree(server, EraChoice::Auto)).await {
        Ok(Ok(opened)) => opened.facts.version.to_string(),
        Ok(Err(super::HandshakeError::Reopen(_))) => "reopen".to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "silence".to_owned(),
    };
    let asked = link.asked.lock().unwrap();
    let count = |method: &str| asked.iter().filter(|asked| *asked == method).count();
    format!("{outcome}, {} + {}", count("server/discover"), count("initialize"))
}

#[tokio::test(start_paused = true)]
async fn what_a_server_makes_of_discover_tells_its_era() {
    for (answers, expected) in [
        (&["versions 2026-07-28"][..], "2026-07-28, 1 + 0"),
        (&["unknown"], "2025-11-25, 1 + 1"),
        (&["empty"], "2025-11-25, 1 + 1"),
        (&["unsupported 2025-11-25"], "2025-11-25, 1 + 1"),
        (&["unsupported 2026-07-28", "versions 2026-07-28"], "2026-07-28, 2 + 0"),
        (&["not-taken"], "2025-11-25, 1 + 1"),
    ] {
        for over_http in [false, true] {
            assert_eq!(open(over_http, answers).await, expected, "{answers:?} {over_http}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_refused_and_named_is_tried_once_more() {
    let refused = open(true, &["unsupported 2026-07-28"; 3]).await;
    assert!(refused.starts_with("the server speaks no revision"), "{refused}");
    assert!(refused.ends_with("2 + 0"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn trouble_means_an_old_server_but_not_over_http() {
    assert_eq!(open(false, &["broken"]).await, "reopen, 1 + 0");
    assert_eq!(open(true, &["broken"]).await, "server/discover: broken, 1 + 0");
}

#[tokio::test(start_paused = true)]
async fn silence_means_an_old_server_but_not_over_http() {
    assert_eq!(open(false, &["silence"]).await, "2025-11-25, 1 + 1");
    assert_eq!(open(true, &["silence"]).await, "silence, 1 + 0");
}
