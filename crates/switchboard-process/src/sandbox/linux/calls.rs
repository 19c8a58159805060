//! The filter of system calls (seccomp(2)).
//!
//! It forbids what is named in [`table`] and lets the rest through, rather than the other way round:
//! programs are Python with any library, C libraries change which calls they use from one version to the
//! next, and a call that files or privileges stand behind is held back by the other layers. So what it
//! names is what *nothing else* holds back: sockets, processes of the same user, and parts of the kernel
//! that ordinary programs do not need and in which mistakes were found.
//!
//! What is forbidden fails with `EPERM`, and calls that hide what they are asked for in memory, where a
//! filter cannot look, are missing (`ENOSYS`), upon which C libraries use the older ones.

mod table;

use std::io;

use rustix::process::getpid;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter, sock_filter,
};

use self::table::{Forbidden, Word};
use super::{Errno, last_errno};
use crate::sandbox::Sandbox;

/// Stands for the child's own number until there is a child. No process has it: numbers end at 2^22
/// (proc(5), `pid_max`).
const OWN: u32 = 0x7fff_fff1;

/// Programs for the kernel, ready but for the number of the process.
pub(super) struct Filters {
    forbidden: BpfProgram,
    /// Where [`OWN`] stands in it.
    own: Vec<usize>,
    absent: BpfProgram,
}

impl Filters {
    /// `scopes` says whether Landlock keeps signals within the sandbox.
    pub(super) fn new(sandbox: &Sandbox, scopes: bool) -> io::Result<Self> {
        let forbidden = compile(&table::forbidden(sandbox, scopes), libc::EPERM)?;
        let absent = compile(&table::absent(), libc::ENOSYS)?;
        let own = forbidden.iter().enumerate();
        let own = own.filter(|(_, step)| step.k == OWN).map(|(index, _)| index).collect();
        Ok(Self { forbidden, own, absent })
    }

    /// Puts them in force for this process and all it becomes and starts. Makes system calls and nothing
    /// else: the library's call allocates nothing, its errors included (seccompiler 0.5, `apply_filter`).
    pub(super) fn install(&mut self) -> Result<(), Errno> {
        let own = getpid().as_raw_nonzero().get().unsigned_abs();
        for index in &self.own {
            self.forbidden[*index].k = own;
        }
        for filter in [&self.absent, &self.forbidden] {
            apply_filter(filter).map_err(|_| last_errno())?;
        }
        Ok(())
    }
}

/// A program that answers `errno` to what is in `forbidden`.
fn compile(forbidden: &Forbidden, errno: Errno) -> io::Result<BpfProgram> {
    let rules = forbidden.iter().map(|(call, ways)| {
        let ways = ways.iter().map(|words| words.iter().map(condition).collect());
        (*call, ways.map(|words| SeccompRule::new(words).expect("no way is empty")).collect())
    });
    let machine = TargetArch::try_from(std::env::consts::ARCH).map_err(io::Error::other)?;
    let answer = SeccompAction::Errno(errno.unsigned_abs());
    let filter = SeccompFilter::new(rules.collect(), SeccompAction::Allow, answer, machine);
    let filter = filter.and_then(BpfProgram::try_from).map_err(io::Error::other)?;
    Ok(no_other_abi().into_iter().chain(filter).collect())
}

/// All words that decide are 32 bits wide for the kernel, so it does not look at the upper half, and
/// neither may the filter.
fn condition(word: &Word) -> SeccompCondition {
    let (index, operator, value) = match *word {
        Word::Is(index, value) => (index, SeccompCmpOp::Eq, value),
        Word::IsNot(index, value) => (index, SeccompCmpOp::Ne, value),
        Word::Bits(index, mask, value) => (index, SeccompCmpOp::MaskedEq(mask.into()), value),
    };
    SeccompCondition::new(index, SeccompCmpArgLen::Dword, operator, value.into())
        .expect("calls have six words")
}

/// Kills who calls by the numbers of the x32 ABI, for which the architecture is the same and every rule
/// would miss (seccomp(2), "Caveats"). Elsewhere there are no such numbers. The library's own program,
/// which follows, begins by killing who calls as another architecture.
fn no_other_abi() -> [sock_filter; 3] {
    const X32_BIT: u32 = 0x4000_0000;
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const AT_LEAST: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
    const ANSWER: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    [
        step(LOAD, 0, 0, 0),
        step(AT_LEAST, 0, 1, X32_BIT),
        step(ANSWER, 0, 0, libc::SECCOMP_RET_KILL_PROCESS),
    ]
}
