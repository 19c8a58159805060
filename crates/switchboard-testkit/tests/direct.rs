//! The reference server and the reference client with nothing in between: every check of the
//! matrix holds there, so that what fails through a gateway is the gateway's.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use switchboard_mcp::ProtocolVersion;
use switchboard_testkit::Reference;
use switchboard_testkit::client::{Carrier, Target};
use switchboard_testkit::matrix::{Impossible, Totals, Visit};

switchboard_testkit::tests![every_feature_of_every_revision_over_every_transport];

async fn every_feature_of_every_revision_over_every_transport() {
    let list = include_str!("../../switchboard/tests/whole/matrix/impossible.txt");
    let impossible = Impossible::parse(list);
    let totals = Totals::default();
    for version in ProtocolVersion::ALL {
        let server = Reference::start("reference", version).await;
        let visit = async |carrier: Carrier, target: Target| {
            let (client, words) = (version, &[]);
            let (server, target) = (&server, &target);
            let (listener, transport, prefix) = (carrier, carrier, "");
            if carrier.carries(version) {
                let visit = Visit { client, listener, target, transport, server, prefix, words };
                visit.run(&impossible, &totals).await;
            }
        };
        let address = |url| Target::Address { url, key: None };
        visit(Carrier::Http, address(server.url())).await;
        visit(Carrier::Sse, address(server.sse_url())).await;
        visit(Carrier::WebSocket, address(server.websocket_url())).await;
        let command = std::env::current_exe().unwrap().to_str().unwrap().to_owned();
        let args = vec!["relay".to_owned(), server.socket().to_str().unwrap().to_owned()];
        visit(Carrier::Stdio, Target::Program { command, args, env: Vec::new() }).await;
    }
    assert_eq!(totals.failed(), 0, "\n{}", totals.summary());
    assert!(impossible.unused().is_empty(), "lines {:?}", impossible.unused());
}
