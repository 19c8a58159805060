use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::os::fd::AsFd as _;

use tokio::net::UnixStream;

use super::{receive, send};

#[tokio::test]
async fn what_is_open_here_is_open_there() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut file: File = tempfile::tempfile().unwrap();
    file.write_all(b"content").unwrap();
    send(&ours, b"{}\n", &[file.as_fd(), file.as_fd()]).await.unwrap();
    // Without descriptors it is a stream like any other.
    send(&ours, b"more", &[]).await.unwrap();
    drop(ours);

    let (mut text, mut received) = (Vec::new(), Vec::new());
    while receive(&theirs, &mut text, &mut received).await.unwrap() > 0 {}
    assert_eq!((text.as_slice(), received.len()), (b"{}\nmore".as_slice(), 2));
    for descriptor in &received {
        let flags = rustix::io::fcntl_getfd(descriptor).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC), "no child inherits it");
    }
    let mut copy = File::from(received.swap_remove(0));
    let mut content = String::new();
    copy.rewind().unwrap();
    copy.read_to_string(&mut content).unwrap();
    assert_eq!(content, "content");
}
