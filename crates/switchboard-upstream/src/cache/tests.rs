use std::time::{Duration, SystemTime};

use serde_json::Value;
use switchboard_core::{Kind, Lists};
use switchboard_mcp::{Era, Hint, ProtocolVersion, Scope};

use super::{Kept, ListCache};
use crate::open::Verdict;

fn lists() -> Lists {
    let mut lists = Lists { version: Some(ProtocolVersion::NEWEST_LEGACY), ..Lists::default() };
    lists.hints[Kind::Tools as usize] = Some(Hint { ttl_ms: 9, scope: Scope::Public });
    lists.hints[Kind::Templates as usize] = Some(Hint { ttl_ms: 7, scope: Scope::Private });
    lists
}

#[test]
fn how_long_lists_hold_and_when_the_era_was_asked_for_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let cache = ListCache::new(directory.path().to_owned());
    let lists = lists();
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
    for asked in [Some(then), None] {
        cache.save("server", "same", &lists, asked).unwrap();
        let kept = Kept { lists: lists.clone(), asked };
        assert_eq!(cache.load("server", "same"), Some(kept));
        assert_eq!(cache.load("server", "other"), None);
    }
}

#[test]
fn a_file_that_says_neither_is_read_and_its_era_counts_as_long_ago() {
    let directory = tempfile::tempdir().unwrap();
    let cache = ListCache::new(directory.path().to_owned());
    cache.save("server", "same", &lists(), Some(SystemTime::UNIX_EPOCH)).unwrap();
    let path = directory.path().join("server.json");
    let mut file: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let members = file.as_object_mut().unwrap();
    assert!(members.remove("hints").is_some() && members.remove("asked").is_some());
    std::fs::write(&path, file.to_string()).unwrap();
    let kept = cache.load("server", "same").unwrap();
    assert_eq!(kept.lists, Lists { hints: [None; 4], ..lists() });
    let verdict = Verdict { era: Era::Legacy, asked: SystemTime::UNIX_EPOCH };
    assert_eq!(kept.verdict(), Some(verdict));
}
