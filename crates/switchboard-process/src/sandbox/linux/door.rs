//! The one way out of a network namespace of its own.
//!
//! A rule about ports alone is no wall: Landlock looks at the number and not at the address, so whoever
//! has a machine somewhere that listens at that number gets around the proxy. In a namespace whose only
//! interface is its own loopback there is no other machine. The child, before it becomes somebody else,
//! listens there at the port that it is to find, and hands the socket to the daemon, which accepts on it
//! and carries what comes to the port of the same number outside ([`crate::sandbox::Passage`]).

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, bind, listen, recvmsg, sendmsg,
    socket_with, socketpair,
};

use super::{Errno, checked};
use crate::sandbox::Passage;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 64;

/// The child's side.
pub(super) struct Door {
    port: u16,
    handover: OwnedFd,
}

/// The daemon's side.
pub(crate) struct Doorway {
    port: u16,
    handover: OwnedFd,
}

/// Both sides of a way to `port`.
pub(super) fn new(port: u16) -> io::Result<(Option<Door>, Option<Doorway>)> {
    let (inside, outside) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    Ok((Some(Door { port, handover: inside }), Some(Doorway { port, handover: outside })))
}

impl Door {
    /// Listens, and hands the socket over. Makes system calls and nothing else.
    pub(super) fn open(&self) -> Result<(), Errno> {
        switch_loopback_on()?;
        self.listen().map_err(rustix::io::Errno::raw_os_error)
    }

    fn listen(&self) -> Result<(), rustix::io::Errno> {
        let socket =
            socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, self.port))?;
        listen(&socket, BACKLOG)?;
        let sockets = [socket.as_fd()];
        let mut space = [MaybeUninit::uninit(); space()];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        ancillary.push(SendAncillaryMessage::ScmRights(&sockets));
        // A message without a byte of its own would carry nothing.
        sendmsg(&self.handover, &[IoSlice::new(b".")], &mut ancillary, SendFlags::empty())?;
        Ok(())
    }
}

impl Doorway {
    /// What the child handed over, once it has become the program: it was sent before that.
    ///
    /// # Errors
    ///
    /// If there is nothing, because the system had no descriptor left.
    pub(crate) fn passage(&self) -> io::Result<Passage> {
        let mut space = [MaybeUninit::uninit(); space()];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
        recvmsg(&self.handover, &mut [IoSliceMut::new(&mut [0])], &mut ancillary, flags)?;
        let sockets = ancillary.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(sockets) => Some(sockets),
            _ => None,
        });
        let socket = sockets.flatten().next().ok_or(io::ErrorKind::NotFound)?;
        let listener = TcpListener::from(socket);
        listener.set_nonblocking(true)?;
        Ok(Passage { listener, port: self.port })
    }
}

/// Room for one descriptor.
const fn space() -> usize {
    rustix::cmsg_space!(ScmRights(1))
}

/// The loopback of a new namespace is off (network_namespaces(7)), and `SIOCSIFFLAGS` of netdevice(7) puts it on.
#[expect(
    unsafe_code,
    reason = "neither the standard library nor rustix sets the flags of an interface"
)]
fn switch_loopback_on() -> Result<(), Errno> {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
        .map_err(rustix::io::Errno::raw_os_error)?;
    let socket: BorrowedFd<'_> = socket.as_fd();
    // SAFETY: all bytes zero are an interface without a name and without flags.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (place, letter) in request.ifr_name.iter_mut().zip(b"lo") {
        *place = letter.cast_signed() as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
    // SAFETY: `request` lives until the call returns and has the layout of netdevice(7).
    let answer =
        unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request) };
    checked(answer.into()).map(|_| ())
}
