//! A network between a client and a server, which does to a connection what networks do.
//!
//! Both ends are on this machine; what is between them is a thread for each direction that passes
//! bytes on, late, in part, or not at all.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What the network does to what goes over it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Weather {
    #[default]
    Clear,
    /// Each piece is late by this much.
    Slow(Duration),
    /// Nothing gets through, and nobody is told: a cable that was pulled, a NAT that forgot.
    Stalled,
    /// Each connection breaks after so many bytes in one direction.
    Breaking(usize),
    /// Each connection is closed at once.
    Down,
    /// It is not needed any more.
    Over,
}

/// The way to one server; gone when dropped.
pub struct Network {
    address: SocketAddr,
    weather: Arc<Mutex<Weather>>,
}

/// How often a stalled or idle direction looks at the weather.
const LOOK: Duration = Duration::from_millis(20);

impl Network {
    /// A way to the server at `url`.
    pub fn before(url: &str) -> Self {
        let authority = url.split('/').nth(2).unwrap_or_default();
        let server: SocketAddr = authority.parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let weather = Arc::new(Mutex::new(Weather::Clear));
        let here = Arc::clone(&weather);
        thread::spawn(move || accept(&listener, server, &here));
        Self { address, weather }
    }

    /// The same address, over this network.
    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    pub fn turn(&self, weather: Weather) {
        *self.weather.lock().unwrap() = weather;
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.turn(Weather::Over);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

fn accept(listener: &TcpListener, server: SocketAddr, weather: &Arc<Mutex<Weather>>) {
    for near in listener.incoming() {
        let now = *weather.lock().unwrap();
        match (now, near) {
            (Weather::Over, _) => return,
            (Weather::Down, _) | (_, Err(_)) => {}
            (_, Ok(near)) => connect(near, server, weather),
        }
    }
}

fn connect(near: TcpStream, server: SocketAddr, weather: &Arc<Mutex<Weather>>) {
    let Ok(far) = TcpStream::connect(server) else { return };
    let (Ok(near_too), Ok(far_too)) = (near.try_clone(), far.try_clone()) else { return };
    for (from, to) in [(near, far), (far_too, near_too)] {
        let weather = Arc::clone(weather);
        thread::spawn(move || {
            pass(&from, &to, &weather);
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
        });
    }
}

/// Passes on what comes, until either end closes or the weather does.
fn pass(mut from: &TcpStream, mut to: &TcpStream, weather: &Mutex<Weather>) {
    let _ = from.set_read_timeout(Some(LOOK));
    let _ = to.set_nodelay(true);
    let mut piece = [0; 16 << 10];
    let mut passed = 0;
    loop {
        let now = *weather.lock().unwrap();
        match now {
            Weather::Clear | Weather::Breaking(_) => {}
            Weather::Slow(delay) => thread::sleep(delay),
            Weather::Stalled => {
                thread::sleep(LOOK);
                continue;
            }
            Weather::Down | Weather::Over => return,
        }
        let count = match from.read(&mut piece) {
            Ok(0) => return,
            Ok(count) => count,
            Err(error) if is_idle(&error) => continue,
            Err(_) => return,
        };
        let most = match now {
            Weather::Breaking(limit) => count.min(limit.saturating_sub(passed)),
            _ => count,
        };
        if to.write_all(&piece[..most]).is_err() || most < count {
            return;
        }
        passed += count;
    }
}

fn is_idle(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    use super::{Network, Weather};

    /// A connection over the network, and its other end.
    fn connect(network: &Network, server: &TcpListener) -> (TcpStream, TcpStream) {
        let near = TcpStream::connect(network.address).unwrap();
        let (far, _) = server.accept().unwrap();
        near.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        far.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        (near, far)
    }

    #[test]
    fn what_goes_over_it_depends_on_the_weather() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let network = Network::before(&format!("http://{}/mcp", server.local_addr().unwrap()));
        let (mut near, mut far) = connect(&network, &server);
        let mut four = [0; 4];
        near.write_all(b"ping").unwrap();
        far.read_exact(&mut four).unwrap();

        network.turn(Weather::Stalled);
        // One piece may have been on its way.
        far.write_all(b"pong").unwrap();
        std::thread::sleep(Duration::from_millis(100));
        far.write_all(b"pong").unwrap();
        let stalled = (0..2).any(|_| near.read_exact(&mut four).is_err());
        assert!(stalled, "nothing gets through");

        network.turn(Weather::Breaking(6));
        let (mut near, mut far) = connect(&network, &server);
        near.write_all(b"pingping").unwrap();
        let mut all = Vec::new();
        let _ = far.read_to_end(&mut all);
        assert_eq!(all, b"pingpi");

        network.turn(Weather::Down);
        let mut refused = TcpStream::connect(network.address).unwrap();
        refused.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        assert!(matches!(refused.read(&mut four), Ok(0) | Err(_)));
    }
}
