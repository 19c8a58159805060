//! `switchboard bundle push`.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use switchboard_function::{Archive, Manifest, SigningKeys, Source};

use super::kept::{Bundle, NOUN, place, said};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::rest::{Rest, Whose};

#[derive(clap::Args, Debug)]
#[command(
    after_help = "What is pushed is kept by the daemon and served at once; what cannot be served is refused, and the
version before it goes on. What is set and granted stays from one push to the next.

Examples:
  switchboard bundle push weather
  switchboard bundle push weather.zip --tenant acme --set token=abc --grant-host api.example.com
  switchboard bundle push weather --as weather-next --prefix next"
)]
pub(super) struct Push {
    /// A directory or a ZIP archive; beside an archive, `NAME.zip.minisig` is its signature
    path: PathBuf,
    /// What it is called there [default: the name in its manifest]
    #[arg(long = "as", value_name = "NAME")]
    called: Option<String>,
    #[command(flatten)]
    whose: Whose,
    /// What is set of it, NAME=VALUE; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = super::run::setting)]
    set: Vec<(String, String)>,
    /// Let it connect to a host: `api.example.com`, `*.example.com:8443`; may be repeated
    #[arg(long, value_name = "HOST")]
    grant_host: Vec<String>,
    /// Let it read a file or directory of the daemon's machine; may be repeated
    #[arg(long, value_name = "PATH")]
    grant_file: Vec<PathBuf>,
    /// Give it a variable of the daemon's environment; may be repeated
    #[arg(long, value_name = "NAME")]
    grant_env: Vec<String>,
    /// Give a component the time
    #[arg(long)]
    grant_clock: bool,
    /// Let a component keep values that outlive a call
    #[arg(long)]
    grant_key_value: bool,
    /// Give a component random bytes
    #[arg(long)]
    grant_random: bool,
    /// What stands before the names of its tools; "" for bare names
    #[arg(long)]
    prefix: Option<String>,
}

/// What is sent.
struct Packed {
    name: Option<String>,
    content: Vec<u8>,
    signature: Option<String>,
}

pub(super) fn run(push: &Push, context: &Context) -> Result<Exit, Failure> {
    let packed = pack(&push.path, context)?;
    let Some(name) = push.called.clone().or(packed.name) else {
        return Err(super::wrong(&push.path, "nothing in it says what it is called")
            .with_hint("name it with `--as NAME`"));
    };
    let rest = Rest::new(context, push.whose.clone(), NOUN)?;
    let address = place(&name);
    let mut body = json!({ "package": STANDARD.encode(&packed.content) });
    if let Some(signature) = packed.signature {
        body["signature"] = signature.into();
    }
    if push.defines() {
        let kept: Option<Bundle> = rest.find(&address)?;
        let definition = kept.map(|kept| kept.definition).unwrap_or_default();
        body["definition"] = push.define(definition).into();
    }
    let progress = context.output.progress(&format!("Pushing {name}"));
    let bundle: Result<Bundle, _> = rest.send("PUT", &address, &body);
    drop(progress);
    context.output.show(&bundle?, |bundle| said("serving", bundle))?;
    Ok(Exit::Ok)
}

fn pack(path: &Path, context: &Context) -> Result<Packed, Failure> {
    let caps = super::config(context)?.bundles.caps();
    let wrong = |problem: &dyn std::fmt::Display| super::wrong(path, &problem.to_string());
    // Whoever serves it looks at its signature.
    let archive = Source::new(path.to_path_buf()).read(&caps, &SigningKeys::default());
    let archive = archive.map_err(|error| wrong(&error))?;
    let name = name_of(&archive);
    if path.is_dir() {
        let content = archive.zip().map_err(|error| wrong(&error))?;
        return Ok(Packed { name, content, signature: None });
    }
    let content = fs::read(path).map_err(|error| wrong(&error))?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(".minisig");
    Ok(Packed { name, content, signature: fs::read_to_string(beside).ok() })
}

/// As its manifest says; what of it is wrong is for the daemon to say.
fn name_of(archive: &Archive) -> Option<String> {
    Manifest::of(archive).ok().map(|manifest| manifest.name).filter(|name| !name.is_empty())
}

impl Push {
    /// Whether anything is said of how it is served.
    fn defines(&self) -> bool {
        let lists = [&self.grant_host, &self.grant_env].iter().any(|list| !list.is_empty());
        let flags = self.grant_clock || self.grant_random || self.grant_key_value;
        lists
            || flags
            || self.prefix.is_some()
            || !self.set.is_empty()
            || !self.grant_file.is_empty()
    }

    /// How it was served, with what is said now.
    fn define(&self, mut definition: Map<String, Value>) -> Map<String, Value> {
        let settings = member(&mut definition, "settings");
        for (name, value) in &self.set {
            settings.insert(name.clone(), value.as_str().into());
        }
        let grants = member(&mut definition, "grants");
        let files: Vec<_> = self.grant_file.iter().map(|it| it.display().to_string()).collect();
        let lists =
            [("hosts", &self.grant_host), ("files", &files), ("environment", &self.grant_env)];
        for (name, new) in lists {
            if let Some(list) = grants.entry(name).or_insert_with(|| json!([])).as_array_mut() {
                let known = list.clone();
                let new = new.iter().map(|it| json!(it)).filter(|it| !known.contains(it));
                list.extend(new);
            }
        }
        let flags = [
            ("clock", self.grant_clock),
            ("key_value", self.grant_key_value),
            ("random", self.grant_random),
        ];
        for (name, is_granted) in flags {
            if is_granted {
                grants.insert(name.to_owned(), true.into());
            }
        }
        if let Some(prefix) = &self.prefix {
            definition.insert("prefix".to_owned(), prefix.as_str().into());
        }
        definition
    }
}

fn member<'m>(of: &'m mut Map<String, Value>, name: &str) -> &'m mut Map<String, Value> {
    let value = of.entry(name).or_insert_with(|| json!({}));
    if !value.is_object() {
        *value = json!({});
    }
    value.as_object_mut().expect("it was just made one")
}
