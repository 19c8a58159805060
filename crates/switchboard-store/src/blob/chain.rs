//! Credentials for S3 by the standard chain of the AWS SDKs.
//!
//! `object_store` knows environment, web identity, container and machine by itself, but neither
//! profiles nor single sign-on; the SDK is there for DynamoDB anyway.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::config::{ProvideCredentials as _, SharedCredentialsProvider};
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use switchboard_core::store::StoreError;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long credentials are used before they are asked for again. The services that hand them out
/// have new ones at least five minutes before the old ones end
/// (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html>),
/// so a minute never uses ended ones, and asks seldom enough.
const KEPT: Duration = Duration::from_secs(60);

/// The standard chain, as `object_store` wants it.
#[derive(Debug)]
pub(super) struct Chain {
    provider: SharedCredentialsProvider,
    kept: Mutex<Option<(Instant, Arc<AwsCredential>)>>,
}

impl Chain {
    /// The chain, and the region that it knows.
    ///
    /// # Errors
    ///
    /// [`StoreError::Invalid`] where it has nobody to ask.
    pub(super) async fn load() -> Result<(Self, Option<Region>), StoreError> {
        let config = aws_config::defaults(BehaviorVersion::v2026_01_12()).load().await;
        let provider = config
            .credentials_provider()
            .ok_or_else(|| StoreError::Invalid("there are no credentials for S3".to_owned()))?;
        Ok((Self { provider, kept: Mutex::new(None) }, config.region().cloned()))
    }
}

#[async_trait]
impl CredentialProvider for Chain {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        // Held while asking, so that many who need new ones at once ask once.
        let mut kept = self.kept.lock().await;
        if let Some((since, credential)) = &*kept
            && since.elapsed() < KEPT
        {
            return Ok(Arc::clone(credential));
        }
        let found = self.provider.provide_credentials().await.map_err(|error| {
            object_store::Error::Unauthenticated { path: String::new(), source: Box::new(error) }
        })?;
        let credential = Arc::new(AwsCredential {
            key_id: found.access_key_id().to_owned(),
            secret_key: found.secret_access_key().to_owned(),
            token: found.session_token().map(str::to_owned),
        });
        *kept = Some((Instant::now(), Arc::clone(&credential)));
        Ok(credential)
    }
}
