//! What an input decides beside its text: the first bytes choose, the rest is the text.

/// An input that is being taken apart. What has run out chooses the first of everything.
pub(crate) struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Self {
        Self(input)
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }
}

/// A stream as it may arrive: cut into pieces of at most 16 bytes, of lengths that `seed` decides.
pub(crate) fn pieces(stream: &[u8], seed: u8) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let mut rest = stream;
    let mut state = usize::from(seed);
    while !rest.is_empty() {
        // The multiplier of Knuth's MMIX; the upper bits of a short cycle are good enough to cut by.
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let length = ((state >> 33) % 16 + 1).min(rest.len());
        let (piece, after) = rest.split_at(length);
        pieces.push(piece);
        rest = after;
    }
    pieces
}
