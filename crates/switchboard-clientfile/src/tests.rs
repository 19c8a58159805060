mod applied;
mod connected;
mod expanded;
mod found;
mod parsed;
mod spliced;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::{Home, Reach, Server};

fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// A home inside `root` with the environment `pairs`, looking from `root/project`.
fn home(root: &Path, pairs: &[(&str, &str)]) -> Home {
    Home {
        home: root.to_owned(),
        config_dir: root.join(".config"),
        env: env(pairs),
        cwd: root.join("project"),
    }
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A server in one line, secrets included: `name stdio command arg NAME=value in cwd`.
fn line(server: &Server) -> String {
    let pairs = |map: &BTreeMap<String, String>| {
        map.iter().map(|(name, value)| format!(" {name}={value}")).collect::<String>()
    };
    let mut line = match &server.reach {
        Reach::Stdio { command, args, env, cwd } => {
            let args: String = args.iter().map(|arg| format!(" {arg}")).collect();
            let cwd = cwd.as_ref().map(|cwd| format!(" in {}", cwd.display())).unwrap_or_default();
            format!("{} stdio {command}{args}{}{cwd}", server.name, pairs(env))
        }
        Reach::Http { url, headers } => format!("{} http {url}{}", server.name, pairs(headers)),
        Reach::Sse { url, headers } => format!("{} sse {url}{}", server.name, pairs(headers)),
    };
    if let Some(timeout) = server.timeout {
        line += &format!(" timeout {timeout:?}");
    }
    if !server.include_tools.is_empty() {
        line += &format!(" include {}", server.include_tools.join(","));
    }
    if !server.exclude_tools.is_empty() {
        line += &format!(" exclude {}", server.exclude_tools.join(","));
    }
    line + if server.optional { " optional" } else { "" }
        + if server.disabled { " disabled" } else { "" }
}
