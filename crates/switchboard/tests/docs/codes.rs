//! The error codes that people can see, as they stand in the sources and under `docs/errors`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::pages::{entries, markdown_in, root};

/// What takes a code as its first argument. `Self::new` counts inside an `impl` of one of the types.
const CONSTRUCTORS: [&str; 5] =
    ["Failure::new(", "StartProblem::new(", "Diagnostic::new(", "problem(", "Self::new("];
const TYPES: [&str; 3] = ["Failure", "StartProblem", "Diagnostic"];

/// Codes are found by how they are written: as the first argument of a constructor, or in a function
/// `code`. One that is written in another way is not found, and its page then has no code.
pub(crate) fn in_the_sources() -> BTreeSet<String> {
    let mut codes: BTreeSet<String> =
        switchboard_config::code::ALL.iter().map(|code| (*code).to_owned()).collect();
    for crate_directory in entries(&root().join("crates")) {
        for path in sources(&crate_directory.join("src")) {
            let text = fs::read_to_string(&path).expect("a source is text");
            let text = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            for constructor in CONSTRUCTORS {
                codes.extend(constructed(text, constructor));
            }
            codes.extend(returned(text));
        }
    }
    codes
}

pub(crate) fn documented() -> BTreeSet<String> {
    let pages = markdown_in(&root().join("docs/errors"));
    let stems = pages.iter().filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()));
    stems.filter(|stem| stem != "README").collect()
}

/// Every source below `directory` that is not a test.
fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for path in entries(&directory) {
            let stem = path.file_stem().unwrap_or_default().to_owned();
            if stem == "tests" {
                continue;
            }
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found
}

/// Literals that are the first argument of `constructor`.
fn constructed(text: &str, constructor: &str) -> Vec<String> {
    let is_ours = |at: usize| match constructor {
        "Self::new(" => TYPES.iter().any(|name| block(text, at).contains(name)),
        // Not the function of that name of another type.
        "problem(" => !text[..at].ends_with(':'),
        _ => true,
    };
    text.match_indices(constructor)
        .filter(|(at, _)| is_ours(*at))
        .filter_map(|(at, _)| text[at + constructor.len()..].trim_start().strip_prefix('"'))
        .filter_map(|rest| rest.split('"').next())
        .filter(|literal| is_code(literal))
        .map(str::to_owned)
        .collect()
}

/// The head of the `impl` that `at` stands in.
fn block(text: &str, at: usize) -> &str {
    let start = text[..at].rfind("\nimpl").map_or(at, |line_end| line_end + 1);
    text[start..].lines().next().unwrap_or_default()
}

/// Literals in the bodies of functions named `code` that give a text.
fn returned(text: &str) -> Vec<String> {
    let bodies = text.split("fn code(&self) -> &'static str").skip(1);
    bodies
        .filter_map(|rest| rest.split("\n    }").next())
        .flat_map(|body| body.split('"').skip(1).step_by(2))
        .filter(|literal| is_code(literal))
        .map(str::to_owned)
        .collect()
}

fn is_code(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'.' | b'-'))
}
