//! `switchboard bundle new`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;

/// A file of the world that components are written against.
macro_rules! world {
    ($file:literal) => {
        include_str!(concat!("../../../../switchboard-wasm/wit/", $file))
    };
}

#[derive(clap::Args, Debug)]
pub(super) struct New {
    /// The directory to make, whose name is that of the bundle
    path: PathBuf,
    /// Write it in Python, as where no language is named
    #[arg(long, group = "language")]
    python: bool,
    /// Write it in Rust, as a WebAssembly component
    #[arg(long, group = "language")]
    rust_wasm: bool,
}

/// What a bundle begins with; `NAME` is its name, `MODULE` that of its module.
type Files = &'static [(&'static str, &'static str)];

const PYTHON: Files = &[
    ("switchboard.toml", include_str!("new/python/switchboard.toml")),
    ("src/MODULE.py", include_str!("new/python/module.py")),
    ("README.md", include_str!("new/python/README.md")),
];

const RUST: Files = &[
    ("bundle/switchboard.toml", include_str!("new/rust/switchboard.toml")),
    ("Cargo.toml", include_str!("new/rust/Cargo.toml.txt")),
    ("src/lib.rs", include_str!("new/rust/lib.rs.txt")),
    ("README.md", include_str!("new/rust/README.md")),
    (".gitignore", "/target\n/bundle/*.wasm\n"),
    ("wit/bundle.wit", world!("bundle.wit")),
    ("wit/deps/cli.wit", world!("deps/cli.wit")),
    ("wit/deps/clocks.wit", world!("deps/clocks.wit")),
    ("wit/deps/filesystem.wit", world!("deps/filesystem.wit")),
    ("wit/deps/http.wit", world!("deps/http.wit")),
    ("wit/deps/io.wit", world!("deps/io.wit")),
    ("wit/deps/random.wit", world!("deps/random.wit")),
    ("wit/deps/sockets.wit", world!("deps/sockets.wit")),
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
        for (file, text) in if args.rust_wasm { RUST } else { PYTHON } {
            let path = args.path.join(file.replace("MODULE", &module));
            fs::create_dir_all(path.parent().unwrap_or(Path::new("")))?;
            // The world is everybody's, and has no names of ours to fill in.
            let text = match file.starts_with("wit/") {
                true => (*text).to_owned(),
                false => text.replace("NAME", name).replace("MODULE", &module),
            };
            fs::write(&path, text)?;
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
        if args.rust_wasm {
            return format!("made the bundle `{name}`\n  how to build it stands in {path}/README.md");
        }
        format!(
            "made the bundle `{name}`\n  try it:    switchboard bundle run {path} hello name=Ann\n  \
             serve it:  add `[bundle.{name}]` with `source = \"{path}\"` to the configuration"
        )
    })?;
    Ok(Exit::Ok)
}
