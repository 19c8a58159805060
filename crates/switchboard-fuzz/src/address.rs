//! Addresses of resources: whoever watches one hears of it, and what is a part of a part is a part.

use switchboard_core::covers;

pub(crate) fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let addresses: Vec<&str> = text.lines().take(4).collect();
    for whole in &addresses {
        let is_ours = whole.starts_with("switchboard://");
        assert!(is_ours || covers(whole, whole), "`{whole}` does not cover itself");
        for part in &addresses {
            let nested =
                addresses.iter().filter(|inner| covers(whole, part) && covers(part, inner));
            for inner in nested {
                assert!(covers(whole, inner), "`{whole}`, `{part}`, `{inner}`");
            }
        }
    }
}
