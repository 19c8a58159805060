//! What clients keep for us: a text that we did not seal never opens, and one that we did opens
//! unchanged, for whom and for what it was sealed.

use switchboard_auth::Sealer;
use switchboard_core::{Principal, Purpose, Seal as _};

use crate::choices::Choices;

const PURPOSES: [Purpose; 4] = [Purpose::Cursor, Purpose::State, Purpose::Parked, Purpose::Task];

pub(crate) fn check(input: &[u8]) {
    // A key for each input: libFuzzer looks into our memory, and brings back what it sees there.
    let sealer = Sealer::random();
    let mut choices = Choices::new(input);
    let (purpose, other) = (PURPOSES[choices.below(4)], PURPOSES[choices.below(4)]);
    let (at, change) = (usize::from(choices.byte()), choices.byte());
    let payload = choices.rest();
    let (ann, bob) = (Principal::new("ann"), Principal::new("bob"));
    if let Ok(text) = std::str::from_utf8(payload) {
        assert!(sealer.open(purpose, &ann, text).is_none(), "nobody sealed `{text}`");
    }
    let text = sealer.seal(purpose, &ann, payload);
    assert_eq!(sealer.open(purpose, &ann, &text).as_deref(), Some(payload));
    assert!(sealer.open(purpose, &bob, &text).is_none(), "somebody else's");
    assert!(purpose == other || sealer.open(other, &ann, &text).is_none(), "for something else");
    let mut changed = text.clone().into_bytes();
    let at = at % changed.len();
    changed[at] = change % 128;
    let changed = String::from_utf8(changed).expect("ASCII");
    assert!(changed == text || sealer.open(purpose, &ann, &changed).is_none(), "changed at {at}");
}
