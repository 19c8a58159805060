//! Lines out of a stream: however the stream was cut, they are those of the whole, each no longer
//! than the limit, and each too long one is reported once.

use switchboard_mcp::Lines;

use crate::choices::{Choices, pieces};

/// A line, or `None` for one that was too long.
type Line = Option<Vec<u8>>;

pub(crate) fn check(input: &[u8]) {
    let mut choices = Choices::new(input);
    let (limit, seed) = (choices.below(64), choices.byte());
    let stream = choices.rest();
    let expected = expected(stream, limit);
    assert_eq!(cut(&[stream], limit), expected, "in one piece");
    assert_eq!(cut(&pieces(stream, seed), limit), expected, "in pieces");
    assert_eq!(cut(&stream.chunks(1).collect::<Vec<_>>(), limit), expected, "byte by byte");
}

fn cut(pieces: &[&[u8]], limit: usize) -> Vec<Line> {
    let mut lines = Lines::new(limit);
    let mut found = Vec::new();
    for piece in pieces {
        lines.space().extend_from_slice(piece);
        while let Some(line) = lines.next_line() {
            found.push(line.ok().map(|line| line.to_vec()));
        }
    }
    found.extend(lines.finish().map(|line| Some(line.to_vec())));
    assert!(lines.next_line().is_none(), "nothing follows the end");
    found
}

/// The same in the simplest words, with the whole stream at hand.
fn expected(stream: &[u8], limit: usize) -> Vec<Line> {
    let lines = stream.split(|byte| *byte == b'\n');
    let lines = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines
        .filter_map(|line| match line {
            long if long.len() > limit => Some(None),
            blank if blank.trim_ascii().is_empty() => None,
            line => Some(Some(line.to_vec())),
        })
        .collect()
}
