//! What a sandboxed program tries and must not get, but for the network.

use std::time::Duration;

use switchboard_process::sandbox::LayerKind::{
    Files, Limits as Limited, Privileges, SystemCalls, UserNamespace,
};

use crate::{Case, DENIED, REFUSED, case, check};

const FILES: &[Case] = &[
    case(Files, "read /etc/passwd", "open('/etc/passwd').read()", DENIED),
    case(Files, "read a file that is not listed", "open(unlisted + '/secret').read()", DENIED),
    case(Files, "read it through a symbolic link", "open(out + '/link').read()", DENIED),
    case(
        Files,
        "read it through a link of its own",
        "os.symlink(unlisted + '/secret', out + '/own')\nopen(out + '/own').read()",
        DENIED,
    ),
    case(Files, "read it through `..`", "open(out + '/../unlisted/secret').read()", DENIED),
    case(
        Files,
        "read it through a hard link",
        "os.link(unlisted + '/secret', out + '/hard')\nopen(out + '/hard').read()",
        &["EACCES", "EXDEV", "EPERM"],
    ),
    case(
        Files,
        "take it by renaming",
        "os.rename(unlisted + '/secret', out + '/taken')",
        &["EACCES", "EXDEV"],
    ),
    case(Files, "delete it", "os.unlink(unlisted + '/secret')", DENIED),
    case(Files, "list its directory", "os.listdir(unlisted)", DENIED),
    case(Files, "list the root", "os.listdir('/')", DENIED),
    case(Files, "write outside", "open(unlisted + '/new', 'w')", DENIED),
    case(Files, "write where it may only read", "open(listed + '/data', 'w')", DENIED),
    case(
        SystemCalls,
        "truncate where it may only read",
        "os.truncate(listed + '/data', 0)",
        REFUSED,
    ),
    case(
        SystemCalls,
        "truncate by opening to read",
        "os.open(listed + '/data', os.O_RDONLY | os.O_TRUNC)",
        REFUSED,
    ),
    case(
        SystemCalls,
        "open the secret to everybody",
        "os.chmod(unlisted + '/secret', 0o666)",
        REFUSED,
    ),
    case(SystemCalls, "date the secret back", "os.utime(unlisted + '/secret', (0, 0))", REFUSED),
    case(
        SystemCalls,
        "attach something to the secret",
        "os.setxattr(unlisted + '/secret', 'user.x', b'x')",
        REFUSED,
    ),
    case(
        SystemCalls,
        "change what it may only read, by descriptor",
        "os.fchmod(os.open(listed + '/data', os.O_RDONLY), 0)",
        REFUSED,
    ),
    case(
        SystemCalls,
        "date it back, by descriptor",
        "os.utime(os.open(listed + '/data', os.O_RDONLY), (0, 0))",
        REFUSED,
    ),
    case(
        SystemCalls,
        "make others wait for it",
        "import fcntl\nfcntl.fcntl(os.open(listed + '/data', os.O_RDONLY), 1024, 1)",
        REFUSED,
    ),
    case(
        SystemCalls,
        "its flags",
        "import fcntl\nfcntl.ioctl(os.open(listed + '/data', os.O_RDONLY), 0x80086601, bytes(8))",
        REFUSED,
    ),
    case(
        Files,
        "read it through a descriptor without rights",
        "place = os.open(unlisted + '/secret', os.O_PATH)\nopen(f'/proc/self/fd/{place}').read()",
        DENIED,
    ),
    case(
        Files,
        "make a device",
        "os.mknod(out + '/null', 0o20666, os.makedev(1, 3))",
        &["EACCES", "EPERM"],
    ),
    case(Files, "read the daemon's environment", "open(f'/proc/{daemon}/environ').read()", DENIED),
    case(Files, "read the daemon's memory", "open(f'/proc/{daemon}/mem', 'rb').read(1)", DENIED),
    case(Files, "read its own environment", "open('/proc/self/environ').read()", DENIED),
    case(Files, "enter the daemon's root", "os.listdir(f'/proc/{daemon}/root')", DENIED),
    case(SystemCalls, "run a program from memory", "os.memfd_create('x')", REFUSED),
    case(Files, "become another program", "os.execv('/usr/bin/env', ['env'])", DENIED),
    case(
        Files,
        "become a program of its own",
        "import shutil\nshutil.copyfile('/usr/lib/os-release', out + '/program')\n\
         os.execv(out + '/program', ['program'])",
        DENIED,
    ),
];

const PROCESSES: &[Case] = &[
    case(SystemCalls, "fork", "os.fork()", REFUSED),
    case(
        SystemCalls,
        "a program, by `subprocess`",
        "import subprocess\nsubprocess.run(['/bin/true'])",
        REFUSED,
    ),
    case(
        SystemCalls,
        "a program, by `posix_spawn`",
        "os.posix_spawn('/bin/true', ['true'], {})",
        REFUSED,
    ),
    case(SystemCalls, "clone3", "syscall(435, 435, 0, 0)", &["ENOSYS"]),
    case(
        SystemCalls,
        "outlive everybody: fork, setsid, fork",
        "if os.fork(): return\nos.setsid()\nif os.fork(): os._exit(0)\nimport time\ntime.sleep(1000)",
        REFUSED,
    ),
    case(SystemCalls, "a session of its own", "os.setsid()", REFUSED),
    case(SystemCalls, "another process group", "os.setpgid(0, 0)", REFUSED),
    case(SystemCalls, "outlive the daemon", "call(libc.prctl, 1, 0, 0, 0, 0)", REFUSED),
    case(SystemCalls, "hide its environment", "call(libc.prctl, 4, 0, 0, 0, 0)", REFUSED),
    case(SystemCalls, "kill the daemon", "os.kill(daemon, 9)", REFUSED),
    case(SystemCalls, "kill its parent", "os.kill(os.getppid(), 9)", REFUSED),
    case(SystemCalls, "kill its group", "os.kill(0, 9)", REFUSED),
    case(SystemCalls, "kill everybody", "os.kill(-1, 9)", REFUSED),
    case(SystemCalls, "stop a neighbour", "os.kill(victim, 19)", REFUSED),
    case(
        SystemCalls,
        "kill a thread of a neighbour",
        "syscall(234, 131, victim, victim, 9)",
        REFUSED,
    ),
    case(
        SystemCalls,
        "kill by descriptor",
        "import signal\nsignal.pidfd_send_signal(os.pidfd_open(victim), 9)",
        REFUSED,
    ),
    case(
        SystemCalls,
        "have the kernel kill, by the owner of a pipe",
        "import fcntl\nfcntl.fcntl(os.pipe()[0], fcntl.F_SETOWN, victim)",
        REFUSED,
    ),
    case(
        SystemCalls,
        "have the kernel kill, by a limit",
        "import resource\nresource.prlimit(victim, resource.RLIMIT_CPU, (0, 0))",
        REFUSED,
    ),
    case(
        SystemCalls,
        "slow a neighbour down",
        "os.setpriority(os.PRIO_PROCESS, victim, 19)",
        REFUSED,
    ),
    case(SystemCalls, "slow everybody down", "os.setpriority(os.PRIO_USER, 0, 19)", REFUSED),
    case(
        SystemCalls,
        "bind a neighbour to one processor",
        "os.sched_setaffinity(victim, [0])",
        REFUSED,
    ),
    case(SystemCalls, "trace a neighbour", "call(libc.ptrace, 16, victim, 0, 0)", REFUSED),
    case(
        SystemCalls,
        "read a neighbour's memory",
        "call(libc.process_vm_readv, victim, None, 0, None, 0, 0)",
        REFUSED,
    ),
    case(SystemCalls, "compare processes", "syscall(312, 272, victim, daemon, 0, 0, 0)", REFUSED),
];

const SYSTEM: &[Case] = &[
    case(SystemCalls, "namespaces", "call(libc.unshare, 0x10000000)", REFUSED),
    case(
        SystemCalls,
        "namespaces, by clone",
        "syscall(56, 220, 0x10000000 | 17, 0, 0, 0, 0)",
        REFUSED,
    ),
    case(SystemCalls, "another's namespace", "call(libc.setns, 0, 0)", REFUSED),
    case(SystemCalls, "mount", "call(libc.mount, b'x', b'/', b'tmpfs', 0, None)", REFUSED),
    case(SystemCalls, "the new mount calls", "syscall(428, 428, -100, 0, 0)", REFUSED),
    case(SystemCalls, "another root", "os.chroot('/')", REFUSED),
    case(SystemCalls, "a file by its handle", "syscall(304, 265, 0, 0, 0)", REFUSED),
    case(SystemCalls, "programs in the kernel", "syscall(321, 280, 0, 0, 0)", REFUSED),
    case(SystemCalls, "counters", "syscall(298, 241, 0, 0, 0, 0, 0)", REFUSED),
    case(SystemCalls, "keys", "syscall(250, 219, 0, 0, 0, 0, 0)", REFUSED),
    case(SystemCalls, "io_uring", "syscall(425, 425, 1, 0)", REFUSED),
    case(SystemCalls, "userfaultfd", "syscall(323, 282, 0)", REFUSED),
    case(SystemCalls, "another personality", "call(libc.personality, 0x0040000)", REFUSED),
    case(
        SystemCalls,
        "type into a terminal",
        "import fcntl\nfcntl.ioctl(0, 0x5412, b'x')",
        REFUSED,
    ),
    case(
        SystemCalls,
        "calls by other numbers",
        "libc.syscall(ctypes.c_long(0x40000027))",
        &["signal 31"],
    ),
    case(
        SystemCalls,
        "calls as a 32-bit program",
        // mov eax, 20; int 0x80; ret
        "if arm: os.kill(os.getpid(), 31)\nimport mmap\n\
         page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)\n\
         page.write(bytes.fromhex('b814000000cd80c3'))\n\
         ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()",
        &["signal 31"],
    ),
    case(SystemCalls, "shared memory", "call(libc.shmget, 0, 4096, 0o1600)", REFUSED),
    case(SystemCalls, "others' semaphores", "syscall(66, 191, 0, 0, 0, 0)", REFUSED),
    case(SystemCalls, "what databases need", "syscall(206, 0, 65536, 0)", REFUSED),
    case(Privileges, "the host's name", "socket.sethostname('x')", REFUSED),
    case(Privileges, "another user", "os.setuid(os.getuid() + 1)", &["EPERM", "EINVAL"]),
];

const BEYOND: &[Case] = &[
    case(Limited, "memory", "bytearray(600 << 20)", &["MemoryError"]),
    case(
        Limited,
        "memory, bit by bit",
        "x = []\nwhile True: x.append(bytearray(1 << 20))",
        &["MemoryError"],
    ),
    case(Limited, "processor", "while True: pass", &["signal 24"]),
    case(
        Limited,
        "processor, with the warning ignored",
        "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass",
        &["signal 9"],
    ),
    case(Limited, "descriptors", "x = [os.dup(0) for _ in range(100)]", &["EMFILE"]),
    case(Limited, "a large file", "open(out + '/large', 'wb').write(bytes(2 << 20))", &["EFBIG"]),
    case(
        Limited,
        "a large file with holes",
        "os.ftruncate(os.open(out + '/holes', 66), 2 << 20)",
        &["EFBIG"],
    ),
    case(
        Limited,
        "a higher limit",
        "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (1000, 1000))",
        &["ValueError"],
    ),
    case(
        Limited,
        "its memory in a file",
        "import resource\nreturn resource.getrlimit(resource.RLIMIT_CORE)",
        &["(0, 0)"],
    ),
];

/// Ten threads where five tasks are allowed.
const TASKS: &str = "import threading\nend = threading.Event()\nstarted = 0\ntry:\n    \
                     while started < 10:\n        threading.Thread(target=end.wait).start()\n        \
                     started += 1\nfinally: end.set()";
const COUNTED: &[Case] = &[case(UserNamespace, "ten threads", TASKS, &["RuntimeError"])];
const NOT_COUNTED: &[Case] = &[case(UserNamespace, "ten threads, as root", TASKS, &["done"])];

/// What may start processes, and nothing more than that.
const FAMILY: &[Case] = &[
    case(
        SystemCalls,
        "a process, and its end",
        "if os.fork() == 0: os._exit(3)\nreturn os.waitstatus_to_exitcode(os.wait()[1])",
        &["3"],
    ),
    case(
        SystemCalls,
        "a session of its own",
        "if os.fork() == 0:\n    report(os.setsid)\n    os._exit(0)\nos.wait()\nreturn ''",
        REFUSED,
    ),
    case(SystemCalls, "a brother of its own", "syscall(56, 220, 0x8000 | 17, 0, 0, 0, 0)", REFUSED),
    case(SystemCalls, "kill the daemon", "os.kill(daemon, 9)", REFUSED),
    case(SystemCalls, "stop a neighbour", "os.kill(victim, 19)", REFUSED),
    case(SystemCalls, "namespaces", "call(libc.unshare, 0x10000000)", REFUSED),
    case(
        Files,
        "a program that is not listed",
        "import subprocess\nsubprocess.run(['/usr/bin/env'])",
        DENIED,
    ),
    case(
        Files,
        "read a file that is not listed, in a child",
        "if os.fork() == 0:\n    report(lambda: open('/etc/passwd'))\n    os._exit(0)\nos.wait()\nreturn ''",
        DENIED,
    ),
];

#[tokio::test]
async fn files_that_were_not_given_are_out_of_reach() {
    check("files", FILES, |_, _| {}).await;
}

#[tokio::test]
async fn other_processes_are_out_of_reach() {
    check("processes", PROCESSES, |_, _| {}).await;
}

#[tokio::test]
async fn the_system_is_out_of_reach() {
    check("the system", SYSTEM, |_, _| {}).await;
}

#[tokio::test]
async fn limits_hold() {
    check("limits", BEYOND, |_, sandbox| sandbox.limits.cpu = Some(Duration::from_millis(300)))
        .await;
}

/// The kernel never refuses root a task (fork(2), `EAGAIN`).
#[tokio::test]
async fn tasks_are_counted_where_the_kernel_counts_them() {
    let cases = if rustix::process::geteuid().is_root() { NOT_COUNTED } else { COUNTED };
    check("tasks", cases, |_, sandbox| sandbox.limits.tasks = Some(5)).await;
}

#[tokio::test]
async fn what_may_start_processes_may_do_no_more_than_that() {
    let change = |_: &crate::World, sandbox: &mut crate::Sandbox| {
        sandbox.limits.may_start_processes = true;
    };
    check("with processes", FAMILY, change).await;
}
