//! What a service manager sees: readiness, sockets it opened, reloads and the end.

use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::time::Duration;

use crate::common::{Home, Running, wait};

fn told(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 512];
    let length = loop {
        match socket.recv(&mut buffer) {
            // With a time limit it is not begun again after a stop of the process (signal(7)).
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            received => break received.unwrap(),
        }
    };
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

fn signal(name: &str, pid: u32) {
    let sent = std::process::Command::new("kill").args([name, &pid.to_string()]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn the_service_manager_is_told() {
    let home = Home::new("");
    let path = home.path("notify.sock");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut command = home.switchboard(&["run"]);
    command.env("NOTIFY_SOCKET", &path).stderr(Stdio::null());
    let mut daemon = Running(command.spawn().unwrap());
    assert_eq!(told(&socket), "READY=1");
    signal("-HUP", daemon.0.id());
    assert!(told(&socket).starts_with("RELOADING=1"), "sd_notify(3)");
    assert_eq!(told(&socket), "READY=1");
    signal("-TERM", daemon.0.id());
    assert_eq!(told(&socket), "STOPPING=1");
    assert!(daemon.0.wait().unwrap().success());
}

#[test]
fn a_socket_of_the_service_manager_is_used() {
    let home = Home::new("");
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    // As systemd does it: descriptor 3, and the variables of the process itself (sd_listen_fds(3)).
    let script = "exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" run";
    let mut command = home.command("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_switchboard")]);
    command.stdin(std::os::fd::OwnedFd::from(socket)).stderr(Stdio::null());
    let _daemon = Running(command.spawn().unwrap());
    wait("the daemon to answer", || {
        home.switchboard(&["status"]).output().unwrap().status.success()
    });
    assert_eq!(home.address(), format!("http://{address}/mcp"));
    // Handed on, whatever the configuration says.
    for _ in 0..2 {
        home.run(&["restart"]);
        assert_eq!(home.address(), format!("http://{address}/mcp"));
    }
    home.run(&["stop"]);
}

#[test]
fn a_restart_stays_with_the_service_manager() {
    let home = Home::new("");
    let path = home.path("notify.sock");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut command = home.switchboard(&["run"]);
    command.env("NOTIFY_SOCKET", &path).env("UNIT", "ours").stderr(Stdio::null());
    let mut old = Running(command.spawn().unwrap());
    assert_eq!(told(&socket), "READY=1");
    let refused = home.switchboard(&["restart", "--port", "1"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2), "the unit says where it listens");

    home.run(&["restart"]);
    let new = home.daemon_pid();
    assert_ne!(new, old.0.id());
    // In this order, and without a word of stopping (sd_notify(3)).
    assert_eq!(told(&socket), format!("MAINPID={new}"));
    assert_eq!(told(&socket), "READY=1");
    let environment = std::fs::read(format!("/proc/{new}/environ")).unwrap();
    let environment = String::from_utf8_lossy(&environment).into_owned();
    assert!(environment.contains("UNIT=ours"), "it was started by the daemon: {environment}");
    assert!(old.0.wait().unwrap().success());
    signal("-TERM", new);
    assert_eq!(told(&socket), "STOPPING=1");
}

#[test]
fn a_second_daemon_of_one_instance_is_refused() {
    let home = Home::new("");
    home.start();
    let second = home.switchboard(&["run"]).output().unwrap();
    assert!(!second.status.success());
    let stderr = String::from_utf8_lossy(&second.stderr);
    assert!(stderr.contains("already-running"), "{stderr}");
    let other = home.switchboard(&["start", "--name", "other"]).output().unwrap();
    assert!(other.status.success(), "{}", String::from_utf8_lossy(&other.stderr));
    home.run(&["stop", "--name", "other"]);
}
