//! What is special about `WebSocket`.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use switchboard_config::ByteSize;
use switchboard_testkit::raw::{Head, Wire};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::carrier::{Carrier, Talk, dial};
use crate::house::{House, has, initialize, new, old, still};

type Socket = WebSocketStream<TcpStream>;

const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nHost: localhost\r\nX-API-Key: k1\r\n\
    Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// Sends a handshake as it stands.
async fn shake(house: &House, request: &str) -> (Wire, Head) {
    let mut wire = Wire::connect(house.address).await;
    wire.send(format!("{request}\r\n")).await;
    let head = wire.head().await.unwrap();
    (wire, head)
}

pub(crate) async fn the_handshake_is_that_of_the_rfc() {
    let house = House::new().await;
    let (_wire, head) = shake(&house, HANDSHAKE).await;
    assert_eq!(head.status, 101);
    // RFC 6455, section 1.3, has this pair as its example.
    assert_eq!(head.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(head.header("sec-websocket-protocol"), None);
    for (offered, status, chosen) in [
        ("mcp", 101, Some("mcp")),
        ("chat, mcp", 101, Some("mcp")),
        ("chat\r\nSec-WebSocket-Protocol: mcp", 101, Some("mcp")),
        ("chat", 400, None),
        ("mcp2", 400, None),
    ] {
        let request = format!("{HANDSHAKE}Sec-WebSocket-Protocol: {offered}\r\n");
        let (_wire, head) = shake(&house, &request).await;
        assert_eq!(head.status, status, "{offered}");
        assert_eq!(head.header("sec-websocket-protocol"), chosen, "{offered}");
    }
    for (from, to, status) in [
        ("GET", "POST", 405),
        ("HTTP/1.1", "HTTP/1.0", 426),
        ("Upgrade: websocket\r\n", "", 426),
        ("Upgrade: websocket", "Upgrade: h2c", 426),
        ("keep-alive, Upgrade", "keep-alive", 400),
        ("Version: 13", "Version: 8", 426),
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhl", 400),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", 400),
        ("localhost", "evil.example", 403),
        ("X-API-Key: k1", "X-API-Key: k3", 401),
        ("X-API-Key: k1", "X-API-Key: k1\r\nOrigin: https://evil.example", 403),
        ("X-API-Key: k1", "X-API-Key: k1\r\nOrigin: https://app.example", 101),
        // A browser cannot set headers here.
        (
            "/ws HTTP/1.1\r\nHost: localhost\r\nX-API-Key: k1",
            "/ws?api_key=k1 HTTP/1.1\r\nHost: localhost",
            101,
        ),
    ] {
        let (_wire, head) = shake(&house, &HANDSHAKE.replace(from, to)).await;
        assert_eq!(head.status, status, "{from} -> {to}");
    }
    house.end().await;
}

/// A connection on which nobody knows what frames are.
async fn deaf(house: &House) -> TcpStream {
    let mut stream = TcpStream::connect(house.address).await.unwrap();
    stream.write_all(format!("{HANDSHAKE}\r\n").as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    stream
}

/// The code in the frame that closes a connection, as it came over the wire: the rest is pings.
async fn closed_with(stream: &mut TcpStream) -> u16 {
    loop {
        let opcode = stream.read_u8().await.unwrap();
        let length = stream.read_u8().await.unwrap();
        let mut payload = vec![0; length.into()];
        stream.read_exact(&mut payload).await.unwrap();
        match opcode {
            0x88 => return u16::from_be_bytes([payload[0], payload[1]]),
            0x89 => {}
            other => panic!("{other:x}"),
        }
    }
}

/// The code with which the listener closes, once all other messages are read.
async fn closing(socket: &mut Socket) -> Option<CloseCode> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return None,
        }
    }
}

pub(crate) async fn what_is_no_message_closes_with_the_right_code() {
    let house = House::with(|config| config.body_limit = ByteSize::from_kib(4)).await;
    let part = |opcode, last| {
        let frame = Frame::message(Bytes::from(vec![b' '; 1_000]), OpCode::Data(opcode), last);
        Message::Frame(frame)
    };
    let cases: [(&str, Vec<Message>, CloseCode); 7] = [
        ("binary", vec![Message::binary(&b"{}"[..])], CloseCode::Unsupported),
        ("a large frame", vec![Message::text(" ".repeat(5_000))], CloseCode::Size),
        ("a huge frame", vec![Message::text(" ".repeat(32 << 20))], CloseCode::Size),
        (
            "a flood of fragments",
            std::iter::once(part(Data::Text, false))
                .chain((0..5).map(|_| part(Data::Continue, false)))
                .collect(),
            CloseCode::Size,
        ),
        ("a fragment of nothing", vec![part(Data::Continue, false)], CloseCode::Protocol),
        (
            "two messages at once",
            vec![part(Data::Text, false), part(Data::Text, true)],
            CloseCode::Protocol,
        ),
        (
            "text that is none",
            vec![Message::Frame(Frame::message(&b"\xff"[..], OpCode::Data(Data::Text), true))],
            CloseCode::Invalid,
        ),
    ];
    for (what, messages, expected) in cases {
        let mut socket = dial(&house, &[]).await.unwrap();
        for message in messages {
            // It may be closed before all is sent.
            let _ = socket.send(message).await;
        }
        assert_eq!(closing(&mut socket).await, Some(expected), "{what}");
    }
    house.end().await;
}

pub(crate) async fn a_farewell_is_answered() {
    let house = House::new().await;
    let mut socket = dial(&house, &[]).await.unwrap();
    socket.send(Message::text(old("1", "ping", ""))).await.unwrap();
    socket.close(None).await.unwrap();
    while let Some(message) = socket.next().await {
        message.expect("the farewell is answered");
    }
    house.end().await;
}

pub(crate) async fn what_is_not_masked_is_refused() {
    let house = House::new().await;
    // RFC 6455, section 5.1: a client masks. This text frame is not.
    let mut stream = deaf(&house).await;
    stream.write_all(b"\x81\x02{}").await.unwrap();
    assert_eq!(closed_with(&mut stream).await, 1002);
    house.end().await;
}

pub(crate) async fn nonsense_in_a_frame_is_answered() {
    let house = House::new().await;
    let mut talk = Talk::begin(&house, Carrier::WebSocket).await;
    for (message, expected) in [
        ("nonsense", "\"id\":null,\"error\":{\"code\":-32700"),
        ("[]", "-32600"),
        ("{\"jsonrpc\":\"2.0\",\"id\":77,\"result\":{}}\n{}", "-32700"),
        ("\n{\"jsonrpc\":\"2.0\",\n\"id\":6,\"method\":\"ping\"}\n", "\"id\":6,\"result\":{}"),
    ] {
        has(&talk.ask(message).await, expected);
    }
    drop(talk);
    house.end().await;
}

pub(crate) async fn one_message_may_come_in_many_frames() {
    let house = House::new().await;
    let mut socket = dial(&house, &[("sec-websocket-protocol", "mcp")]).await.unwrap();
    let text = new("1", "tools/list", "", "");
    let bytes = Bytes::from(text);
    let last = bytes.len() - 1;
    for at in 0..bytes.len() {
        let opcode = OpCode::Data(if at == 0 { Data::Text } else { Data::Continue });
        let frame = Frame::message(bytes.slice(at..=at), opcode, at == last);
        socket.send(Message::Frame(frame)).await.unwrap();
        if at == 10 {
            socket.send(Message::Ping(Bytes::from_static(b"now"))).await.unwrap();
            assert_eq!(socket.next().await.unwrap().unwrap(), Message::Pong("now".into()));
        }
    }
    let answer = socket.next().await.unwrap().unwrap();
    has(answer.to_text().unwrap(), "\"tools\":");
    drop(socket);
    house.end().await;
}

pub(crate) async fn a_drain_says_that_the_daemon_goes_away() {
    let house = House::new().await;
    let mut socket = dial(&house, &[]).await.unwrap();
    socket.send(Message::text(initialize("2025-11-25"))).await.unwrap();
    socket.next().await.unwrap().unwrap();
    house.draining.cancel();
    let away = CloseFrame { code: CloseCode::Away, reason: "the daemon stops".into() };
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::Close(Some(away)));
    drop(socket);
    house.end().await;
}

pub(crate) async fn a_frame_connection_keeps_its_place() {
    let house = House::with(|config| config.connections = 1).await;
    let socket = dial(&house, &[]).await.unwrap();
    let mut waiting = house.connect().await;
    waiting.send("GET /health", "").await;
    let said = waiting.wire.head().await.unwrap();
    assert_eq!((said.status, said.header("connection")), (200, Some("close")));
    let ping = || house.ask("POST", old("1", "ping", ""));
    assert_eq!(ping().await.0.status, 503, "the only place is taken");
    drop(socket);
    while ping().await.0.status == 503 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    house.end().await;
}

/// Time stands still here, and jumps when everybody waits.
pub(crate) async fn a_client_without_a_pong_is_cut_off() {
    still(async {
        let house = House::new().await;
        // Nobody answers pings here.
        let mut silent = deaf(&house).await;
        // Somebody does here.
        let mut alive = dial(&house, &[]).await.unwrap();
        let mut pings = 0;
        while pings < 5 {
            match alive.next().await.unwrap().unwrap() {
                Message::Ping(_) => pings += 1,
                other => panic!("{other}"),
            }
        }
        assert_eq!(closed_with(&mut silent).await, 1008);
        drop(alive);
        house.end().await;
    })
    .await;
}

/// Time stands still here, and jumps when everybody waits.
pub(crate) async fn a_client_that_never_reads_is_cut_off() {
    still(async {
        let house = House::new().await;
        let mut socket = dial(&house, &[]).await.unwrap();
        socket.send(Message::text(initialize("2025-11-25"))).await.unwrap();
        let large =
            format!("\"name\":\"echo\",\"arguments\":{{\"x\":\"{}\"}}", "x".repeat(1 << 20));
        let mut sent = 0;
        let error = loop {
            let request = Message::text(old(&sent.to_string(), "tools/call", &large));
            if let Err(error) = socket.send(request).await {
                break error;
            }
            sent += 1;
            assert!(sent < 1_000, "nothing holds it up");
        };
        assert!(matches!(error, Error::Io(_) | Error::ConnectionClosed), "{error}");
        drop(socket);
        house.end().await;
    })
    .await;
}
