//! Links of which every message goes over one [`Duplex`].

use async_trait::async_trait;
use switchboard_mcp::{Json, Method, ProtocolVersion};

use crate::duplex::{Carrier, Duplex};
use crate::link::{Call, Link, LinkError};

/// What such a link has of its own.
#[async_trait]
pub(crate) trait TwoWay: Send + Sync {
    type Carrier: Carrier + 'static;

    fn duplex(&self) -> &Duplex<Self::Carrier>;

    /// As [`Link::close`].
    async fn close(&self) {
        self.duplex().end("the connection was closed".to_owned(), None);
    }

    /// As [`Link::pid`].
    fn pid(&self) -> Option<u32> {
        None
    }
}

#[async_trait]
impl<T: TwoWay> Link for T {
    async fn ask(&self, call: Call<'_>) -> Result<Json, LinkError> {
        self.duplex().ask(call).await
    }

    async fn tell(&self, method: &Method) -> Result<(), LinkError> {
        self.duplex().tell(method).await
    }

    fn agree(&self, version: ProtocolVersion) {
        self.duplex().agree(version);
    }

    fn is_over(&self) -> bool {
        self.duplex().is_over()
    }

    async fn lost(&self) -> String {
        self.duplex().lost().await
    }

    async fn close(&self) {
        TwoWay::close(self).await;
    }

    fn pid(&self) -> Option<u32> {
        TwoWay::pid(self)
    }
}
