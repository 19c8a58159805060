//! Numbers that look random and are the same everywhere: for draws and for consistent hashing.
//!
//! Not for secrets. A client that chooses its arguments can choose where they lead; what it can do
//! to an endpoint so is bounded by the limits, not by the hash.

/// A hash that is the same in every process and release, so that a key finds its endpoint again
/// after a restart and at another instance: FNV-1a, finished by [`mix`] for the high bits.
pub fn stable_hash(bytes: &[u8]) -> u64 {
    let fnv = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    mix(fnv)
}

/// One step of `SplitMix64` (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators",
/// 2014): each bit of the input changes half the bits of the output.
pub(super) fn mix(value: u64) -> u64 {
    let mut mixed = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Uniform over (0, 1]: never 0, because its logarithm is taken.
pub(super) fn unit(value: u64) -> f64 {
    ((value >> 11) + 1) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
pub(super) mod seeded {
    //! What tests draw from: the same numbers for the same seed.

    pub(crate) struct Seeded(pub(crate) u64);

    impl Seeded {
        pub(crate) fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(1);
            super::mix(self.0)
        }

        pub(crate) fn below(&mut self, bound: u64) -> u64 {
            self.next() % bound
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{stable_hash, unit};

    /// Another value would send every key to another endpoint at the next upgrade.
    #[test]
    fn the_hash_stays_what_it_was() {
        assert_eq!(stable_hash(b""), 0xc381_7c01_6ba4_ff30);
        assert_eq!(stable_hash(b"git"), 0xa8f7_dee9_6f73_e159);
    }

    #[test]
    fn a_unit_is_above_zero_and_at_most_one() {
        assert!(unit(0) > 0.0);
        assert!((unit(u64::MAX) - 1.0).abs() < f64::EPSILON);
    }
}
