//! Whom a sandboxed program reaches over the network that it was given, and whom it must not.

use switchboard_process::sandbox::LayerKind::{NetworkNamespace, Ports, SystemCalls};
use switchboard_process::sandbox::{Network, Sandbox};

use crate::world::World;
use crate::{Case, DENIED, REFUSED, case, check};

const NETWORK: &[Case] = &[
    case(
        SystemCalls,
        "TCP to loopback",
        "socket.create_connection(('127.0.0.1', port), 5)",
        REFUSED,
    ),
    case(SystemCalls, "TCP over IPv6", "socket.socket(socket.AF_INET6)", REFUSED),
    case(
        SystemCalls,
        "UDP",
        "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', udp_port))",
        REFUSED,
    ),
    case(SystemCalls, "a raw socket", "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)", REFUSED),
    case(SystemCalls, "packets", "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)", REFUSED),
    case(SystemCalls, "netlink", "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)", REFUSED),
    case(
        SystemCalls,
        "the kernel's cryptography",
        "socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET)",
        REFUSED,
    ),
    case(SystemCalls, "a unix socket", "socket.socket(socket.AF_UNIX).connect(unix)", REFUSED),
    case(
        SystemCalls,
        "an abstract unix socket",
        "socket.socket(socket.AF_UNIX).connect('\\0' + unnamed)",
        REFUSED,
    ),
    case(
        SystemCalls,
        "a unix socket, from one end of a pair",
        "socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0].sendto(b'x', datagrams)",
        REFUSED,
    ),
    case(
        SystemCalls,
        "a name",
        "try:\n    socket.getaddrinfo('example.com', 80)\nexcept socket.gaierror:\n    return 'no name'",
        &["no name"],
    ),
];

/// With one port to connect to.
const PORT: &[Case] = &[
    case(SystemCalls, "the port", "socket.create_connection(('127.0.0.1', port), 5)", &["done"]),
    case(
        SystemCalls,
        "what is said there, and what is answered",
        "there = socket.create_connection(('127.0.0.1', port), 5)\nthere.sendall(b'hello')\n\
         return there.recv(5).decode()",
        &["hello"],
    ),
    case(Ports, "another port", "socket.create_connection(('127.0.0.1', other_port), 5)", DENIED),
    case(
        NetworkNamespace,
        "the same number at another address",
        "socket.create_connection(('127.0.0.2', port), 5)",
        &["ECONNREFUSED"],
    ),
    case(
        NetworkNamespace,
        "the same number at another machine",
        "socket.create_connection(('192.0.2.1', port), 5)",
        &["ENETUNREACH"],
    ),
    case(
        SystemCalls,
        "another port, without connecting first",
        "socket.socket().sendto(b'x', 0x20000000, ('127.0.0.1', other_port))",
        REFUSED,
    ),
    case(
        SystemCalls,
        "another protocol over the socket",
        "socket.socket().setsockopt(socket.IPPROTO_TCP, 31, b'smc')",
        REFUSED,
    ),
    case(SystemCalls, "MPTCP", "socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)", REFUSED),
    case(SystemCalls, "bind", "socket.socket().bind(('127.0.0.1', 0))", REFUSED),
    case(SystemCalls, "listen", "socket.socket().listen()", REFUSED),
    case(SystemCalls, "UDP", "socket.socket(type=socket.SOCK_DGRAM)", REFUSED),
    case(SystemCalls, "a raw socket", "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)", REFUSED),
    case(SystemCalls, "a unix socket", "socket.socket(socket.AF_UNIX).connect(unix)", REFUSED),
    case(
        SystemCalls,
        "an abstract unix socket",
        "socket.socket(socket.AF_UNIX).connect('\\0' + unnamed)",
        REFUSED,
    ),
    case(SystemCalls, "netlink", "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)", REFUSED),
];

/// With any address to connect to.
const ANY: &[Case] = &[
    case(
        SystemCalls,
        "any port",
        "socket.create_connection(('127.0.0.1', other_port), 5)",
        &["done"],
    ),
    case(
        SystemCalls,
        "UDP",
        "socket.socket(type=socket.SOCK_DGRAM).connect(('127.0.0.1', udp_port))",
        &["done"],
    ),
    case(SystemCalls, "a raw socket", "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)", REFUSED),
    case(SystemCalls, "listen", "socket.socket().listen()", REFUSED),
    case(SystemCalls, "ICMP", "socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 1)", REFUSED),
    case(SystemCalls, "a unix socket", "socket.socket(socket.AF_UNIX).connect(unix)", REFUSED),
];

#[tokio::test]
async fn without_a_network_there_is_none() {
    check("no network", NETWORK, |_, _| {}).await;
}

#[tokio::test]
async fn one_port_is_one_port() {
    let change = |world: &World, sandbox: &mut Sandbox| {
        sandbox.network = Network::Port(world.port());
    };
    check("one port", PORT, change).await;
}

#[tokio::test]
async fn any_network_is_no_way_to_the_sockets_of_this_machine() {
    check("any address", ANY, |_, sandbox| sandbox.network = Network::Any).await;
}
