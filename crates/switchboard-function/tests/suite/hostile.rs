//! What bundles do that mean harm, or have a bad day.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use serde_json::json;
use switchboard_core::Peer as _;
use switchboard_function::Grants;
use switchboard_mcp::Method;

use crate::common::{Workshop, owner, request, text};

/// Each fails with what it says, within its time, and the next call of the bundle works.
#[tokio::test]
async fn whatever_a_function_does_its_call_ends() {
    let workshop = Workshop::new().await;
    let cases: &[(&str, &str)] = &[
        ("while True: pass", "it did not come to an end within 2 s"),
        ("import time; time.sleep(99)", "it did not come to an end within 2 s"),
        ("import re; re.match(r'(a+)+b', 'a' * 64)", "it did not come to an end within 2 s"),
        ("import asyncio; asyncio.run(asyncio.sleep(99))", "it did not come to an end within 2 s"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("import os; os._exit(3)", "the process that ran it exited with code 3"),
        ("import os; os.abort()", "the process that ran it was ended by signal 6"),
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
            "the process that ran it was killed",
        ),
        ("import ctypes; ctypes.string_at(0)", "the process that ran it was ended by signal 11"),
        ("def f(): f()\n    f()", "RecursionError"),
        ("return 'x' * (17 << 20)", "its result is longer than 16777216 bytes"),
        ("return float('nan')", "ValueError: Out of range float values are not JSON compliant"),
        ("return b'bytes'", "it returned bytes, and does not say what they are"),
        ("a = []\n    a.append(a)\n    return a", "ValueError: Circular reference detected"),
        ("import os; os.closerange(3, 99)", "the process that ran it"),
        (
            "import os\n    for fd in range(3, 99):\n        try: os.write(fd, b'{}\\n' * 9)\n        except OSError: pass",
            "the process that ran it broke the protocol",
        ),
        ("import sys; sys.exit('bye')", "SystemExit: bye"),
        ("raise type('E', (BaseException,), {})('odd')", "E: odd"),
        ("import sys; sys.stdout.close(); print('x')", "ValueError: I/O operation on closed file."),
    ];
    for (body, expected) in cases {
        let code = format!("def bad():\n    {body}\ndef good(): return 'good'\n");
        let bundle = workshop.tools(&code, &["bad", "good"], "[limits]\ntime = \"2s\"\n").await;
        let begin = Instant::now();
        let (said, is_error) = text(&bundle, "bad", json!({})).await;
        assert!(is_error && said.contains(expected), "{body}: {said}");
        assert!(begin.elapsed() < Duration::from_secs(8), "{body}: {:?}", begin.elapsed());
        let (said, is_error) = text(&bundle, "good", json!({})).await;
        assert_eq!((&*said, is_error), ("good", false), "after {body}");
    }
    assert!(workshop.spawner.close(Duration::from_secs(3)).await.is_empty());
}

/// What the sandbox holds back: each is refused to the code, which says so itself, and the bundle goes
/// on. `HERE` is a file of the test that nobody granted, `PORT` a listener of the test, `PARENT` its
/// process.
const REACHES: &[(&str, &str)] = &[
    ("open('/etc/passwd').read()", "PermissionError"),
    ("open('HERE').read()", "PermissionError"),
    ("open('HERE', 'w')", "PermissionError"),
    ("import os; os.unlink('HERE')", "PermissionError"),
    ("import os; os.rename('HERE', 'HERE2')", "PermissionError"),
    ("import os; os.symlink('/etc/passwd', 'HERE3')", "PermissionError"),
    ("import os; os.listdir('/root')", "PermissionError"),
    (
        "import os, tempfile; n = tempfile.mktemp(); os.symlink('/etc/passwd', n); open(n).read()",
        "PermissionError",
    ),
    ("open(__file__, 'a')", "PermissionError"),
    ("import sys; open(sys.modules['__main__'].__file__, 'w')", "PermissionError"),
    ("open('/proc/PARENT/environ').read()", "PermissionError"),
    ("open('/proc/PARENT/mem', 'rb')", "PermissionError"),
    ("import os; os.kill(PARENT, 9)", "PermissionError"),
    ("import os; os.kill(PARENT, 19)", "PermissionError"),
    ("import os; os.kill(-1, 9)", "PermissionError"),
    ("import os; os.killpg(os.getpgid(PARENT), 9)", "PermissionError"),
    ("import os; os.fork()", "PermissionError"),
    ("import subprocess; subprocess.run(['/bin/true'])", "PermissionError"),
    ("import os; os.system('true')", "not"),
    ("import os; os.execv('/bin/true', ['true'])", "PermissionError"),
    ("import multiprocessing; multiprocessing.Process(target=print).start()", "PermissionError"),
    ("import socket; socket.create_connection(('127.0.0.1', PORT), 1)", "PermissionError"),
    ("import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM)", "PermissionError"),
    ("import socket; socket.socket(socket.AF_INET6)", "PermissionError"),
    ("import socket; socket.socket(socket.AF_UNIX).connect('HERE')", "PermissionError"),
    ("import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)", "PermissionError"),
    ("import urllib.request; urllib.request.urlopen('http://127.0.0.1:PORT')", "URLError"),
    ("import os; os.setsid()", "PermissionError"),
    (
        "import ctypes; assert ctypes.CDLL(None, use_errno=True).ptrace(16, PARENT, 0, 0) == 0, 'refused'",
        "refused",
    ),
    ("import ctypes; assert ctypes.CDLL(None).unshare(0x10000000) == 0, 'refused'", "refused"),
    (
        "import ctypes; assert ctypes.CDLL(None).mount(b'/', b'/mnt', b'', 4096, 0) == 0, 'refused'",
        "refused",
    ),
    ("import os; os.chmod('HERE', 0o777)", "PermissionError"),
    ("import os; os.mknod('HERE4')", "PermissionError"),
    ("x = bytearray(1 << 30)", "MemoryError"),
    ("x = [bytearray(1 << 20) for _ in range(1 << 12)]", "MemoryError"),
    ("import os\n    fs = [os.open('/dev/null', 0) for _ in range(2000)]", "OSError: [Errno 24]"),
    (
        "import tempfile\n    f = tempfile.TemporaryFile()\n    for _ in range(99): f.write(bytes(1 << 20))",
        "OSError: [Errno 27]",
    ),
    ("import resource; resource.setrlimit(resource.RLIMIT_AS, (-1, -1))", "ValueError"),
];

#[tokio::test]
async fn what_nobody_granted_is_out_of_reach() {
    let workshop = Workshop::new().await;
    let here = workshop.path("here");
    std::fs::write(&here, "kept").unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let parent = std::process::id().to_string();
    for (body, expected) in REACHES {
        let body = body.replace("HERE", &here.display().to_string()).replace("PORT", &port);
        let body = body.replace("PARENT", &parent);
        let code = format!("def bad():\n    {body}\n    return 'it could'\n");
        let bundle = workshop.tools(&code, &["bad"], "").await;
        let (said, is_error) = text(&bundle, "bad", json!({})).await;
        let is_held = said.contains(expected) && (is_error || *expected == "not");
        // `system` gives a status instead of an exception, and its shell was never there.
        let is_held = is_held || (body.contains("os.system") && std::fs::read(&here).is_ok());
        assert!(is_held, "{body}: {said}");
    }
    assert_eq!(std::fs::read_to_string(&here).unwrap(), "kept");
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "nobody came by");
    assert!(workshop.spawner.close(Duration::from_secs(3)).await.is_empty());
}

/// What every function may do.
#[tokio::test]
async fn what_is_its_own_is_within_reach() {
    let workshop = Workshop::new().await;
    let granted = workshop.path("granted");
    std::fs::write(&granted, "for you").unwrap();
    let code = format!(
        "def ok():\n    import asyncio, json, os, sqlite3, ssl, tempfile, threading, zoneinfo\n    \
         with tempfile.NamedTemporaryFile('w+') as f:\n        f.write('x'); f.flush()\n    \
         assert sqlite3.connect(os.path.join(tempfile.gettempdir(), 'a.db')).execute('select 1').fetchone() == (1,)\n    \
         t = threading.Thread(target=lambda: None); t.start(); t.join()\n    \
         asyncio.run(asyncio.sleep(0))\n    zoneinfo.ZoneInfo('Europe/Berlin')\n    ssl.create_default_context()\n    \
         return open({:?}).read() + open(__file__).read()[:3]\n",
        granted.display().to_string()
    );
    let manifest = "name = \"b\"\n[python]\n[[tool]]\nname = \"ok\"\ndescription = \"d\"\n\
                    entry = \"code:ok\"\n";
    let grants = Grants { files: vec![granted], ..Grants::default() };
    let files = [("switchboard.toml", manifest), ("code.py", &*code)];
    let bundle = workshop.granted(&files, json!({}), grants).await;
    assert_eq!(text(&bundle, "ok", json!({})).await, ("for youdef".to_owned(), false));
}

/// A host that is granted is reached through the proxy, and no other.
#[tokio::test]
async fn hosts_are_reached_that_were_granted() {
    let workshop = Workshop::new().await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut seen = [0; 4096];
            let length = stream.read(&mut seen).unwrap();
            let head = String::from_utf8_lossy(&seen[..length]).into_owned();
            let body = head.lines().next().unwrap().to_owned();
            assert!(!head.to_lowercase().contains("proxy-authorization"), "{head}");
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    let code = format!(
        "import urllib.request, http.client, os, socket\n\
         def granted(): return urllib.request.urlopen('http://localhost:{port}/a?b').read().decode()\n\
         def other(): return urllib.request.urlopen('http://127.0.0.1:{port}/').read().decode()\n\
         def tls(): return urllib.request.urlopen('https://localhost:{port}/').read().decode()\n\
         def around(): return str(socket.create_connection(('127.0.0.1', {port}), 2))\n\
         def stranger():\n    \
         host, port = os.environ['https_proxy'].split('@')[1].split(':')\n    \
         c = http.client.HTTPConnection(host, int(port)); c.request('GET', 'http://localhost:{port}/')\n    \
         return c.getresponse().reason\n"
    );
    let tools = ["granted", "other", "tls", "around", "stranger"];
    let tools: String = tools
        .iter()
        .map(|it| {
            format!("[[tool]]\nname = \"{it}\"\ndescription = \"d\"\nentry = \"code:{it}\"\n")
        })
        .collect();
    let manifest = format!("name = \"b\"\n[python]\n{tools}");
    let grants = Grants { hosts: vec![format!("localhost:{port}")], ..Grants::default() };
    let files = [("switchboard.toml", &*manifest), ("code.py", &*code)];
    let bundle = workshop.granted(&files, json!({}), grants).await;
    let granted = text(&bundle, "granted", json!({})).await;
    assert_eq!(granted, ("GET /a?b HTTP/1.1".to_owned(), false));
    for (tool, expected) in [
        ("other", "HTTP Error 403: Forbidden"),
        // The tunnel is there, and what is behind it speaks no TLS.
        ("tls", "SSL"),
        ("around", "Error"),
    ] {
        let (said, is_error) = text(&bundle, tool, json!({})).await;
        assert!(is_error && said.contains(expected), "{tool}: {said}");
    }
    let stranger = text(&bundle, "stranger", json!({})).await;
    assert_eq!(stranger, ("Proxy Authentication Required".to_owned(), false));
}

/// While one bundle does its worst, the calls of another go on. The figure is for people; what holds
/// is that none of them fails.
#[expect(clippy::print_stderr, reason = "the figure is what this is for")]
#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_notices() {
    let workshop = Workshop::new().await;
    let bad = "import threading\ndef burn():\n    while True: pass\n\
               def eat():\n    x = []\n    while True: x.append(bytearray(1 << 20))\n\
               def loud():\n    while True: print('x' * 9999)\n";
    let limits = "[limits]\ntime = \"2s\"\nworkers = 1\nmemory = \"256 MiB\"\n";
    let bad = workshop.tools(bad, &["burn", "eat", "loud"], limits).await;
    let good = workshop.tools("def ok(): return 'ok'\n", &["ok"], "").await;
    let middle = async || {
        let mut times = Vec::new();
        for _ in 0..100 {
            let begin = Instant::now();
            assert_eq!(text(&good, "ok", json!({})).await, ("ok".to_owned(), false));
            times.push(begin.elapsed());
        }
        times.sort();
        times[50]
    };
    text(&good, "ok", json!({})).await;
    let alone = middle().await;
    for tool in ["burn", "eat", "loud"] {
        let harm = tokio::spawn({
            let bad = std::sync::Arc::clone(&bad);
            async move { text(&bad, tool, json!({})).await }
        });
        tokio::time::sleep(Duration::from_millis(300)).await;
        let beside = middle().await;
        let ratio = beside.as_secs_f64() / alone.as_secs_f64();
        eprintln!("beside `{tool}`: {beside:?} instead of {alone:?}, {ratio:.2} times");
        let (said, is_error) = harm.await.unwrap();
        assert!(is_error, "{tool}: {said}");
    }
}

/// The noise goes to the log, which keeps its end.
#[tokio::test]
async fn a_gigabyte_of_noise_is_no_answer() {
    let workshop = Workshop::new().await;
    let code = "def loud():\n    for _ in range(1 << 14): print('x' * (1 << 16))\n    return 'end'\n\
                def some():\n    for _ in range(100): print('y' * 99)\n    return 'end'\n";
    let limits = "[limits]\ntime = \"3s\"\n";
    let bundle = workshop.tools(code, &["loud", "some"], limits).await;
    let (said, is_error) = text(&bundle, "loud", json!({})).await;
    assert!(is_error && said.contains("it did not come to an end within 3 s"), "{said}");
    assert_eq!(text(&bundle, "some", json!({})).await, ("end".to_owned(), false));
    let is_noted = || bundle.log().lines(1_000).iter().any(|line| line.text.starts_with("yyy"));
    while !is_noted() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What nobody waits for is ended with all that it started.
#[tokio::test]
async fn a_call_that_is_given_up_ends_its_worker() {
    let workshop = Workshop::new().await;
    let code = "import subprocess, os, time\n\
        def children():\n    p = subprocess.Popen(['sleep', '98.7'])\n    open('/dev/stderr', 'w').write(f'{os.getpid()} {p.pid}\\n')\n    time.sleep(99)\n";
    let bundle = workshop.tools(code, &["children"], "[limits]\nprocesses = true\n").await;
    let asked = request(Method::ToolsCall, "children", json!({}));
    let context = owner();
    let call = tokio::spawn({
        let bundle = std::sync::Arc::clone(&bundle);
        async move { bundle.request(&context, asked).await.map(|_| ()) }
    });
    let pids = loop {
        tokio::time::sleep(Duration::from_millis(20)).await;
        if let Some(line) = bundle.log().lines(1).pop() {
            break line.text;
        }
    };
    call.abort();
    for pid in pids.split(' ') {
        let path = format!("/proc/{pid}");
        let gone = async {
            while std::path::Path::new(&path).exists() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), gone).await.expect("it is ended");
    }
}
