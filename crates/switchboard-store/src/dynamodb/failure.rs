//! What DynamoDB answers when it does not do what was asked, as errors of the port.

use std::error::Error;
use std::time::Duration;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use switchboard_core::store::StoreError;
use tokio::time::sleep;

/// Errors that pass: the service is short of something, or somebody else is at the same items
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html>).
const PASSING: &[&str] = &[
    "InternalServerError",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "ReplicatedWriteConflictException",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "ThrottlingException",
    "TransactionConflictException",
    "TransactionInProgressException",
];

/// What a request was for decides what a value means that the service calls invalid.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Doing {
    /// The values are those of a row: too large, too deep.
    Writing,
    /// The values are ours.
    Reading,
}

/// The error of a request to a table.
pub(super) fn failed<E, R>(doing: Doing, table: &str, error: &SdkError<E, R>) -> StoreError
where
    E: ProvideErrorMetadata + Error + 'static,
    R: std::fmt::Debug + 'static,
{
    match error {
        SdkError::ServiceError(answer) => {
            coded(doing, table, answer.err().code(), answer.err().message())
        }
        // Nobody there, or an answer that is none.
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) => {
            StoreError::Unavailable(told(table, error))
        }
        SdkError::DispatchFailure(failure) if failure.is_io() || failure.is_timeout() => {
            StoreError::Unavailable(told(table, error))
        }
        // No credentials, an address that is none.
        _ => StoreError::Broken(told(table, error)),
    }
}

/// An error and its causes. The SDK's own words for that end with a page of debugging.
fn told(table: &str, error: &dyn Error) -> String {
    let mut text = format!("{table}: {error}");
    let mut next = error.source();
    while let Some(cause) = next {
        text += &format!(": {cause}");
        next = cause.source();
    }
    text
}

/// The error of an answer, or of one part of a transaction, by its code.
pub(super) fn coded(
    doing: Doing,
    table: &str,
    code: Option<&str>,
    message: Option<&str>,
) -> StoreError {
    let code = code.unwrap_or("an error without a code");
    let text = format!("{table}: {code}: {}", message.unwrap_or("no reason given"));
    if PASSING.contains(&code) {
        return StoreError::Unavailable(text);
    }
    match (code, doing) {
        ("ValidationException" | "ValidationError", Doing::Writing) => StoreError::Invalid(text),
        ("ItemCollectionSizeLimitExceededException" | "ItemCollectionSizeLimitExceeded", _) => {
            // <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/LSI.ItemCollections.html>
            StoreError::Broken(format!(
                "{text} (the rows of a tenant in a table with indexes have 10 GB; keep fewer)"
            ))
        }
        ("ResourceNotFoundException", _) => {
            StoreError::Broken(format!("{text} (`initialize_tables` makes tables at the start)"))
        }
        _ => StoreError::Broken(text),
    }
}

/// Waits before a request is sent again: twice as long each time, up to a limit, and a random part
/// of it so that those who met do not meet again.
pub(super) async fn back_off(attempt: u32) {
    const FIRST_MS: u64 = 25;
    const LONGEST_MS: u64 = 1_000;
    let longest = (FIRST_MS << attempt.min(10)).min(LONGEST_MS);
    // Without randomness the wait is the whole one, which is no reason to fail.
    let random = getrandom::u64().unwrap_or(longest);
    sleep(Duration::from_millis(1 + random % longest)).await;
}

#[cfg(test)]
mod tests {
    use super::{Doing, coded};

    #[track_caller]
    fn check(doing: Doing, code: &str, expected: &str) {
        let error = coded(doing, "mcp-modules", Some(code), Some("because")).to_string();
        assert!(error.contains(expected), "{error}");
        assert!(error.contains(&format!("mcp-modules: {code}: because")), "{error}");
    }

    #[test]
    fn an_error_says_what_can_be_done_about_it() {
        check(Doing::Writing, "ThrottlingException", "unavailable");
        check(Doing::Reading, "ProvisionedThroughputExceededException", "unavailable");
        check(Doing::Writing, "TransactionConflictException", "unavailable");
        check(Doing::Reading, "InternalServerError", "unavailable");
        check(Doing::Writing, "AccessDeniedException", "the store failed");
        check(Doing::Reading, "UnrecognizedClientException", "the store failed");
        check(Doing::Reading, "ResourceNotFoundException", "`initialize_tables`");
        check(Doing::Writing, "ItemCollectionSizeLimitExceededException", "10 GB");
        check(Doing::Reading, "ValidationException", "the store failed");
        check(Doing::Writing, "ValidationException", "mcp-modules: ValidationException");
        check(Doing::Writing, "SomethingNew", "the store failed");
    }
}
