//! What is forbidden, and why.

use std::collections::BTreeMap;

use libc::c_long;

use super::OWN;
use crate::sandbox::{Network, Sandbox};

/// Calls by number, each with the ways of calling it that are forbidden: all of them if none is listed.
pub(super) type Forbidden = BTreeMap<c_long, Vec<Vec<Word>>>;

/// What a word of a call has to be. In one way of calling, all of them hold.
#[derive(Clone, Copy, Debug)]
pub(super) enum Word {
    Is(u8, u32),
    IsNot(u8, u32),
    /// Those under the mask.
    Bits(u8, u32, u32),
}

use Word::{Bits, Is, IsNot};

/// Forbidden whatever is asked for.
const NEVER: &[c_long] = &[
    // Other processes of the same user: their memory, their descriptors, their life.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_process_madvise,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    libc::SYS_kcmp,
    448, // process_mrelease
    // Its group and its session, by which it is ended.
    libc::SYS_setsid,
    libc::SYS_setpgid,
    // Namespaces and mounts: the way to privileges over parts of the kernel.
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    428, // open_tree
    429, // move_mount
    430, // fsopen
    431, // fsconfig
    432, // fsmount
    433, // fspick
    442, // mount_setattr
    457, // statmount
    458, // listmount
    467, // open_tree_attr
    // Files by other ways than their paths, which Landlock does not see (name_to_handle_at(2)).
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    // Programs and files in memory: neither Landlock nor the limit on memory knows them.
    libc::SYS_memfd_create,
    447, // memfd_secret
    libc::SYS_shmget,
    libc::SYS_shmat,
    // What other processes of the user have of the same: numbers are guessed, and deleting takes no more.
    libc::SYS_shmctl,
    libc::SYS_semget,
    libc::SYS_semctl,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_msgget,
    libc::SYS_msgctl,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    // Files of the same user that it may not write: Landlock lets their mode, owner, dates and
    // attributes be changed all the same (landlock(7), "Current limitations"), by path and by a
    // descriptor that is open to read, and before its version 3 their length.
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    452, // fchmodat2
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_truncate,
    libc::SYS_utimensat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    463, // setxattrat
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    466, // removexattrat
    469, // file_setattr
    // Watching files takes no right to read them, and the user's watches are few.
    libc::SYS_inotify_init1,
    libc::SYS_fanotify_init,
    // The machine has few of these for all its users (`fs.aio-max-nr`), and databases need them.
    libc::SYS_io_setup,
    // Parts of the kernel that few programs need and many attacks began with.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_personality,
    425, // io_uring_setup
    426, // io_uring_enter
    427, // io_uring_register
    // What takes privileges anyway, in case there are some where no other layer is in force.
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
];

/// Calls that have a number of their own on each machine, most of them so old that others never had them.
#[cfg(target_arch = "x86_64")]
const NEVER_HERE: &[c_long] = &[
    libc::SYS_kexec_file_load,
    libc::SYS_inotify_init,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
    libc::SYS_modify_ldt,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_uselib,
];
#[cfg(not(target_arch = "x86_64"))]
const NEVER_HERE: &[c_long] = &[
    294, // kexec_file_load
];

/// How processes are started, but for [`libc::SYS_clone`].
#[cfg(target_arch = "x86_64")]
const FORKS: &[c_long] = &[libc::SYS_fork, libc::SYS_vfork];
#[cfg(not(target_arch = "x86_64"))]
const FORKS: &[c_long] = &[];

/// Calls whose words lie in memory.
///
/// `clone3` and `openat2` have a fallback in every C library, as both are missing in older kernels.
pub(super) fn absent() -> Forbidden {
    [435, 437].into_iter().map(|call| (call, Vec::new())).collect()
}

/// What `sandbox` forbids. `scopes` says whether Landlock keeps signals within the sandbox.
pub(super) fn forbidden(sandbox: &Sandbox, scopes: bool) -> Forbidden {
    let calls = NEVER.iter().chain(NEVER_HERE);
    let mut forbidden: Forbidden = calls.map(|call| (*call, Vec::new())).collect();
    let processes = sandbox.limits.may_start_processes;
    // With processes of its own it has somebody to signal. Numbers of theirs cannot be in a filter that
    // is older than they are, so this is left to Landlock where there is one that can.
    if !(processes && scopes) {
        forbidden.extend(signals());
    }
    forbidden.extend(sockets(sandbox.network));
    forbidden.extend(neighbours());
    forbidden.insert(libc::SYS_prctl, survival());
    forbidden.insert(libc::SYS_ioctl, controls());
    forbidden.insert(libc::SYS_fcntl, owners());
    forbidden.insert(libc::SYS_clone, births(processes));
    forbidden.extend(truncation());
    if !processes {
        forbidden.extend(FORKS.iter().map(|call| (*call, Vec::new())));
    }
    forbidden
}

/// Signals to anybody but itself. `abort` and `raise` are signals to oneself.
fn signals() -> Forbidden {
    let to_others = |call| (call, vec![vec![IsNot(0, OWN)]]);
    [
        libc::SYS_kill,
        libc::SYS_tkill,
        libc::SYS_tgkill,
        libc::SYS_rt_sigqueueinfo,
        libc::SYS_rt_tgsigqueueinfo,
    ]
    .map(to_others)
    .into()
}

/// Limits, processors and priorities of others. The kernel asks for the same user and nothing else, and
/// a limit on processor time is as good as a signal.
fn neighbours() -> Forbidden {
    let of_others = |word| vec![IsNot(word, 0), IsNot(word, OWN)];
    let by_first = |call| (call, vec![of_others(0)]);
    let mut found: Forbidden = [
        libc::SYS_prlimit64,
        libc::SYS_sched_setaffinity,
        libc::SYS_sched_setscheduler,
        libc::SYS_sched_setparam,
        libc::SYS_sched_setattr,
    ]
    .map(by_first)
    .into();
    // The first word says of what: of a process, or of a group or a user, which are more than itself
    // (setpriority(2), ioprio_set(2)).
    let one_process = |kind| vec![vec![IsNot(0, kind)], of_others(1)];
    found.insert(libc::SYS_setpriority, one_process(0));
    found.insert(libc::SYS_ioprio_set, one_process(1));
    found
}

/// What would let it survive the daemon, hide its environment, or be traced.
fn survival() -> Vec<Vec<Word>> {
    [
        libc::PR_SET_PDEATHSIG,
        libc::PR_SET_DUMPABLE,
        libc::PR_SET_MM,
        libc::PR_SET_CHILD_SUBREAPER,
        libc::PR_SET_PTRACER,
    ]
    .map(|option| vec![Is(0, option.unsigned_abs())])
    .into()
}

/// The requests of `ioctl` that ordinary programs make. Every driver and file system has its own, and
/// some of those reach further than the descriptor: typing into a terminal (TIOCSTI), flags of files
/// that may only be read, naming who is signalled (FIOSETOWN), namespaces of other processes.
///
/// The numbers are those of asm-generic/ioctls.h, which both architectures have.
const REQUESTS: [u32; 9] = [
    0x5401,      // TCGETS: is it a terminal?
    0x802c_542a, // TCGETS2, the same for newer C libraries
    0x5413,      // TIOCGWINSZ: how wide is it?
    0x5411,      // TIOCOUTQ: how much is not sent yet?
    0x541b,      // FIONREAD: how much is there?
    0x5421,      // FIONBIO
    0x5450,      // FIONCLEX
    0x5451,      // FIOCLEX
    0x4004_9409, // FICLONE: copying a file into one that is open to write
];

fn controls() -> Vec<Vec<Word>> {
    vec![REQUESTS.map(|request| IsNot(1, request)).into()]
}

/// Naming who is signalled about a descriptor, which is `kill` by another name (fcntl(2), F_SETSIG);
/// making others wait who open a file that may only be read, and watching it; and pipes of another
/// size, whose memory is counted for the user and not for the process, so that the daemon's own would
/// shrink (pipe(7), `pipe-user-pages-soft`).
fn owners() -> Vec<Vec<Word>> {
    const F_SETOWN: u32 = 8;
    const F_SETSIG: u32 = 10;
    const F_SETOWN_EX: u32 = 15;
    const F_SETLEASE: u32 = 1024;
    const F_NOTIFY: u32 = 1026;
    const F_SETPIPE_SZ: u32 = 1031;
    [F_SETOWN, F_SETSIG, F_SETOWN_EX, F_SETLEASE, F_NOTIFY, F_SETPIPE_SZ]
        .map(|command| vec![Is(1, command)])
        .into()
}

/// Processes with namespaces or with the daemon for a parent, and all of them if it may start none.
/// Threads stay.
fn births(processes: bool) -> Vec<Vec<Word>> {
    let mut ways: Vec<Vec<Word>> = [
        libc::CLONE_NEWNS,
        libc::CLONE_NEWCGROUP,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
        libc::CLONE_PARENT,
    ]
    .map(libc::c_int::cast_unsigned)
    .map(|flag| vec![Bits(0, flag, flag)])
    .into();
    if !processes {
        ways.push(vec![Bits(0, libc::CLONE_THREAD.cast_unsigned(), 0)]);
    }
    ways
}

/// Emptying a file by opening it to read, which is Landlock's business only since its version 3.
fn truncation() -> Forbidden {
    let mask = (libc::O_ACCMODE | libc::O_TRUNC).cast_unsigned();
    let empties = |word| vec![vec![Bits(word, mask, libc::O_TRUNC.cast_unsigned())]];
    Forbidden::from([
        (libc::SYS_openat, empties(2)),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_open, empties(1)),
    ])
}

/// The low bits of a socket's type; above them are flags (socket(2)).
const TYPE: u32 = 0xf;

/// All sockets but those of `network`, and pairs of streams, which reach nobody.
///
/// A pair of datagrams would: each of the two can be given another address.
fn sockets(network: Network) -> Forbidden {
    let unix = libc::AF_UNIX.cast_unsigned();
    let stream = libc::SOCK_STREAM.cast_unsigned();
    let mut pairs = vec![vec![IsNot(0, unix)]];
    pairs.extend(types_but(&[stream]));
    let mut found = Forbidden::from([(libc::SYS_socketpair, pairs)]);
    match network {
        Network::None => found.extend([(libc::SYS_socket, Vec::new())]),
        Network::Port(_) => {
            found.insert(libc::SYS_socket, internet(&[stream], &[libc::IPPROTO_TCP]));
            found.extend(around_connect());
        }
        Network::Any => {
            let types = [stream, libc::SOCK_DGRAM.cast_unsigned()];
            let protocols = [libc::IPPROTO_TCP, libc::IPPROTO_UDP];
            found.insert(libc::SYS_socket, internet(&types, &protocols));
            // To connect is what it was given; a service of its own on the network of this machine is not.
            found.insert(libc::SYS_listen, Vec::new());
        }
    }
    found
}

/// Sockets that are not for IPv4 or IPv6, of one of `types`, with one of `protocols` or the usual one.
fn internet(types: &[u32], protocols: &[libc::c_int]) -> Vec<Vec<Word>> {
    let families = [libc::AF_INET, libc::AF_INET6].map(|family| IsNot(0, family.cast_unsigned()));
    let usual = [IsNot(2, 0)].into_iter();
    let others = protocols.iter().map(|protocol| IsNot(2, protocol.cast_unsigned()));
    let mut ways = vec![families.into(), usual.chain(others).collect()];
    ways.extend(types_but(types));
    ways
}

fn types_but(types: &[u32]) -> impl Iterator<Item = Vec<Word>> {
    (0..=TYPE).filter(|it| !types.contains(it)).map(|it| vec![Bits(1, TYPE, it)])
}

/// Ways around a rule about `connect`: waiting for others, sending with MSG_FASTOPEN, which connects on
/// the way, and becoming another protocol by TCP_ULP, which Landlock does not take for TCP.
fn around_connect() -> Forbidden {
    let fast = libc::MSG_FASTOPEN.cast_unsigned();
    let tcp = libc::IPPROTO_TCP.cast_unsigned();
    Forbidden::from([
        (libc::SYS_bind, Vec::new()),
        (libc::SYS_listen, Vec::new()),
        (libc::SYS_sendto, vec![vec![Bits(3, fast, fast)]]),
        (libc::SYS_sendmsg, vec![vec![Bits(2, fast, fast)]]),
        (libc::SYS_sendmmsg, vec![vec![Bits(3, fast, fast)]]),
        (libc::SYS_setsockopt, vec![vec![Is(1, tcp), Is(2, libc::TCP_ULP.cast_unsigned())]]),
    ])
}
