use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::PrivateSocket;

/// Only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Greets, and stays until the client leaves.
async fn greet(mut stream: UnixStream) {
    stream.write_all(b"!").await.unwrap();
    let _ = stream.read_u8().await;
}

#[tokio::test]
async fn a_client_too_many_waits_until_another_leaves() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let socket = PrivateSocket::bind(&path, 2, CancellationToken::new()).unwrap();
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let serving = TaskTracker::new().spawn(socket.serve(tasks.clone(), stop.clone(), greet));
    let mut clients = Vec::new();
    for _ in 0..2 {
        let mut client = UnixStream::connect(&path).await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), b'!');
        clients.push(client);
    }
    let mut waiting = UnixStream::connect(&path).await.unwrap();
    // The two that are served stay, so that whoever came third is not.
    assert_eq!(tasks.len(), 2);
    let early = tokio::time::timeout(Duration::from_millis(100), waiting.read_u8()).await;
    assert!(early.is_err(), "all places are taken");
    clients.pop();
    let greeted = tokio::time::timeout(PATIENCE, waiting.read_u8()).await;
    assert_eq!(greeted.unwrap().unwrap(), b'!');
    stop.cancel();
    serving.await.unwrap();
}
