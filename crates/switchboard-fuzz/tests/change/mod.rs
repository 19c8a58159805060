//! Small changes to an input, as a fuzzer makes them, from a seed.

/// xorshift64*: enough to choose with, and the same everywhere.
pub(crate) struct Random(u64);

impl Random {
    /// Seeded with a name (FNV-1a), so that no two targets get the same changes.
    pub(crate) fn new(name: &str) -> Self {
        let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(seed | 1)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let mixed = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(mixed).unwrap() % bound
    }
}

/// What formats of text are made of.
const TOKENS: &[&str] = &[
    "\n",
    "\r\n",
    "\r",
    "\r\r",
    "\0",
    "\u{feff}",
    "\"",
    "\\",
    "\\u0041",
    "\\ud800",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "=",
    "//",
    "/*",
    "*/",
    "/*/",
    "#",
    " ",
    "\t",
    "é",
    "$",
    "${",
    "${A}",
    "${env:A}",
    "null",
    "-0",
    "1e999",
    "9007199254740993",
    "\u{1}",
    "''''",
    "\"\"\"",
    "data:",
    "id:",
    "retry:",
    "_",
    "__",
    ".",
];

/// The input with one to four changes; some take a part of `other`.
pub(crate) fn change(random: &mut Random, input: &[u8], other: &[u8]) -> Vec<u8> {
    let mut changed = input.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(changed.len() + 1);
        let end = (at + random.below(16)).min(changed.len());
        match random.below(8) {
            0 => drop(changed.drain(at..end)),
            1 => changed.truncate(at),
            2 => drop(changed.splice(at..at, changed[at..end].to_vec())),
            3 if at < changed.len() => changed[at] ^= 1 << random.below(8),
            4 if at < changed.len() => changed[at] = u8::try_from(random.below(256)).unwrap(),
            5 if !other.is_empty() => {
                let from = random.below(other.len());
                let to = (from + random.below(64)).min(other.len());
                drop(changed.splice(at..end, other[from..to].iter().copied()));
            }
            _ => {
                let token = TOKENS[random.below(TOKENS.len())];
                drop(changed.splice(at..at, token.bytes()));
            }
        }
    }
    changed
}
