//! What lies around a sandboxed program: files, listeners and processes it was not given, and some it was.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::{SocketAddr as UnixAddr, UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child as Victim, Stdio};
use std::time::Duration;

use serde_json::json;
use switchboard_process::sandbox::{Limits, Network, Sandbox, program_paths};
use switchboard_process::{Command, Exit, Options, Spawner};
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use crate::common::{self, PATIENCE};

pub(crate) const PYTHON: &str = "/usr/bin/python3";

/// Runs `attempt` and prints in one word what came of it.
const PRELUDE: &str = r#"
import sys, os, json, errno, socket, ctypes
globals().update(json.loads(sys.argv[1]))
libc = ctypes.CDLL(None, use_errno=True)
arm = os.uname().machine == "aarch64"
def call(f, *words):
    if f(*words) == -1:
        raise OSError(ctypes.get_errno(), "refused")
def syscall(x86, arm64, *words):
    return call(libc.syscall, ctypes.c_long(arm64 if arm else x86), *(ctypes.c_long(w) for w in words))
def report(attempt):
    try:
        got = attempt()
        print("done" if got is None else got, flush=True)
    except OSError as error:
        print(errno.errorcode.get(error.errno, repr(error)), flush=True)
    except BaseException as error:
        print(type(error).__name__, flush=True)
"#;

/// Listeners live as long as this.
pub(crate) struct World {
    directory: tempfile::TempDir,
    pub(crate) tcp: TcpListener,
    /// The same number at another address.
    _elsewhere: TcpListener,
    other_tcp: TcpListener,
    udp: UdpSocket,
    _unix: UnixListener,
    _datagrams: UnixDatagram,
    _unnamed: UnixListener,
    abstract_name: String,
    /// A process of the same user that has nothing to do with the sandbox.
    pub(crate) victim: Victim,
    pub(crate) spawner: Spawner,
}

impl World {
    pub(crate) async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for name in ["listed", "unlisted", "out"] {
            fs::create_dir(at(name)).unwrap();
        }
        fs::write(at("listed/data"), "data").unwrap();
        fs::write(at("unlisted/secret"), "secret").unwrap();
        fs::set_permissions(at("unlisted/secret"), fs::Permissions::from_mode(0o600)).unwrap();
        symlink(at("unlisted/secret"), at("out/link")).unwrap();
        let abstract_name = directory.path().to_str().unwrap().to_owned();
        let unnamed = UnixAddr::from_abstract_name(&abstract_name).unwrap();
        let (tcp, elsewhere) = pair();
        let options = Options { state_dir: at("state"), guard: None };
        Self {
            tcp,
            _elsewhere: elsewhere,
            other_tcp: listener(),
            udp: UdpSocket::bind("127.0.0.1:0").unwrap(),
            _unix: UnixListener::bind(at("socket")).unwrap(),
            _datagrams: UnixDatagram::bind(at("datagrams")).unwrap(),
            _unnamed: UnixListener::bind_addr(&unnamed).unwrap(),
            abstract_name,
            victim: std::process::Command::new("sleep")
                .arg("1000")
                .stdin(Stdio::null())
                .spawn()
                .unwrap(),
            spawner: Spawner::start(options).await.unwrap().0,
            directory,
        }
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn port(&self) -> u16 {
        port(self.tcp.local_addr())
    }

    /// What a worker of ours would be given: its libraries, one directory to read and one to write.
    pub(crate) fn sandbox(&self) -> Sandbox {
        let mut readable = program_paths(Path::new(PYTHON));
        readable.push(self.at("listed"));
        Sandbox {
            readable,
            writable: vec![self.at("out")],
            network: Network::None,
            limits: Limits {
                memory_bytes: Some(512 << 20),
                cpu: Some(Duration::from_secs(1)),
                open_files: Some(64),
                file_bytes: Some(1 << 20),
                ..Limits::default()
            },
            executable: Vec::new(),
            // The tests look at what there is.
            required: false,
        }
    }

    /// `attempt`, the body of a Python function, as a program in `sandbox`.
    pub(crate) fn command(&self, attempt: &str, sandbox: Sandbox) -> Command {
        let body: String = attempt.lines().map(|line| format!("    {line}\n")).collect();
        let facts = json!({
            "listed": self.at("listed"),
            "unlisted": self.at("unlisted"),
            "out": self.at("out"),
            "unix": self.at("socket"),
            "datagrams": self.at("datagrams"),
            "unnamed": self.abstract_name,
            "port": self.port(),
            "other_port": port(self.other_tcp.local_addr()),
            "udp_port": port(self.udp.local_addr()),
            "daemon": std::process::id(),
            "victim": self.victim.id(),
        });
        let mut command = Command::new("test", PYTHON);
        let text = format!("{PRELUDE}\ndef attempt():\n{body}\nreport(attempt)\n");
        command.args = vec!["-I".into(), "-c".into(), text.into(), facts.to_string().into()];
        command.env = common::environment("sandbox");
        command.sandbox = Some(sandbox);
        command
    }

    /// Runs `attempt` to its end: the word it printed, or how it ended if it printed none.
    pub(crate) async fn run(&self, attempt: &str, sandbox: Sandbox) -> String {
        let command = self.command(attempt, sandbox);
        let stderr = command.stderr.clone();
        let mut child = match self.spawner.spawn(command).await {
            Ok(child) => child,
            Err(error) => return format!("{error}: {}", error.hint()),
        };
        let mut text = String::new();
        let mut stdout = child.take_stdout().unwrap();
        timeout(PATIENCE, stdout.read_to_string(&mut text)).await.unwrap().unwrap();
        match (text.trim(), child.exited().await) {
            ("", Exit::Signal(number)) => format!("signal {number}"),
            ("", exit) => {
                let lines = stderr.lines(3).into_iter().map(|line| line.text).collect::<Vec<_>>();
                format!("{exit}: {}", lines.join(" / "))
            }
            (text, _) => text.to_owned(),
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // It is killed by an attempt that should have failed, or here.
        let _ = self.victim.kill().and_then(|()| self.victim.wait());
    }
}

fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

/// One that answers the first five bytes with themselves, and one at the same port of another address.
fn pair() -> (TcpListener, TcpListener) {
    loop {
        let tcp = listener();
        let other = (Ipv4Addr::new(127, 0, 0, 2), port(tcp.local_addr()));
        // Somebody may have that one already.
        if let Ok(elsewhere) = TcpListener::bind(other) {
            let echo = tcp.try_clone().unwrap();
            std::thread::spawn(move || echo_to_all(&echo));
            return (tcp, elsewhere);
        }
    }
}

/// Answers whoever connects, one after the other.
fn echo_to_all(listener: &TcpListener) {
    for connection in listener.incoming() {
        let Ok(mut connection) = connection else { return };
        let mut word = [0; 5];
        // Some connect and say nothing.
        if connection.read_exact(&mut word).is_ok() {
            let _ = connection.write_all(&word);
        }
    }
}

fn port(address: std::io::Result<SocketAddr>) -> u16 {
    address.unwrap().port()
}
