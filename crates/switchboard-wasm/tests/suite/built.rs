//! The examples of bundles, built once for each state of their sources, under `target/bundles`.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use switchboard_wasm::{Cache, Engine, Program};

/// One example: where it is, what it is made of, and how.
pub(crate) struct Example {
    pub(crate) name: &'static str,
    pub(crate) sources: &'static [&'static str],
    /// The list of versions of what builds it.
    pub(crate) tools: &'static str,
    pub(crate) build: fn(&Path, &Path) -> Command,
}

pub(crate) const PYTHON: Example = Example {
    name: "wasm-python",
    sources: &["bundle.py"],
    tools: "xtask/peers/requirements-componentize-py.txt",
    build: |_, output| {
        let mut command = Command::new(peer("componentize-py/bin/componentize-py"));
        command
            .arg("-d")
            .arg(wit())
            .args(["-w", "bundle", "componentize", "bundle", "-o"])
            .arg(output);
        command
    },
};

pub(crate) const JAVASCRIPT: Example = Example {
    name: "wasm-javascript",
    sources: &["bundle.js", "build.mjs", "package.json"],
    tools: "xtask/peers/componentize-js/package-lock.json",
    build: |place, output| {
        // Node.js looks for packages beside the program that wants them.
        let _ = symlink(peer("componentize-js/node_modules"), place.join("node_modules"));
        let mut command = Command::new(peer("node/bin/node"));
        command.arg("build.mjs").arg(wit()).arg(output);
        command
    },
};

pub(crate) const RUST: Example = Example {
    name: "wasm-rust",
    sources: &["src/lib.rs", "Cargo.toml", "Cargo.lock"],
    tools: "rust-toolchain.toml",
    build: |_, output| {
        // In the shell, because the name under which cargo leaves it is not the one we want.
        let mut command = Command::new("sh");
        let source = root().join("examples/bundles/wasm-rust");
        command.current_dir(&source).env("CARGO_TARGET_DIR", root().join("target/bundles/rust"));
        let build = "cargo build --quiet --locked --release --target wasm32-wasip2 && \
            cp \"$CARGO_TARGET_DIR\"/wasm32-wasip2/release/switchboard_example_bundle.wasm \"$0\"";
        command.args(["-c", build]).arg(output);
        command
    },
};

impl Example {
    /// Builds it, unless that was done, and loads it, with what was compiled before.
    pub(crate) async fn load(&self, engine: &Engine) -> Program {
        let place = root().join("target/bundles").join(self.name);
        fs::create_dir_all(&place).unwrap();
        // Another run of the tests may be at it.
        let lock = File::create(place.join(".lock")).unwrap();
        lock.lock().unwrap();
        let output = place.join(format!("{:016x}.wasm", self.state()));
        if !output.exists() {
            self.build(&place, &output);
        }
        let cache = Cache::open(root().join("target/bundles/compiled"), [0; 32]).unwrap();
        let bytes = fs::read(&output).unwrap();
        engine.load(bytes.into(), Some(cache)).await.unwrap_or_else(|error| panic!("{error}"))
    }

    fn build(&self, place: &Path, output: &Path) {
        for source in self.sources {
            let copy = place.join(source);
            fs::create_dir_all(copy.parent().unwrap()).unwrap();
            fs::copy(self.directory().join(source), copy).unwrap();
        }
        let unfinished = output.with_extension("new");
        let mut command = (self.build)(place, &unfinished);
        if command.get_current_dir().is_none() {
            command.current_dir(place);
        }
        let status = command.status().unwrap_or_else(|error| {
            panic!("{}: {error}; `cargo xtask setup` installs what is missing", self.name)
        });
        assert!(
            status.success(),
            "{} is not built; `cargo xtask setup` installs what is missing",
            self.name
        );
        fs::rename(unfinished, output).unwrap();
    }

    /// Another one for each state of everything that it is made of.
    fn state(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let sources = self.sources.iter().map(|source| self.directory().join(source));
        for path in sources.chain([root().join(self.tools), wit().join("bundle.wit")]) {
            fs::read(&path)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
                .hash(&mut hasher);
        }
        hasher.finish()
    }

    fn directory(&self) -> PathBuf {
        root().join("examples/bundles").join(self.name)
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

fn wit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("wit")
}

fn peer(path: &str) -> PathBuf {
    root().join("target/peers").join(path)
}
