//! What somebody may do, and why.

use switchboard_core::Area;

use crate::access::Right;
use crate::desk::Desk;
use crate::explained::{ExplainWish, Explained};
use crate::fault::Fault;

impl Desk {
    /// Answers as the daemon decides. Whoever may look at policies may hear what they come to; what
    /// is known of keys and users is only for those who may look at them.
    pub(crate) async fn explain(&self, wish: ExplainWish) -> Result<Explained, Fault> {
        self.access.require(Right::Inspect(Area::Policies))?;
        let is_described = wish.subject.is_some()
            || !wish.roles.is_empty()
            || wish.scopes.is_some()
            || wish.method.is_some();
        if wish.principal.is_some() {
            if is_described {
                return Err(Fault::invalid("name a principal or describe one, not both"));
            }
            self.access.require(Right::Inspect(Area::Keys))?;
            self.access.require(Right::Inspect(Area::Users))?;
        }
        let asks = (!is_described).then_some(&self.access.principal);
        Ok(self.ports.operations.explain(self.tenant(), asks, wish).await?)
    }
}
