//! What servers ask and say on the way, and what clients of a session subscribe to, over each
//! carrier of conversations.

use switchboard_mcp::LogLevel;

use crate::carrier::{Carrier, Talk};
use crate::conversations::cancelled;
use crate::house::{House, has, initialize, lacks, new, old};

const DECLARED: &str = "\"elicitation\":{},\"roots\":{}";

/// A call of the tool that asks the client to fill in a form.
fn ask(id: &str) -> String {
    let form =
        "{\"message\":\"name?\",\"requestedSchema\":{\"type\":\"object\",\"properties\":{}}}";
    let arguments = format!("{{\"method\":\"elicitation/create\",\"params\":{form}}}");
    old(id, "tools/call", &format!("\"name\":\"ask\",\"arguments\":{arguments}"))
}

/// The id of a question.
fn id_of(question: &str) -> String {
    let question: serde_json::Value = serde_json::from_str(question).unwrap();
    question["id"].to_string()
}

fn answer(id: &str, name: &str) -> String {
    let result = format!("{{\"action\":\"accept\",\"content\":{{\"name\":\"{name}\"}}}}");
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}")
}

pub(crate) async fn a_question_goes_to_the_client_and_its_answer_back() {
    let house = House::new().await;
    for carrier in Carrier::ALL {
        be_asked(&house, carrier).await;
    }
    house.end().await;
}

async fn be_asked(house: &House, carrier: Carrier) {
    let mut talk = Talk::declaring(house, carrier, "2025-11-25", DECLARED).await;
    let question = talk.ask(&ask("\"call\"")).await;
    has(&question, "\"method\":\"elicitation/create\",\"params\":{\"message\":\"name?\"");
    // Other things go on meanwhile.
    has(&talk.ask(&old("2", "ping", "")).await, "\"id\":2,\"result\":{}");
    let answered = talk.ask(&answer(&id_of(&question), "ann")).await;
    has(&answered, "\"id\":\"call\",\"result\"");
    has(&answered, "\"answer\":{\"action\":\"accept\",\"content\":{\"name\":\"ann\"}}");
    // A client may refuse, and may answer what is none.
    let question = talk.ask(&ask("3")).await;
    let refusal = "\"error\":{\"code\":-1,\"message\":\"not now\"}";
    let refused = format!("{{\"jsonrpc\":\"2.0\",\"id\":{},{refusal}}}", id_of(&question));
    has(&talk.ask(&refused).await, "not now");
    let question = talk.ask(&ask("4")).await;
    let malformed = format!("{{\"jsonrpc\":\"2.0\",\"id\":{}}}", id_of(&question));
    match carrier {
        // It was refused where it was sent; the question stays open.
        Carrier::Sse => {}
        Carrier::Lines | Carrier::WebSocket => {
            has(&talk.ask(&malformed).await, "\"id\":4,\"error\"");
        }
    }
    let roots = "\"name\":\"ask\",\"arguments\":{\"method\":\"roots/list\"}";
    let question = talk.ask(&old("5", "tools/call", roots)).await;
    has(&question, "\"method\":\"roots/list\"");
    has(&talk.ask(&answer(&id_of(&question), "x")).await, "\"id\":5,\"result\"");
    let sampling = roots.replace("roots/list", "sampling/createMessage");
    let undeclared = talk.ask(&old("6", "tools/call", &sampling)).await;
    has(&undeclared, "\"id\":6,\"error\":{\"code\":-32601");
}

/// A question in which a server says what only we may say to the client.
const FORGED: &str = "{\"message\":\"name?\",\"requestedSchema\":{\"type\":\"object\",\"properties\":{}},\
    \"_meta\":{\"io.modelcontextprotocol/subscriptionId\":\"forged\",\"progressToken\":\"forged\",\
    \"io.modelcontextprotocol/serverInfo\":\"forged\",\"example.org/kept\":\"kept\"}}";

pub(crate) async fn what_a_server_says_to_its_neighbour_is_not_put_to_the_client() {
    let house = House::new().await;
    let call = format!(
        "\"name\":\"ask\",\"arguments\":{{\"method\":\"elicitation/create\",\"params\":{FORGED}}}"
    );
    for carrier in Carrier::ALL {
        let mut talk = Talk::declaring(&house, carrier, "2025-11-25", DECLARED).await;
        let question = talk.ask(&old("1", "tools/call", &call)).await;
        has(&question, "\"_meta\":{\"example.org/kept\":\"kept\"}");
        lacks(&question, "forged");
    }
    for carrier in Carrier::OF_BOTH_ERAS {
        let mut talk = Talk::begin(&house, carrier).await;
        let declared = "\"io.modelcontextprotocol/clientCapabilities\":{\"elicitation\":{}}";
        let request = new("1", "tools/call", &call, "")
            .replace("\"io.modelcontextprotocol/clientCapabilities\":{}", declared);
        let questions = talk.ask(&request).await;
        has(&questions, "\"inputRequests\"");
        has(&questions, "\"_meta\":{\"example.org/kept\":\"kept\"}");
        lacks(&questions, "forged");
    }
    house.end().await;
}

pub(crate) async fn an_answer_counts_in_its_own_session_only() {
    let house = House::new().await;
    for carrier in Carrier::ALL {
        let mut ann = Talk::declaring(&house, carrier, "2025-11-25", DECLARED).await;
        let mut bob = Talk::declaring(&house, carrier, "2025-11-25", DECLARED).await;
        let question = ann.ask(&ask("1")).await;
        let id = id_of(&question);
        // Never asked there, or not yet: nobody's answer.
        bob.say(answer(&id, "mallory")).await;
        ann.say(answer("999", "mallory")).await;
        ann.say(answer("\"x\"", "mallory")).await;
        has(&bob.ask(&old("2", "ping", "")).await, "\"id\":2,");
        has(&ann.ask(&old("2", "ping", "")).await, "\"id\":2,");
        let answered = ann.ask(&answer(&id, "ann")).await;
        has(&answered, "\"name\":\"ann\"");
        // And it counts once.
        ann.say(answer(&id, "late")).await;
        has(&ann.ask(&old("3", "ping", "")).await, "\"id\":3,");
    }
    house.end().await;
}

pub(crate) async fn a_call_that_ends_takes_its_question_back() {
    let house = House::new().await;
    for carrier in Carrier::ALL {
        let mut talk = Talk::declaring(&house, carrier, "2025-11-25", DECLARED).await;
        let id = id_of(&talk.ask(&ask("1")).await);
        let taken_back = talk.ask(&cancelled("1")).await;
        has(&taken_back, "notifications/cancelled");
        has(&taken_back, &format!("\"requestId\":{id}"));
        talk.say(answer(&id, "late")).await;
        has(&talk.ask(&old("2", "ping", "")).await, "\"id\":2,");
    }
    house.end().await;
}

pub(crate) async fn the_log_is_as_detailed_as_the_client_wants() {
    let house = House::new().await;
    for carrier in Carrier::ALL {
        set_the_level(&house, carrier).await;
    }
    for carrier in Carrier::OF_BOTH_ERAS {
        name_the_level(&house, carrier).await;
    }
    house.end().await;
}

/// Of a session: the client hears everything until it says what it wants.
async fn set_the_level(house: &House, carrier: Carrier) {
    let call = |id: &str| old(id, "tools/call", "\"name\":\"log\"");
    let mut talk = Talk::legacy(house, carrier, "2025-06-18").await;
    talk.say(call("1")).await;
    for level in LogLevel::ALL {
        has(&talk.hear().await, &format!("\"level\":\"{}\"", level.as_str()));
    }
    has(&talk.hear().await, "\"id\":1,\"result\"");
    let set = |level: &str| old("2", "logging/setLevel", &format!("\"level\":\"{level}\""));
    has(&talk.ask(&set("loud")).await, "-32602");
    has(&talk.ask(&set("alert")).await, "\"id\":2,\"result\":{}");
    has(&talk.ask(&call("3")).await, "\"level\":\"alert\"");
    has(&talk.hear().await, "\"level\":\"emergency\"");
    has(&talk.hear().await, "\"id\":3,\"result\"");
}

/// Of a request: the client hears nothing that it did not ask for.
async fn name_the_level(house: &House, carrier: Carrier) {
    let mut talk = Talk::begin(house, carrier).await;
    let params = "\"name\":\"log\"";
    has(&talk.ask(&new("1", "tools/call", params, "")).await, "\"id\":1,\"result\"");
    let level = |level| format!("\"io.modelcontextprotocol/logLevel\":\"{level}\"");
    has(&talk.ask(&new("2", "tools/call", params, &level("loud"))).await, "-32602");
    let heard = talk.ask(&new("3", "tools/call", params, &level("emergency"))).await;
    has(&heard, "\"level\":\"emergency\"");
    has(&talk.hear().await, "\"id\":3,\"result\"");
}

pub(crate) async fn a_client_of_no_session_is_asked_by_the_result() {
    let house = House::new().await;
    let form =
        "{\"message\":\"name?\",\"requestedSchema\":{\"type\":\"object\",\"properties\":{}}}";
    let call = format!(
        "\"name\":\"ask\",\"arguments\":{{\"method\":\"elicitation/create\",\"params\":{form}}}"
    );
    let declaring = |id: &str, params: &str| {
        let empty = "\"io.modelcontextprotocol/clientCapabilities\":{}";
        let declared = empty.replace("{}", "{\"elicitation\":{}}");
        new(id, "tools/call", params, "").replace(empty, &declared)
    };
    for carrier in Carrier::OF_BOTH_ERAS {
        let mut talk = Talk::begin(&house, carrier).await;
        let asked = talk.ask(&declaring("1", &call)).await;
        has(&asked, "\"id\":1,\"result\"");
        let asked: serde_json::Value = serde_json::from_str(&asked).unwrap();
        let result = &asked["result"];
        assert_eq!(result["resultType"], "input_required", "{asked}");
        let (key, question) = result["inputRequests"].as_object().unwrap().iter().next().unwrap();
        assert_eq!(question["method"], "elicitation/create");
        assert_eq!(question["params"]["message"], "name?");
        let answers = format!(
            "{call},\"requestState\":{},\"inputResponses\":{{\"{key}\":{{\"action\":\"decline\"}}}}",
            result["requestState"]
        );
        let answered = talk.ask(&declaring("2", &answers)).await;
        has(&answered, "\"id\":2,\"result\"");
        has(&answered, "\"answer\":{\"action\":\"decline\"}");
        let twice = talk.ask(&declaring("3", &answers)).await;
        has(&twice, "\"id\":3,\"error\":{\"code\":-32602");
    }
    house.end().await;
}

pub(crate) async fn a_session_hears_of_the_resources_it_subscribed_to() {
    let house = House::new().await;
    for (round, carrier) in (1..).zip(Carrier::ALL) {
        watch(&house, carrier, round).await;
    }
    house.end().await;
}

fn about(id: &str, method: &str, uri: &str) -> String {
    old(id, method, &format!("\"uri\":\"{uri}\""))
}

async fn watch(house: &House, carrier: Carrier, round: usize) {
    let mut talk = Talk::legacy(house, carrier, "2025-11-25").await;
    let subscribe = about("1", "resources/subscribe", "test://1");
    has(&talk.ask(&subscribe).await, "\"id\":1,\"result\"");
    has(&talk.ask(&subscribe).await, "\"id\":1,\"result\"");
    has(&talk.ask(&about("2", "resources/subscribe", "test://2")).await, "\"result\"");
    has(&talk.ask(&old("3", "resources/subscribe", "")).await, "-32602");
    assert_eq!(house.peer.count("call resources/subscribe test://1"), round);
    // A part of what is watched is heard of too; `test://12` is no part of `test://1`.
    for resource in ["test://3", "test://12", "test://1/part", "test://1"] {
        house.gateway.resource_updated("test", resource);
    }
    for uri in ["test://1/part", "test://1"] {
        let params = format!("\"params\":{{\"uri\":\"{uri}\"}}");
        has(&talk.hear().await, &format!("\"notifications/resources/updated\",{params}"));
    }
    watch_no_more(house, talk, round).await;
}

async fn watch_no_more(house: &House, mut talk: Talk, round: usize) {
    let unsubscribe = about("4", "resources/unsubscribe", "test://1");
    has(&talk.ask(&unsubscribe).await, "\"id\":4,\"result\"");
    has(&talk.ask(&unsubscribe).await, "\"id\":4,\"result\"");
    assert_eq!(house.peer.count("call resources/unsubscribe test://1"), round);
    house.gateway.resource_updated("test", "test://1");
    house.gateway.resource_updated("test", "test://2");
    has(&talk.hear().await, "test://2");
    drop(talk);
    house.peer.until("call resources/unsubscribe test://2", round).await;
    assert_eq!(house.peer.count("call resources/unsubscribe test://1"), round);
}

pub(crate) async fn a_session_hears_of_no_other_session_s_resources() {
    let house = House::new().await;
    for carrier in Carrier::ALL {
        let mut ann = Talk::legacy(&house, carrier, "2025-11-25").await;
        let mut bob = Talk::legacy(&house, carrier, "2025-11-25").await;
        has(&ann.ask(&about("1", "resources/subscribe", "test://1")).await, "\"result\"");
        has(&bob.ask(&about("1", "resources/subscribe", "test://2")).await, "\"result\"");
        house.gateway.resource_updated("test", "test://1");
        house.gateway.resource_updated("test", "test://2");
        has(&ann.hear().await, "test://1");
        has(&bob.hear().await, "test://2");
        has(&ann.ask(&old("2", "ping", "")).await, "\"id\":2,");
        has(&bob.ask(&old("2", "ping", "")).await, "\"id\":2,");
    }
    house.end().await;
}

pub(crate) async fn a_listener_hears_of_the_resources_it_named() {
    let house = House::new().await;
    for (round, carrier) in (1..).zip(Carrier::OF_BOTH_ERAS) {
        let mut talk = Talk::begin(&house, carrier).await;
        let wanted = "\"notifications\":{\"resourceSubscriptions\":[\"test://1\"]}";
        let acknowledged = talk.ask(&new("7", "subscriptions/listen", wanted, "")).await;
        has(&acknowledged, "\"resourceSubscriptions\":[\"test://1\"]");
        house.peer.until("call resources/subscribe test://1", round).await;
        house.gateway.resource_updated("test", "test://2");
        house.list(&["echo", "more"]);
        house.gateway.resource_updated("test", "test://1");
        let heard = talk.hear().await;
        has(&heard, "notifications/resources/updated");
        has(&heard, "\"uri\":\"test://1\"");
        has(&heard, "\"io.modelcontextprotocol/subscriptionId\":7");
        talk.say(cancelled("7")).await;
        house.peer.until("call resources/unsubscribe test://1", round).await;
        house.list(&["echo"]);
    }
    house.end().await;
}

pub(crate) async fn a_thousand_questions_are_not_asked() {
    let house = House::new().await;
    let mut talk = Talk::begin(&house, Carrier::Lines).await;
    let opening = initialize("2025-11-25").replace("{},\"client", "{\"elicitation\":{}},\"client");
    has(&talk.ask(&opening).await, "2025-11-25");
    for id in 0..65 {
        talk.say(ask(&id.to_string())).await;
    }
    let mut questions = 0;
    let refused = loop {
        let heard = talk.hear().await;
        if !heard.contains("\"method\":\"elicitation/create\"") {
            break heard;
        }
        questions += 1;
    };
    has(&refused, "has not answered 64 questions");
    lacks(&refused, "\"result\"");
    assert!(questions <= 64);
    drop(talk);
    house.end().await;
}
