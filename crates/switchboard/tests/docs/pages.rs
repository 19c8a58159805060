//! The documents as files: which there are, what is fenced in them, where their links lead.

use std::fs;
use std::path::{Path, PathBuf};

/// One Markdown file.
pub(crate) struct Page {
    /// The path below the root of the repository.
    pub(crate) name: String,
    path: PathBuf,
    text: String,
}

/// A fenced block.
pub(crate) struct Fence {
    pub(crate) language: String,
    /// The line of the opening fence, counted from one.
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("we are in it")
}

/// The pages that people follow step by step.
pub(crate) fn with_examples() -> Vec<Page> {
    all()
        .into_iter()
        .filter(|page| page.name == "README.md" || page.name.starts_with("docs/"))
        .collect()
}

/// Every page of the project.
pub(crate) fn all() -> Vec<Page> {
    let root = root();
    let mut paths = markdown_in(&root);
    let mut directories = vec![root.join("docs")];
    while let Some(directory) = directories.pop() {
        paths.extend(markdown_in(&directory));
        directories.extend(entries(&directory).into_iter().filter(|path| path.is_dir()));
    }
    paths.sort();
    let page = |path: PathBuf| Page {
        name: path.strip_prefix(&root).expect("below the root").display().to_string(),
        text: fs::read_to_string(&path).expect("a page is text"),
        path,
    };
    paths.into_iter().map(page).collect()
}

/// The Markdown files directly in `directory`.
pub(crate) fn markdown_in(directory: &Path) -> Vec<PathBuf> {
    let is_markdown = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "md");
    entries(directory).into_iter().filter(is_markdown).collect()
}

pub(crate) fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("a directory of the repository");
    entries.map(|entry| entry.expect("an entry of it").path()).collect()
}

impl Page {
    pub(crate) fn fences(&self) -> Vec<Fence> {
        let mut fences = Vec::new();
        let mut open: Option<Fence> = None;
        for (number, line) in (1..).zip(self.text.lines()) {
            match (line.trim_start().strip_prefix("```"), &mut open) {
                (Some(language), None) => {
                    let language = language.trim().to_owned();
                    open = Some(Fence { language, line: number, text: String::new() });
                }
                (Some(_), Some(_)) => fences.extend(open.take()),
                (None, Some(fence)) => fence.text.extend([line, "\n"]),
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{}: a block is not closed", self.name);
        fences
    }

    /// Links into the repository that lead to no file.
    pub(crate) fn broken_links(&self) -> Vec<String> {
        let directory = self.path.parent().expect("a page is in a directory");
        let links = self.text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        links
            .filter(|link| !link.contains("://"))
            .map(|link| link.split('#').next().unwrap_or_default())
            .filter(|file| !file.is_empty() && !directory.join(file).exists())
            .map(|file| format!("{}: there is no `{file}`", self.name))
            .collect()
    }
}
