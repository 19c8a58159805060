//! The layers of a sandbox, in the words of people.

/// One layer, as it is on this machine.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Layer {
    pub kind: LayerKind,
    /// `None` if it is in force.
    pub missing: Option<Missing>,
}

/// Why a layer is not in force, and what helps.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Missing {
    pub why: String,
    pub hint: String,
}

/// What a layer is made of, in the order in which they are applied.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum LayerKind {
    /// user_namespaces(7), with namespaces of its own for IPC and the host's name.
    UserNamespace,
    /// network_namespaces(7), empty, or with the one port that was given.
    NetworkNamespace,
    /// PR_SET_NO_NEW_PRIVS(2const), and no capabilities(7).
    Privileges,
    /// landlock(7), version 1.
    Files,
    /// landlock(7), version 4.
    Ports,
    /// landlock(7), version 6.
    Scopes,
    /// getrlimit(2).
    Limits,
    /// seccomp(2).
    SystemCalls,
}

impl LayerKind {
    pub const ALL: [Self; 8] = [
        Self::UserNamespace,
        Self::NetworkNamespace,
        Self::Privileges,
        Self::Files,
        Self::Ports,
        Self::Scopes,
        Self::Limits,
        Self::SystemCalls,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::UserNamespace => "user namespace",
            Self::NetworkNamespace => "network namespace",
            Self::Privileges => "privileges",
            Self::Files => "files",
            Self::Ports => "ports",
            Self::Scopes => "scopes",
            Self::Limits => "limits",
            Self::SystemCalls => "system calls",
        }
    }

    /// What a program in the sandbox has or lacks by it: the end of a sentence that begins with the program.
    pub fn purpose(self) -> &'static str {
        match self {
            Self::UserNamespace => "has users, message queues and a host name of its own",
            Self::NetworkNamespace => "has no network interface of this machine",
            Self::Privileges => "has no privileges and gets none from what it starts",
            Self::Files => "reads and writes only the files it was given",
            Self::Ports => "connects only to the port it was given",
            Self::Scopes => "signals nobody else and finds no abstract socket",
            Self::Limits => "uses no more memory, time and descriptors than it was given",
            Self::SystemCalls => "asks the kernel only for what ordinary programs need",
        }
    }

    /// What it means that a machine lacks it.
    pub fn consequence(self) -> &'static str {
        match self {
            Self::UserNamespace | Self::Scopes => "the filter of system calls stands in for it",
            Self::NetworkNamespace => "what may use one port only is not started",
            Self::Ports => "the network namespace stands in for it",
            Self::Privileges | Self::Files | Self::Limits | Self::SystemCalls => {
                "what needs a sandbox is not started"
            }
        }
    }
}

impl Layer {
    pub fn name(&self) -> &'static str {
        self.kind.name()
    }

    pub fn purpose(&self) -> &'static str {
        self.kind.purpose()
    }
}
