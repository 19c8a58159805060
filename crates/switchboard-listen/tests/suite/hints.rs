//! How long clients of 2026-07-28 may keep lists.

use std::sync::Arc;
use std::time::Duration;

use switchboard_core::{Capabilities, Catalog, Filter, Lists, Member, Prefix, Snapshot};
use switchboard_mcp::{Hint, ProtocolVersion, Scope};

use crate::house::{House, has, new};

/// One server with tools.
#[derive(Clone, Copy)]
enum Part {
    /// Of an older revision; whether it announces changes.
    Older(bool),
    /// Says so itself.
    Newer(u64, Scope),
}

fn lists(part: Part) -> Lists {
    let mut lists = Lists {
        version: Some(ProtocolVersion::MODERN),
        capabilities: Capabilities { tools: true, ..Capabilities::default() },
        ..Lists::default()
    };
    match part {
        Part::Older(announces) => {
            lists.version = Some(ProtocolVersion::NEWEST_LEGACY);
            lists.capabilities.tools_changed = announces;
        }
        Part::Newer(ttl_ms, scope) => lists.hints[0] = Some(Hint { ttl_ms, scope }),
    }
    lists
}

fn snapshot(house: &House, parts: &[Part]) -> Snapshot {
    let member = |(index, part): (usize, &Part)| Member {
        name: format!("s{index}").into(),
        prefix: Prefix::new(&format!("s{index}")).unwrap(),
        filter: Filter::default(),
        peer: Arc::new(house.peer.clone()),
        lists: Some(Arc::new(lists(*part))),
        learning: false,
    };
    let members = parts.iter().enumerate().map(member).collect();
    Snapshot { catalog: Catalog::build(members), list_wait: Duration::ZERO, ..Snapshot::default() }
}

pub(crate) async fn a_list_holds_no_longer_than_any_part_of_it() {
    use Part::{Newer, Older};
    let house = House::new().await;
    let (public, private) = (Scope::Public, Scope::Private);
    let cases: [(&[Part], u64, Scope); 8] = [
        (&[], 5_000, private),
        (&[Older(false)], 0, private),
        (&[Older(true)], 5_000, private),
        (&[Newer(300, public)], 300, public),
        (&[Newer(300, public), Newer(200, private)], 200, private),
        (&[Newer(300, public), Older(true)], 300, private),
        (&[Newer(300, public), Older(false)], 0, private),
        // Servers come and go, which none of them knows.
        (&[Newer(3_600_000, public)], 5_000, public),
    ];
    for (parts, ttl_ms, scope) in cases {
        house.gateway.publish(snapshot(&house, parts));
        let request = new("1", "tools/list", "", "");
        let (_, body) = house.ask("POST v=2026-07-28 m=tools/list", request).await;
        has(&body, &format!("\"ttlMs\":{ttl_ms},\"cacheScope\":\"{}\"", scope.as_str()));
    }
    house.end().await;
}
