//! `switchboard bundle new`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;

#[derive(clap::Args, Debug)]
pub(super) struct New {
    /// The directory to make, whose name is that of the bundle
    path: PathBuf,
}

/// What a bundle begins with; `NAME` is its name, `MODULE` that of its module.
const FILES: [(&str, &str); 3] = [
    ("switchboard.toml", include_str!("new/switchboard.toml")),
    ("src/MODULE.py", include_str!("new/module.py")),
    ("README.md", include_str!("new/README.md")),
];

pub(super) fn run(args: &New, context: &Context) -> Result<Exit, Failure> {
    let name = args.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if name.is_empty() || switchboard_core::Prefix::new(name).is_err() {
        return Err(Failure::usage(format!("`{name}` is no name for a bundle"))
            .with_hint("1 to 32 letters, digits, `-` and single `_`, such as `weather`"));
    }
    let module = name.replace('-', "_");
    let write = || -> io::Result<Vec<PathBuf>> {
        // One that is there may be somebody's work.
        fs::create_dir(&args.path)?;
        let mut files = Vec::new();
        for (file, text) in FILES {
            let path = args.path.join(file.replace("MODULE", &module));
            fs::create_dir_all(path.parent().unwrap_or(Path::new("")))?;
            fs::write(&path, text.replace("NAME", name).replace("MODULE", &module))?;
            files.push(path);
        }
        Ok(files)
    };
    let files = write().map_err(|error| {
        let failure = Failure::new("file-io", format!("cannot make `{}`", args.path.display()));
        match error.kind() {
            io::ErrorKind::AlreadyExists => failure.with_cause("it is there already"),
            _ => failure.with_cause(error),
        }
    })?;
    context.output.show(&json!({ "name": name, "files": files }), |_| {
        let path = args.path.display();
        format!(
            "made the bundle `{name}`\n  try it:    switchboard bundle run {path} hello name=Ann\n  \
             serve it:  add `[bundle.{name}]` with `source = \"{path}\"` to the configuration"
        )
    })?;
    Ok(Exit::Ok)
}
