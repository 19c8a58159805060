//! How long a call may take: so long without a sign of life, and so long in all.
//!
//! Progress starts the shorter limit anew (2025-11-25, "Timeouts": it may, and there should be a
//! maximum regardless). While the server waits for an answer of the client, that limit does not
//! run at all: people take their time.

use std::time::Duration;

use tokio::time::Instant;

use crate::caller::Caller;

/// Runs `call` under both limits; `Err` holds the limit that was passed.
pub(crate) async fn within<T>(
    (quiet, total): (Duration, Duration),
    caller: &Caller,
    call: impl Future<Output = T>,
) -> Result<T, Duration> {
    let end = Instant::now() + total;
    // What it waited for its turn, or lost at another endpoint, is gone.
    let end = caller.deadline().map_or(end, |deadline| deadline.min(end));
    let mut deadline = end.min(Instant::now() + quiet);
    tokio::pin!(call);
    loop {
        if let Ok(answer) = tokio::time::timeout_at(deadline, &mut call).await {
            return Ok(answer);
        }
        if end <= deadline {
            return Err(total);
        }
        let pulse = caller.pulse();
        let last = if pulse.questions > 0 { Instant::now() } else { pulse.last };
        let extended = end.min(last + quiet);
        if extended <= deadline {
            return Err(quiet);
        }
        deadline = extended;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use async_trait::async_trait;
    use bytes::Bytes;
    use switchboard_core::{Context, Error, Peer, Principal, Request, Response};
    use switchboard_mcp::{ClientCapabilities, Json, Method, ProtocolVersion};

    use super::within;
    use crate::caller::Caller;

    /// A client that answers after so many seconds.
    struct Slow(u64);

    #[async_trait]
    impl Peer for Slow {
        async fn request(&self, context: &Context, _: Request) -> Result<Response, Error> {
            tokio::time::sleep(Duration::from_secs(self.0)).await;
            Ok(Response::new(Json::empty_object(), context.version))
        }
    }

    fn caller(answers_after: u64) -> Arc<Caller> {
        let mut context = Context::new(Principal::new("ann"), ProtocolVersion::NEWEST_LEGACY);
        context.client = Some(Arc::new(Slow(answers_after)));
        context.wants_progress = true;
        let roots = Json::parse(Bytes::from_static(b"{\"roots\":{}}")).unwrap();
        context.capabilities = ClientCapabilities::read(roots);
        Caller::new(&context)
    }

    const LIMITS: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(60));

    /// A call that reports progress every `every` seconds and ends after `length` seconds, under
    /// limits of 10 s without progress and 60 s in all.
    async fn run(every: u64, length: u64) -> Result<(), Duration> {
        let caller = caller(0);
        let call = async {
            for _ in 0..length / every {
                tokio::time::sleep(Duration::from_secs(every)).await;
                caller.progress(None);
            }
            tokio::time::sleep(Duration::from_secs(length % every)).await;
        };
        within(LIMITS, &caller, call).await
    }

    /// A call that asks something which is answered after `answered` seconds, and goes on for
    /// `rest` seconds.
    async fn ask(answered: u64, rest: u64) -> Result<(), Duration> {
        let caller = caller(answered);
        let call = async {
            caller.ask(Method::RootsList, None).await.unwrap();
            tokio::time::sleep(Duration::from_secs(rest)).await;
        };
        within(LIMITS, &caller, call).await
    }

    #[tokio::test(start_paused = true)]
    async fn progress_extends_a_call_up_to_the_total() {
        assert_eq!(run(9, 8).await, Ok(()));
        assert_eq!(run(9, 45).await, Ok(()));
        assert_eq!(run(11, 45).await, Err(Duration::from_secs(10)));
        assert_eq!(run(9, 90).await, Err(Duration::from_secs(60)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_gone_of_the_total_is_gone() {
        let mut context = Context::new(Principal::new("ann"), ProtocolVersion::NEWEST_LEGACY);
        context = context.by(tokio::time::Instant::now() + Duration::from_secs(5));
        let call = tokio::time::sleep(Duration::from_secs(6));
        let began = tokio::time::Instant::now();
        assert_eq!(within(LIMITS, &Caller::new(&context), call).await, Err(LIMITS.1));
        assert_eq!(began.elapsed(), Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn an_open_question_stops_the_shorter_limit() {
        assert_eq!(ask(45, 9).await, Ok(()));
        assert_eq!(ask(45, 11).await, Err(Duration::from_secs(10)));
        assert_eq!(ask(70, 1).await, Err(Duration::from_secs(60)));
    }
}
