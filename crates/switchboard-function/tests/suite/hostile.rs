//! What bundles do that mean harm, or have a bad day.

use std::time::{Duration, Instant};

use serde_json::json;
use switchboard_core::Peer;
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
        let bundle = workshop.tools(&code, &["bad", "good"], "[limits]\ntime = \"2s\"\n");
        let begin = Instant::now();
        let (said, is_error) = text(&bundle, "bad", json!({})).await;
        assert!(is_error && said.contains(expected), "{body}: {said}");
        assert!(begin.elapsed() < Duration::from_secs(8), "{body}: {:?}", begin.elapsed());
        let (said, is_error) = text(&bundle, "good", json!({})).await;
        assert_eq!((&*said, is_error), ("good", false), "after {body}");
    }
    assert!(workshop.spawner.close(Duration::from_secs(3)).await.is_empty());
}

/// The noise goes to the log, which keeps its end.
#[tokio::test]
async fn a_gigabyte_of_noise_is_no_answer() {
    let workshop = Workshop::new().await;
    let code =
        "def loud():\n    for _ in range(1 << 14): print('x' * (1 << 16))\n    return 'end'\n";
    let bundle = workshop.tools(code, &["loud"], "");
    assert_eq!(text(&bundle, "loud", json!({})).await, ("end".to_owned(), false));
}

/// What nobody waits for is ended with all that it started.
#[tokio::test]
async fn a_call_that_is_given_up_ends_its_worker() {
    let workshop = Workshop::new().await;
    let code = "import subprocess, os, time\n\
        def children():\n    p = subprocess.Popen(['sleep', '98.7'])\n    open('/dev/stderr', 'w').write(f'{os.getpid()} {p.pid}\\n')\n    time.sleep(99)\n";
    let bundle = workshop.tools(code, &["children"], "[limits]\nprocesses = true\n");
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
