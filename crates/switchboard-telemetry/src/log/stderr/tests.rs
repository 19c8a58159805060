use std::io::{ErrorKind, Read as _, Write as _};

use super::Impatient;

fn line(length: usize) -> Vec<u8> {
    let mut line = vec![b'x'; length - 1];
    line.push(b'\n');
    line
}

#[test]
fn lines_arrive_whole() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut stderr = Impatient::new(writer);
    let lines: Vec<u8> = [5, 4095, 4096, 4097, 20_000].into_iter().flat_map(line).collect();
    for one in lines.split_inclusive(|byte| *byte == b'\n') {
        stderr.write_all(one).unwrap();
    }
    drop(stderr);
    let mut read = Vec::new();
    reader.read_to_end(&mut read).unwrap();
    assert_eq!(read, lines);
}

#[test]
fn a_pipe_that_nobody_empties_holds_nobody_up() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut stderr = Impatient::new(writer);
    // Larger than a pipe, so that a blocking write would never return.
    let error = stderr.write_all(&line(1 << 20)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    assert_eq!(stderr.write_all(b"lost\n").unwrap_err().kind(), ErrorKind::WouldBlock);

    // Room again: the torn line is ended before the next begins.
    let mut half = vec![0; 32 * 1024];
    reader.read_exact(&mut half).unwrap();
    stderr.write_all(b"next\n").unwrap();
    drop(stderr);
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).unwrap();
    assert!(
        rest.ends_with(b"x\nnext\n"),
        "{:?}",
        String::from_utf8_lossy(&rest[rest.len() - 20..])
    );
}

#[test]
fn a_reader_that_left_is_an_error_and_no_more() {
    let (reader, writer) = std::io::pipe().unwrap();
    let mut stderr = Impatient::new(writer);
    drop(reader);
    // Rust programs ignore SIGPIPE from the start, test programs too.
    assert_eq!(stderr.write_all(b"lost\n").unwrap_err().kind(), ErrorKind::BrokenPipe);
}
