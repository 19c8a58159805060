//! Variables in a client's file, expanded as the client that owns the file expands them.

use std::collections::BTreeMap;
use std::path::{MAIN_SEPARATOR, Path};

/// What variables mean and where their values come from.
pub struct Expansion<'a> {
    pub env: &'a BTreeMap<String, String>,
    pub home: &'a Path,
    pub dialect: Dialect<'a>,
}

/// Which spellings of a variable the owner of a file knows.
///
/// A leading `~/` of a command or a working directory is the home directory in every dialect: a
/// path that starts so cannot mean anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect<'a> {
    /// A file of unknown owner: `${VAR}`, `${VAR:-default}`, `${env:NAME}`, `${userHome}`. Not the
    /// bare `$VAR`, which is often meant for a shell that the command starts.
    Plain,
    /// `${VAR}` and `${VAR:-default}`; an unset one without a default stays as written.
    /// (code.claude.com/docs/en/mcp, "Environment variable expansion in .mcp.json"; the unset case
    /// as measured on Claude Code 2.1.278.)
    Claude,
    /// `$VAR` and `${VAR}`; an unset one stays as written.
    /// (gemini-cli, packages/cli/src/utils/envVarResolver.ts)
    Gemini,
    /// `${env:NAME}`, `${userHome}`, `${workspaceFolder}`, `${workspaceFolderBasename}`,
    /// `${pathSeparator}`, and `~/` in arguments too; an unset variable is empty.
    /// (code.visualstudio.com/docs/reference/variables-reference; VS Code, extHostMcpNode.ts)
    Editor { workspace: Option<&'a Path> },
    /// `${env:NAME}`. (docs.windsurf.com/windsurf/cascade/mcp, "Config Interpolation")
    Windsurf,
    /// Nothing: Claude Desktop, Codex, Zed and llm-tools-mcp take every value as it stands.
    Literal,
}

impl Dialect<'static> {
    /// The dialect of the client that owns a `mcpServers` file at this path, [`Self::Plain`] if none does.
    pub fn owning(path: &Path) -> Self {
        const OWNERS: &[(&str, Dialect<'static>)] = &[
            ("claude_desktop_config.json", Dialect::Literal),
            (".claude.json", Dialect::Claude),
            (".mcp.json", Dialect::Claude),
            (".gemini/settings.json", Dialect::Gemini),
            (".cursor/mcp.json", Dialect::Editor { workspace: None }),
            ("windsurf/mcp_config.json", Dialect::Windsurf),
            (".llm-tools-mcp/mcp.json", Dialect::Literal),
        ];
        let owner = OWNERS.iter().find(|(end, _)| path.ends_with(end));
        owner.map_or(Self::Plain, |(_, dialect)| *dialect)
    }
}

/// What one `${…}` stands for.
enum Meaning {
    Value(String),
    /// A variable of this dialect that is not set, and what its owner puts there; `None` leaves it
    /// as written.
    Unset(String, Option<&'static str>),
    /// Only the client itself could fill this in.
    ClientOnly,
    /// Not a variable in this dialect.
    Text,
}

impl Expansion<'_> {
    /// Expands the variables of one value; names that are not set are added to `unset`.
    ///
    /// # Errors
    ///
    /// The placeholder that only the client can fill in, such as `${input:token}`.
    pub(crate) fn expand(&self, text: &str, unset: &mut Vec<String>) -> Result<String, String> {
        let mut expanded = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(dollar) = rest.find('$') {
            expanded.push_str(&rest[..dollar]);
            rest = &rest[dollar..];
            let (length, meaning) = self.variable(rest);
            let written = &rest[..length];
            match meaning {
                Meaning::Value(value) => expanded.push_str(&value),
                Meaning::Unset(name, instead) => {
                    expanded.push_str(instead.unwrap_or(written));
                    unset.push(name);
                }
                Meaning::ClientOnly => return Err(written.to_owned()),
                Meaning::Text => expanded.push_str(written),
            }
            rest = &rest[length..];
        }
        expanded.push_str(rest);
        Ok(expanded)
    }

    /// Puts the home directory in place of a leading `~`.
    pub(crate) fn tilde(&self, text: String) -> String {
        match text.strip_prefix('~') {
            Some(rest) if rest.is_empty() || rest.starts_with(['/', MAIN_SEPARATOR]) => {
                format!("{}{rest}", self.home.display())
            }
            _ => text,
        }
    }

    /// Whether this dialect's owner expands `~` in arguments.
    pub(crate) fn tilde_in_args(&self) -> bool {
        matches!(self.dialect, Dialect::Editor { .. })
    }

    /// Reads the variable at the start of `text`, which starts with `$`: how long it is, and what it means.
    fn variable(&self, text: &str) -> (usize, Meaning) {
        if let Some(inner) = text.strip_prefix("${") {
            return match inner.find('}') {
                Some(end) => (end + 3, self.braced(&inner[..end])),
                None => (2, Meaning::Text),
            };
        }
        let word = text[1..].find(|c: char| !is_word(c)).unwrap_or(text.len() - 1);
        match self.dialect {
            Dialect::Gemini if word > 0 => (1 + word, self.variable_named(&text[1..=word], None)),
            _ => (1, Meaning::Text),
        }
    }

    fn braced(&self, inner: &str) -> Meaning {
        let (prefix, argument) = inner.split_once(':').unwrap_or((inner, ""));
        match self.dialect {
            Dialect::Literal => Meaning::Text,
            Dialect::Gemini => self.variable_named(inner, None),
            Dialect::Claude => self.shell_like(inner),
            Dialect::Windsurf => match prefix {
                "env" => self.variable_named(argument, None),
                "file" => Meaning::ClientOnly,
                _ => Meaning::Text,
            },
            Dialect::Plain => match (prefix, argument) {
                ("env", name) if !name.is_empty() && !name.starts_with('-') => {
                    self.variable_named(name, None)
                }
                ("userHome", "") => Meaning::Value(self.home.display().to_string()),
                ("input", id) if !id.is_empty() && !id.starts_with('-') => Meaning::ClientOnly,
                _ => self.shell_like(inner),
            },
            Dialect::Editor { workspace } => self.of_editor(prefix, argument, workspace),
        }
    }

    fn of_editor(&self, prefix: &str, argument: &str, workspace: Option<&Path>) -> Meaning {
        let folder = |folder: Option<String>| folder.map_or(Meaning::ClientOnly, Meaning::Value);
        match prefix {
            // As a shell does: what is not set is empty (microsoft/vscode#46436).
            "env" => self.variable_named(argument, Some("")),
            "userHome" => Meaning::Value(self.home.display().to_string()),
            "workspaceFolder" | "workspaceRoot" => {
                folder(workspace.map(|path| path.display().to_string()))
            }
            "workspaceFolderBasename" => {
                let name = workspace.and_then(Path::file_name);
                folder(name.map(|name| name.to_string_lossy().into_owned()))
            }
            "pathSeparator" | "/" => Meaning::Value(MAIN_SEPARATOR.to_string()),
            "input" | "command" | "config" => Meaning::ClientOnly,
            _ => Meaning::Text,
        }
    }

    /// `VAR` or `VAR:-default`, as in a shell; unlike there, a variable set to nothing counts as set.
    fn shell_like(&self, inner: &str) -> Meaning {
        let (name, default) = match inner.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inner, None),
        };
        let is_name = name.chars().all(is_word) && !name.starts_with(|c: char| c.is_ascii_digit());
        if name.is_empty() || !is_name {
            return Meaning::Text;
        }
        match (self.env.get(name), default) {
            (Some(value), _) => Meaning::Value(value.clone()),
            (None, Some(default)) => Meaning::Value(default.to_owned()),
            (None, None) => Meaning::Unset(name.to_owned(), None),
        }
    }

    fn variable_named(&self, name: &str, unset: Option<&'static str>) -> Meaning {
        let value = self.env.get(name).cloned();
        value.map_or_else(|| Meaning::Unset(name.to_owned(), unset), Meaning::Value)
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}
