//! Calls in flight on one upstream connection.
//!
//! JSON-RPC pairs a response with its request by `id` alone (JSON-RPC 2.0, section 5), and clients
//! choose ids independently: two of them will sooner or later both send `1`. [`Pending`] puts a
//! fresh id on every call that shares the connection and remembers who asked. The same number is
//! the progress token of the call, so that one table answers "whose is this?" for both.

use std::collections::BTreeMap;

/// Calls waiting for an answer. `A` says where the answer goes.
#[derive(Debug)]
pub struct Pending<A> {
    waiting: BTreeMap<WireId, A>,
    next_id: u64,
    /// Most calls waiting at once, so that a silent upstream cannot grow our memory.
    limit: usize,
}

/// The id a call carries on the upstream connection. Never reused on that connection.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct WireId(pub u64);

/// Every slot is taken: the upstream answers more slowly than it is asked.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
#[error("{limit} calls are already waiting for this upstream")]
pub struct Full {
    pub limit: usize,
}

impl<A> Pending<A> {
    pub fn new(limit: usize) -> Self {
        // Some servers treat the id 0 as "no id"; counting from 1 costs nothing.
        Self { waiting: BTreeMap::new(), next_id: 1, limit }
    }

    /// Takes a slot for a call and returns the id to send it under.
    ///
    /// # Errors
    ///
    /// [`Full`] when `limit` calls already wait. Nothing was sent, so the asker may try again.
    pub fn ask(&mut self, asker: A) -> Result<WireId, Full> {
        if self.limit <= self.waiting.len() {
            return Err(Full { limit: self.limit });
        }
        let id = WireId(self.next_id);
        self.next_id += 1;
        self.waiting.insert(id, asker);
        Ok(id)
    }

    /// Frees the slot of `id` and returns who asked.
    ///
    /// `None` is normal: the call was cancelled before the upstream answered, or the upstream
    /// answers twice, or answers what was never asked.
    pub fn answer(&mut self, id: WireId) -> Option<A> {
        self.waiting.remove(&id)
    }

    /// Who waits under `id`, for a message about the call that is not its answer.
    pub fn asker(&self, id: WireId) -> Option<&A> {
        self.waiting.get(&id)
    }

    /// Frees the slot of the only call that `counts`, and returns who asked; `None` where several do
    /// or none does.
    pub fn take_only(&mut self, counts: impl Fn(&A) -> bool) -> Option<A> {
        let mut counted = self.waiting.iter().filter(|(_, asker)| counts(asker));
        let (&id, _) = counted.next()?;
        let is_only = counted.next().is_none();
        is_only.then(|| self.waiting.remove(&id)).flatten()
    }

    /// Gives up all calls, oldest first: the connection is gone.
    pub fn drain(&mut self) -> impl Iterator<Item = A> {
        std::mem::take(&mut self.waiting).into_values()
    }

    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::{Pending, WireId};

    #[test]
    fn only_what_counts_makes_several() {
        let only = |asked: &[&'static str]| {
            let mut pending = Pending::new(8);
            for asker in asked {
                pending.ask(*asker).unwrap();
            }
            let taken = pending.take_only(|asker| *asker != "stands");
            assert_eq!(pending.len(), asked.len() - usize::from(taken.is_some()));
            taken
        };
        assert_eq!(only(&[]), None);
        assert_eq!(only(&["stands"]), None);
        assert_eq!(only(&["stands", "a", "stands"]), Some("a"));
        assert_eq!(only(&["stands", "a", "b"]), None);
    }

    /// Plays a script against a table with two slots. What a step reports follows its `->`.
    #[track_caller]
    fn check(script: &str) {
        let mut pending = Pending::new(2);
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (step, expected) = line.split_once("->").unwrap();
            let actual = match *step.split_whitespace().collect::<Vec<_>>() {
                ["ask", name] => match pending.ask(name.to_owned()) {
                    Ok(WireId(id)) => format!("id {id}"),
                    Err(full) => full.to_string(),
                },
                ["answer", id] => {
                    pending.answer(WireId(id.parse().unwrap())).unwrap_or("nobody".into())
                }
                ["drain"] => pending.drain().collect::<Vec<_>>().join(" "),
                _ => panic!("no such step: {step}"),
            };
            assert_eq!(actual.trim(), expected.trim(), "after `{}`", step.trim());
        }
    }

    #[test]
    fn answer_reaches_the_one_who_asked() {
        check(
            "ask ann  -> id 1
             ask bob  -> id 2
             answer 2 -> bob
             answer 1 -> ann",
        );
    }

    #[test]
    fn a_second_answer_and_one_never_asked_for_reach_nobody() {
        check(
            "ask ann   -> id 1
             answer 1  -> ann
             answer 1  -> nobody
             answer 99 -> nobody",
        );
    }

    #[test]
    fn slot_is_free_again_after_an_answer() {
        check(
            "ask ann  -> id 1
             ask bob  -> id 2
             ask cat  -> 2 calls are already waiting for this upstream
             answer 1 -> ann
             ask cat  -> id 3
             drain    -> bob cat
             ask dan  -> id 4",
        );
    }
}
