use super::{BYTE_LIMIT, FOLLOW_LIMIT, Followed, LINE_LENGTH_LIMIT, LINE_LIMIT, StderrRing};
use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::pipe;

/// What a ring holds after a child wrote `pieces`, one `write` each.
async fn ring_after(pieces: &[&[u8]]) -> StderrRing {
    let ring = StderrRing::default();
    let (mut writer, reader) = pipe::pipe().unwrap();
    let write = async {
        for piece in pieces {
            writer.write_all(piece).await.unwrap();
        }
        drop(writer);
    };
    tokio::join!(ring.clone().pump(reader, None), write);
    ring
}

async fn check(pieces: &[&[u8]], expected: &[&str]) {
    let ring = ring_after(pieces).await;
    let texts: Vec<_> = ring.lines(usize::MAX).into_iter().map(|line| line.text).collect();
    assert_eq!(texts, expected, "after {pieces:?}");
}

#[tokio::test]
async fn lines_are_what_was_written() {
    check(&[], &[]).await;
    check(&[b"one\ntwo\n"], &["one", "two"]).await;
    check(&[b"on", b"e\r\n\nt", b"wo"], &["one", "", "two"]).await;
    check(&[b"caf\xc3\xa9 \xff\n"], &["café \u{fffd}"]).await;
    check(&[b"\x1b[31mred\x1b[0m\n"], &["red"]).await;
}

#[tokio::test]
async fn long_line_is_cut_and_says_so() {
    let long = vec![b'x'; LINE_LENGTH_LIMIT + 7];
    let start = "x".repeat(LINE_LENGTH_LIMIT);
    check(&[&long, b"\nnext\n"], &[&format!("{start} … (7 bytes more)"), "next"]).await;
}

#[tokio::test]
async fn oldest_lines_make_room() {
    let many: String = (0..LINE_LIMIT + 5).map(|number| format!("{number}\n")).collect();
    let ring = ring_after(&[many.as_bytes()]).await;
    let lines = ring.lines(usize::MAX);
    assert_eq!(lines.len(), LINE_LIMIT);
    assert_eq!((lines[0].number, lines[0].text.as_str()), (5, "5"));
    let last = ring.lines(2);
    assert_eq!(last[1].number, LINE_LIMIT as u64 + 4);
    assert_eq!(last.len(), 2);
}

#[tokio::test]
async fn bytes_are_bounded_as_well() {
    let line = [vec![b'x'; LINE_LENGTH_LIMIT], vec![b'\n']].concat();
    let pieces = vec![line.as_slice(); 2 * BYTE_LIMIT / LINE_LENGTH_LIMIT];
    let ring = ring_after(&pieces).await;
    assert_eq!(ring.lines(usize::MAX).len(), BYTE_LIMIT / LINE_LENGTH_LIMIT);
}

#[tokio::test]
async fn slow_follower_learns_what_it_missed() {
    let ring = StderrRing::default();
    let mut follow = ring.follow();
    for number in 0..FOLLOW_LIMIT + 3 {
        ring.add(number.to_string().as_bytes(), 0);
    }
    assert_eq!(follow.next().await, Some(Followed::Missed(3)));
    let Some(Followed::Line(line)) = follow.next().await else { panic!("a line follows") };
    assert_eq!((line.number, line.text.as_str()), (3, "3"));
    drop(ring);
    let mut rest = 0;
    while follow.next().await.is_some() {
        rest += 1;
    }
    assert_eq!(rest, FOLLOW_LIMIT - 1);
}
