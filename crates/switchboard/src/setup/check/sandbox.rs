//! What programs that nobody trusts are isolated with on this machine.
//!
//! Looked at in this process: a daemon that a service manager or a container starts may have less.

use switchboard_process::sandbox::{Layer, Missing};

use super::Check;

/// One check for each layer. A missing one is no problem as long as nothing needs a sandbox, and what
/// does is told when it is started.
pub(crate) fn sandbox(layers: Vec<Layer>) -> Vec<Check> {
    const NAME: &str = "sandbox";
    let check = |layer: Layer| {
        let (name, purpose, kind) = (layer.name(), layer.purpose(), layer.kind);
        match layer.missing {
            None => Check::ok(NAME, format!("{name}: what runs in it {purpose}")),
            Some(Missing { why, hint }) => {
                let message = format!("{name}: is missing; {}", kind.consequence());
                Check::warning(NAME, message).cause(why).hint(hint)
            }
        }
    };
    layers.into_iter().map(check).collect()
}
