//! What a faulty server does, as one line of text: `seed=7 delay=20 garbage=10 crash_mid=5`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What one call may meet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// No answer, and everything else goes on.
    Drop,
    /// Something that is no message before the answer, or in its place over HTTP.
    Garbage,
    /// Half an answer, and then the rest of what the server has to say.
    HalfLine,
    /// The answer under an id that nobody gave, and not under the right one.
    WrongId,
    /// The answer twice.
    Duplicate,
    /// The answer after those to later calls.
    Reorder,
    /// An answer without end.
    Endless,
    /// Memory that is never given back.
    Leak,
    /// Neither reads nor writes any more.
    Hang,
    CrashBefore,
    CrashMid,
    CrashAfter,
}

impl Fault {
    pub const ALL: &[(Self, &'static str)] = &[
        (Self::Drop, "drop"),
        (Self::Garbage, "garbage"),
        (Self::HalfLine, "half_line"),
        (Self::WrongId, "wrong_id"),
        (Self::Duplicate, "duplicate"),
        (Self::Reorder, "reorder"),
        (Self::Endless, "endless"),
        (Self::Leak, "leak"),
        (Self::Hang, "hang"),
        (Self::CrashBefore, "crash_before"),
        (Self::CrashMid, "crash_mid"),
        (Self::CrashAfter, "crash_after"),
    ];

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(fault, _)| *fault)
    }

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(fault, _)| *fault == self).map_or("", |(_, name)| name)
    }
}

#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Plan {
    pub seed: u64,
    /// The longest that an answer waits by chance.
    pub delay: Duration,
    /// Crashes so long after each start.
    pub crash_every: Option<Duration>,
    /// Of a thousand starts, how many end before anything was read.
    pub crash_at_start: u64,
    /// Whether `initialize`, lists and pings meet faults by chance as well as calls.
    pub everywhere: bool,
    /// Of a thousand calls, how many meet each fault.
    pub chances: Vec<(Fault, u64)>,
}

impl Plan {
    /// No fault at all.
    pub const NONE: Self = Self {
        seed: 0,
        delay: Duration::ZERO,
        crash_every: None,
        crash_at_start: 0,
        everywhere: false,
        chances: Vec::new(),
    };

    pub fn with(fault: Fault, of_a_thousand: u64) -> Self {
        Self { chances: vec![(fault, of_a_thousand)], ..Self::default() }
    }

    /// Every fault now and then.
    pub fn mixed(seed: u64) -> Self {
        let chances = Fault::ALL.iter().map(|(fault, _)| (*fault, 4)).collect();
        Self { seed, chances, crash_at_start: 100, everywhere: true, ..Self::default() }
    }

    #[must_use]
    pub fn without(mut self, fault: Fault) -> Self {
        self.chances.retain(|(planned, _)| *planned != fault);
        self
    }

    pub(super) fn draw(&self, random: &mut Random) -> Option<Fault> {
        let mut drawn = random.below(1000);
        for (fault, chance) in &self.chances {
            if drawn < *chance {
                return Some(*fault);
            }
            drawn -= chance;
        }
        None
    }

    pub(super) fn wait(&self, random: &mut Random) -> Duration {
        let most = u64::try_from(self.delay.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(random.below(most.saturating_add(1)))
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed={} delay={}", self.seed, self.delay.as_millis())?;
        write!(f, " crash_at_start={}", self.crash_at_start)?;
        if let Some(time) = self.crash_every {
            write!(f, " crash_every={}", time.as_millis())?;
        }
        if self.everywhere {
            write!(f, " everywhere=1")?;
        }
        self.chances.iter().try_for_each(|(fault, chance)| write!(f, " {}={chance}", fault.name()))
    }
}

impl FromStr for Plan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut plan = Self::default();
        for word in text.split_whitespace() {
            let wrong = || format!("`{word}` is no part of a plan");
            let (name, value) = word.split_once('=').ok_or_else(wrong)?;
            let value: u64 = value.parse().map_err(|_| wrong())?;
            match name {
                "seed" => plan.seed = value,
                "delay" => plan.delay = Duration::from_millis(value),
                "crash_every" => plan.crash_every = Some(Duration::from_millis(value)),
                "crash_at_start" => plan.crash_at_start = value,
                "everywhere" => plan.everywhere = value != 0,
                name => plan.chances.push((Fault::named(name).ok_or_else(wrong)?, value)),
            }
        }
        Ok(plan)
    }
}

/// Numbers from a seed: splitmix64.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Less than `limit`, or 0. The remainder is uneven by nothing that anybody could see.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, Plan, Random};

    #[test]
    fn a_plan_is_what_it_says() {
        let text = "seed=7 delay=20 crash_at_start=3 crash_every=1000 garbage=10 crash_mid=5";
        let plan: Plan = text.parse().unwrap();
        assert_eq!(plan.to_string(), text);
        assert_eq!(Plan::mixed(9).to_string().parse::<Plan>().unwrap(), Plan::mixed(9));
        for wrong in ["x", "garbage", "garbage=x", "sparks=1"] {
            assert!(wrong.parse::<Plan>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn faults_come_as_often_as_planned_and_the_same_for_a_seed() {
        let plan = Plan { chances: vec![(Fault::Drop, 100), (Fault::Leak, 50)], ..Plan::default() };
        let drawn = |seed| {
            let mut random = Random::new(seed);
            (0..10_000).map(|_| plan.draw(&mut random)).collect::<Vec<_>>()
        };
        let count = |fault| drawn(1).into_iter().filter(|drawn| *drawn == Some(fault)).count();
        assert!((900..1100).contains(&count(Fault::Drop)), "{}", count(Fault::Drop));
        assert!((400..600).contains(&count(Fault::Leak)), "{}", count(Fault::Leak));
        assert_eq!(count(Fault::Hang), 0);
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
    }
}
