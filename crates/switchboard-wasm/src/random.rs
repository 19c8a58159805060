//! The random numbers that a guest gets.
//!
//! `wasi:random/random` promises bytes that nobody can guess: they are the system's, or asking for
//! them ends the call. `insecure` and `insecure-seed` promise nothing; toolchains seed their hash
//! tables from them. Without the grant they come from the digest of the component, so that the same
//! bundle does the same thing each time.

use wasmtime::Result;
use wasmtime_wasi::p2::bindings::random::{insecure, insecure_seed, random};

use crate::deny::Refused;
use crate::grants::Denied;
use crate::state::State;

/// What may be asked for at once. Keys are shorter; who wants more may ask again.
const BYTES: u64 = 64 << 10;

/// SplitMix64 (Steele, Lea, Flood 2014): passes the tests of randomness and is six operations.
#[derive(Debug)]
pub(crate) struct Generator(u64);

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl State {
    fn secure(&mut self, bytes: &mut [u8]) -> Result<()> {
        if !self.terms.grants.random {
            self.current.deny(Denied::Random);
            return Err(Refused(Denied::Random).into());
        }
        getrandom::fill(bytes).map_err(|error| wasmtime::format_err!("no random bytes: {error}"))
    }
}

impl random::Host for State {
    fn get_random_bytes(&mut self, len: u64) -> Result<Vec<u8>> {
        let mut bytes = vec![0; within(len)?];
        self.secure(&mut bytes)?;
        Ok(bytes)
    }

    fn get_random_u64(&mut self) -> Result<u64> {
        let mut bytes = [0; 8];
        self.secure(&mut bytes)?;
        Ok(u64::from_ne_bytes(bytes))
    }
}

impl insecure::Host for State {
    fn get_insecure_random_bytes(&mut self, len: u64) -> Result<Vec<u8>> {
        let len = within(len)?;
        let mut bytes = Vec::with_capacity(len + 8);
        while bytes.len() < len {
            bytes.extend_from_slice(&self.generator.next().to_le_bytes());
        }
        bytes.truncate(len);
        Ok(bytes)
    }

    fn get_insecure_random_u64(&mut self) -> Result<u64> {
        Ok(self.generator.next())
    }
}

impl insecure_seed::Host for State {
    fn insecure_seed(&mut self) -> Result<(u64, u64)> {
        Ok((self.generator.next(), self.generator.next()))
    }
}

fn within(len: u64) -> Result<usize> {
    if len > BYTES {
        wasmtime::bail!("{len} random bytes at once are more than {BYTES}");
    }
    Ok(usize::try_from(len).expect("64 KiB or less"))
}
