use std::sync::Arc;

use futures_util::FutureExt as _;

use super::{Budget, First, Reader, Streams, UnknownEvent};

/// What a reader is handed now: the texts of its events, `.` for nothing yet, `end`.
fn read(reader: &mut Reader) -> String {
    match reader.next().now_or_never() {
        None => ".".to_owned(),
        Some(None) => "end".to_owned(),
        Some(Some(events)) => {
            let text = String::from_utf8(events.to_vec()).unwrap();
            let texts: Vec<_> = text.lines().filter_map(|it| it.strip_prefix("data: ")).collect();
            texts.join(" ")
        }
    }
}

/// The id of the last event that a reader is handed.
fn last(reader: &mut Reader) -> String {
    let events = reader.next().now_or_never().unwrap().unwrap();
    let text = String::from_utf8(events.to_vec()).unwrap();
    text.lines().rev().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned()
}

fn refused(streams: &Arc<Streams>, id: &str) -> bool {
    matches!(streams.resume(id), Err(UnknownEvent))
}

#[test]
fn an_answer_without_events_is_no_stream() {
    let streams = Streams::new(7, Arc::default());
    let (number, mut reader) = streams.begin();
    assert!(reader.first().now_or_never().is_none());
    streams.end(number, vec![b"answer".to_vec()]);
    let Some(First::Answers(answers)) = reader.first().now_or_never() else { panic!() };
    assert_eq!(answers, ["answer"]);
    assert_eq!(read(&mut reader), "end");
}

#[test]
fn a_broken_stream_goes_on_behind_the_last_event_that_was_seen() {
    let streams = Streams::new(7, Arc::default());
    let (number, mut reader) = streams.begin();
    let (other, mut others) = streams.begin();
    streams.say(number, b"one".to_vec());
    streams.say(other, b"other".to_vec());
    assert_eq!(read(&mut others), "other");
    let seen = last(&mut reader);
    assert_eq!(seen, "00000007-1-2", "counted for the session");
    streams.say(number, b"two".to_vec());
    // Handed to the connection, and never seen.
    assert_eq!(read(&mut reader), "two");
    drop(reader);
    streams.say(number, b"three".to_vec());
    let mut reader = streams.resume(&seen).unwrap();
    assert_eq!(read(&mut reader), "two three");
    assert_eq!(read(&mut reader), ".");
    drop(reader);
    streams.end(number, vec![b"answer".to_vec()]);
    for _ in 0..2 {
        let mut reader = streams.resume(&seen).unwrap();
        assert_eq!(read(&mut reader), "two three answer");
        assert_eq!(read(&mut reader), "end");
    }
    assert_eq!(read(&mut others), ".", "of another stream");
}

#[test]
fn a_primed_stream_can_be_resumed_before_anything_is_said() {
    let streams = Streams::new(7, Arc::default());
    let (number, mut reader) = streams.begin();
    let primed = String::from_utf8(reader.prime().to_vec()).unwrap();
    assert_eq!(primed, "id: 00000007-1-1\nretry: 1000\ndata: \n\n");
    drop(reader);
    let mut reader = streams.resume("00000007-1-1").unwrap();
    assert_eq!(read(&mut reader), ".");
    drop(reader);
    streams.end(number, vec![b"answer".to_vec()]);
    assert_eq!(read(&mut streams.resume("00000007-1-1").unwrap()), "answer");
}

#[test]
fn what_was_said_before_a_stream_is_primed_comes_behind_it() {
    let streams = Streams::new(7, Arc::default());
    let (number, mut reader) = streams.begin();
    streams.say(number, b"one".to_vec());
    reader.prime();
    // Handed to the connection, and never seen.
    assert_eq!(read(&mut reader), "one");
    drop(reader);
    assert_eq!(read(&mut streams.resume("00000007-1-1").unwrap()), "one");
}

#[test]
fn a_second_reader_takes_the_place_of_the_first() {
    let streams = Streams::new(7, Arc::default());
    let mut first = streams.unasked();
    streams.announce(b"one".to_vec());
    assert_eq!(read(&mut first), "one");
    let mut second = streams.unasked();
    streams.announce(b"two".to_vec());
    assert_eq!(read(&mut first), "end");
    drop(first);
    assert_eq!(read(&mut second), "two");
    drop(second);
    // Nobody reads, and whoever comes next has seen nothing of it.
    streams.announce(b"three".to_vec());
    assert_eq!(read(&mut streams.unasked()), "three");
}

#[test]
fn what_is_no_event_of_the_session_is_refused() {
    let streams = Streams::new(7, Arc::default());
    let (number, mut reader) = streams.begin();
    streams.say(number, b"one".to_vec());
    assert_eq!(last(&mut reader), "00000007-1-1");
    let other = "00000008-1-1";
    for id in ["", "1", "1-1", other, "00000007-1-2", "00000007-2-1", "00000007-1", "-1-1", "x-1-1"]
    {
        assert!(refused(&streams, id), "{id}");
    }
    // One that is begun and has no events that a client could know.
    let (_, _reader) = streams.begin();
    assert!(refused(&streams, "00000007-2-0"));
}

#[test]
fn little_is_kept_and_what_is_gone_is_not_passed_over() {
    let streams = Streams::new(7, Arc::default());
    let (number, mut reader) = streams.begin();
    streams.say(number, b"first".to_vec());
    let first = last(&mut reader);
    streams.say(number, b"second".to_vec());
    let second = last(&mut reader);
    drop(reader);
    for count in 0..256 {
        assert_eq!(refused(&streams, &first), count == 256);
        streams.say(number, b"more".to_vec());
    }
    assert!(refused(&streams, &first), "the second is gone");
    let texts = read(&mut streams.resume(&second).unwrap());
    assert_eq!(texts, vec!["more"; 256].join(" "));
    // By size, but one is kept.
    streams.say(number, vec![b'x'; 3 << 20]);
    assert!(refused(&streams, &second));
    // Of the other stream what is left is said: nobody waits for its end.
    let (mut unasked, mut ids) = (streams.unasked(), Vec::new());
    for _ in 0..300 {
        streams.announce(b"change".to_vec());
        ids.push(last(&mut unasked));
    }
    assert_eq!(read(&mut streams.resume(&ids[0]).unwrap()), vec!["change"; 256].join(" "));
}

#[test]
fn whoever_has_much_to_say_waits_for_room() {
    let streams = Streams::new(7, Arc::default());
    let (number, mut reader) = streams.begin();
    for _ in 0..64 {
        assert!(streams.room(number).now_or_never().is_some());
        streams.say(number, b"more".to_vec());
    }
    assert!(streams.room(number).now_or_never().is_none());
    read(&mut reader);
    assert!(streams.room(number).now_or_never().is_some());
    streams.say(number, vec![0; 1 << 20]);
    assert!(streams.room(number).now_or_never().is_none());
    drop(reader);
    assert!(streams.room(number).now_or_never().is_some(), "nobody reads");
}

#[test]
fn what_nobody_can_resume_is_not_kept() {
    let streams = Streams::new(7, Arc::default());
    let (number, reader) = streams.begin();
    drop(reader);
    streams.say(number, b"one".to_vec());
    streams.end(number, vec![b"answer".to_vec()]);
    assert!(refused(&streams, "00000007-1-1"));
    assert!(refused(&streams, "00000007-1-0"));
}

#[test]
fn all_sessions_together_keep_a_bounded_amount() {
    let budget = Arc::new(Budget::default());
    let large = vec![b'x'; 16 << 20];
    let mut sessions = Vec::new();
    for count in 0..6 {
        let streams = Streams::new(7, Arc::clone(&budget));
        let (number, mut reader) = streams.begin();
        reader.prime();
        drop(reader);
        streams.say(number, large.clone());
        assert_eq!(refused(&streams, "00000007-1-1"), count >= 4, "of {count} others");
        sessions.push(streams);
    }
    // A session that ends makes room.
    sessions.clear();
    let streams = Streams::new(7, budget);
    let (number, mut reader) = streams.begin();
    reader.prime();
    drop(reader);
    streams.say(number, large);
    assert!(!refused(&streams, "00000007-1-1"));
}
