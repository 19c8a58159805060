//! One entry of a client's file: from its keys to a [`Server`].
//!
//! The rules are those of the llm-tools-mcp `mcp.json`, which every other client's file follows up
//! to the spelling of some keys. The spellings are data ([`Keys`]); the rules are here, once.

mod address;
mod keys;
mod wrong;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use address::Address;
pub(crate) use keys::{Keys, Kind, PLAIN, Switch, Unit};
pub(crate) use wrong::{Wrong, quoted};
use wrong::{type_of, wrong};

use crate::expand::Expansion;
use crate::parse::Note;
use crate::server::{Reach, Server};

const ALLOWED_TYPES: &str =
    "`type` is one of `stdio`, `http` (also `streamable-http`, `streamableHttp`) or `sse`";

/// Reads one entry; what is not an error but worth knowing goes to `notes`.
pub(crate) fn read(
    name: &str,
    value: &Value,
    keys: &Keys,
    expansion: &Expansion<'_>,
    notes: &mut Vec<Note>,
) -> Result<Server, Wrong> {
    let Value::Object(fields) = value else {
        let problem = format!("is {}, not an object", quoted(value));
        return Err(wrong(&[], problem, "write it as `{ \"command\": … }` or `{ \"url\": … }`"));
    };
    if name.is_empty() {
        return Err(wrong(&[], "has an empty name".to_owned(), "give the server a name"));
    }
    let mut entry = Entry { fields, keys, expansion, unset: Vec::new() };
    let server = entry.server(name)?;
    for text in entry.remarks(&server) {
        notes.push(Note { server: Some(name.to_owned()), text });
    }
    Ok(server)
}

struct Entry<'a> {
    fields: &'a Map<String, Value>,
    keys: &'a Keys,
    expansion: &'a Expansion<'a>,
    unset: Vec<String>,
}

impl<'a> Entry<'a> {
    fn server(&mut self, name: &str) -> Result<Server, Wrong> {
        Ok(Server {
            name: name.to_owned(),
            reach: self.reach()?,
            timeout: self.timeout()?,
            include_tools: self.texts(self.keys.include)?,
            exclude_tools: self.texts(self.keys.exclude)?,
            optional: self.flag("optional")?.unwrap_or(false),
            disabled: match self.keys.switch {
                Switch::Disabled => self.flag("disabled")?.unwrap_or(false),
                Switch::Enabled => !self.flag("enabled")?.unwrap_or(true),
            },
        })
    }

    fn reach(&mut self) -> Result<Reach, Wrong> {
        let command = self.text("command")?;
        let address = self.address()?;
        let kind = address::kind(self.kind()?, command.as_deref(), address.as_ref())?;
        if let (Kind::Stdio, Some(command)) = (kind, command) {
            return self.program(command);
        }
        let address = address.expect("only an entry with an address is of a remote kind");
        address.check()?;
        let (url, headers) = (address.url, self.texts_by_name(self.keys.headers)?);
        Ok(if kind == Kind::Sse {
            Reach::Sse { url, headers }
        } else {
            Reach::Http { url, headers }
        })
    }

    fn program(&mut self, command: String) -> Result<Reach, Wrong> {
        if command.trim().is_empty() {
            return Err(wrong(
                &["command"],
                "`command` is empty".to_owned(),
                "name the program to start",
            ));
        }
        let mut args = self.texts("args")?;
        if self.expansion.tilde_in_args() {
            args = args.into_iter().map(|arg| self.expansion.tilde(arg)).collect();
        }
        let cwd = self.text("cwd")?.filter(|cwd| !cwd.is_empty());
        Ok(Reach::Stdio {
            command: self.expansion.tilde(command),
            args,
            env: self.texts_by_name("env")?,
            cwd: cwd.map(|cwd| self.expansion.tilde(cwd).into()),
        })
    }

    /// The `type` as written and as understood.
    fn kind(&self) -> Result<Option<(&'a str, Kind)>, Wrong> {
        let Some(value) = self.value("type") else { return Ok(None) };
        let Some(written) = value.as_str() else {
            let problem = format!("`type` is {}, not text", quoted(value));
            return Err(wrong(&["type"], problem, ALLOWED_TYPES));
        };
        let kind = match written {
            "stdio" => Kind::Stdio,
            "http" | "streamable-http" | "streamableHttp" | "streamable_http" => Kind::Http,
            "sse" => Kind::Sse,
            _ => {
                return Err(wrong(
                    &["type"],
                    format!("unknown `type` {}", quoted(value)),
                    ALLOWED_TYPES,
                ));
            }
        };
        Ok(Some((written, kind)))
    }

    fn address(&mut self) -> Result<Option<Address>, Wrong> {
        for &(key, implied) in self.keys.urls {
            if let Some(url) = self.text(key)? {
                return Ok(Some(Address { key, url, implied }));
            }
        }
        Ok(None)
    }

    fn timeout(&self) -> Result<Option<Duration>, Wrong> {
        let (key, unit) = self.keys.timeout;
        let Some(value) = self.value(key) else { return Ok(None) };
        let refused = |problem| {
            wrong(
                &[key],
                format!("`{key}` is {}, {problem}", quoted(value)),
                "write a number above zero, or leave the key out",
            )
        };
        let number = value.as_f64().ok_or_else(|| refused("not a number"))?;
        let seconds = if unit == Unit::Seconds { number } else { number / 1000.0 };
        let timeout = Duration::try_from_secs_f64(seconds)
            .map_err(|_| refused("which is not a length of time"))?;
        if timeout.is_zero() {
            return Err(refused("which leaves no time for any call"));
        }
        Ok(Some(timeout))
    }

    /// What a person should know about an entry that was read without error.
    fn remarks(&self, server: &Server) -> Vec<String> {
        let mut remarks = Vec::new();
        let unknown: Vec<_> = self
            .fields
            .keys()
            .filter(|key| !self.knows(key))
            .map(|key| format!("`{key}`"))
            .collect();
        if !unknown.is_empty() {
            remarks.push(format!("Switchboard does not use {}", unknown.join(", ")));
        }
        let without_effect: &[&str] = match server.reach {
            Reach::Stdio { .. } => &[self.keys.headers],
            Reach::Http { .. } | Reach::Sse { .. } => &["args", "env", "cwd"],
        };
        for key in without_effect.iter().filter(|key| self.value(key).is_some()) {
            remarks.push(format!("`{key}` has no effect on a server reached this way"));
        }
        for name in &self.unset {
            remarks.push(format!("the variable `{name}` is not set"));
        }
        if self.keys.timeout.1 == Unit::Milliseconds
            && server.timeout.is_some_and(|t| t < Duration::from_secs(1))
        {
            remarks
                .push("`timeout` counts milliseconds, so calls have less than a second".to_owned());
        }
        remarks
    }

    fn knows(&self, key: &str) -> bool {
        let keys = self.keys;
        let switch = match keys.switch {
            Switch::Disabled => "disabled",
            Switch::Enabled => "enabled",
        };
        ["type", "command", "args", "env", "cwd", "optional", switch].contains(&key)
            || [keys.headers, keys.timeout.0, keys.include, keys.exclude].contains(&key)
            || keys.urls.iter().any(|(url, _)| *url == key)
    }

    /// The value of a key; clients write `null` for what is not there.
    fn value(&self, key: &str) -> Option<&'a Value> {
        self.fields.get(key).filter(|value| !value.is_null())
    }

    fn flag(&self, key: &str) -> Result<Option<bool>, Wrong> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let refused = || {
            wrong(
                &[key],
                format!("`{key}` is {}, not true or false", quoted(value)),
                "write `true` or `false`, without quotes",
            )
        };
        value.as_bool().map(Some).ok_or_else(refused)
    }

    fn text(&mut self, key: &str) -> Result<Option<String>, Wrong> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let Some(text) = value.as_str() else {
            return Err(wrong(
                &[key],
                format!("`{key}` is {}, not text", quoted(value)),
                "put the value in quotes",
            ));
        };
        self.expanded(text, &[key]).map(Some)
    }

    fn texts(&mut self, key: &str) -> Result<Vec<String>, Wrong> {
        let Some(value) = self.value(key) else { return Ok(Vec::new()) };
        let hint = "write a list of texts, as in `[\"one\", \"two\"]`";
        let Value::Array(items) = value else {
            return Err(wrong(&[key], format!("`{key}` is {}, not a list", quoted(value)), hint));
        };
        let mut texts = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let at = format!("[{index}]");
            let Some(text) = item.as_str() else {
                return Err(wrong(
                    &[key, &at],
                    format!("`{key}{at}` is {}, not text", quoted(item)),
                    hint,
                ));
            };
            texts.push(self.expanded(text, &[key, &at])?);
        }
        Ok(texts)
    }

    /// A table of secrets: no message shows more of a value than its type.
    fn texts_by_name(&mut self, key: &str) -> Result<BTreeMap<String, String>, Wrong> {
        let Some(value) = self.value(key) else { return Ok(BTreeMap::new()) };
        let hint = "write names and texts, as in `{ \"NAME\": \"value\" }`";
        let Value::Object(fields) = value else {
            return Err(wrong(
                &[key],
                format!("`{key}` is {}, not an object", type_of(value)),
                hint,
            ));
        };
        let mut texts = BTreeMap::new();
        for (name, value) in fields {
            let text = match value {
                Value::Null => continue,
                Value::String(text) => text.clone(),
                Value::Number(number) if self.keys.env_numbers && key == "env" => {
                    number.to_string()
                }
                other => {
                    return Err(wrong(
                        &[key, name],
                        format!("`{key}.{name}` is {}, not text", type_of(other)),
                        hint,
                    ));
                }
            };
            let text = self.expanded(&text, &[key, name])?;
            texts.insert(name.clone(), text);
        }
        Ok(texts)
    }

    fn expanded(&mut self, text: &str, at: &[&str]) -> Result<String, Wrong> {
        self.expansion.expand(text, &mut self.unset).map_err(|placeholder| {
            let problem = format!("only the client that owns the file can fill in `{placeholder}`");
            wrong(at, problem, "write the value there, or take it from a variable")
        })
    }
}
