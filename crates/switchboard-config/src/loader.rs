//! Reads a configuration from its layers.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::de::DeTable;

use crate::de::{Context, Reading};
use crate::diagnostic::{Diagnostic, Place, code};
use crate::document::Document;
use crate::environment::{self, Environment};
use crate::expand::{self, Lookup, Reader};
use crate::hide;
use crate::key::Key;
use crate::node::{Node, Source};
use crate::range;
use crate::report::Reporter;
use crate::schema::Schema;
use crate::settings::Settings;

/// Collects the layers of a configuration: defaults, what is inherited, file, environment, flags;
/// later ones win.
///
/// ```ignore
/// let loaded = Loader::new()
///     .file(path, text)
///     .environment(variables, "SWITCHBOARD_", &["SWITCHBOARD_CONFIG"], &[("PORT", "listen.port")])
///     .flag("listen.port", "--port", "9000".to_owned())
///     .load::<Config>()?;
/// ```
pub struct Loader {
    document: Option<Document>,
    environment: Environment,
    flags: Vec<Flag>,
    inherit: Option<Inherit>,
    read: Reader,
}

/// What a variable of another program means here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inherited {
    pub variable: &'static str,
    /// The dotted key that it sets.
    pub key: &'static str,
    /// As a variable of our own would say it.
    pub value: String,
}

/// Says what is inherited, knowing which keys and tables the other layers have.
type Inherit = Box<dyn FnOnce(&dyn Fn(&str) -> bool) -> Result<Vec<Inherited>, Vec<Diagnostic>>>;

/// A configuration that was read, and how it came about.
#[derive(Debug)]
pub struct Loaded<T> {
    pub value: T,
    pub settings: Settings,
}

struct Flag {
    key: Key,
    name: String,
    value: String,
}

/// How many wrong values are looked for: more than anyone corrects in one go, and an end to the search.
const PROBLEM_LIMIT: usize = 50;

impl Loader {
    /// A loader with no layer but the defaults.
    pub fn new() -> Self {
        Self {
            document: None,
            environment: Environment::default(),
            flags: Vec::new(),
            inherit: None,
            read: Box::new(expand::read_file),
        }
    }

    /// Adds the file, already read. `${file:…}` is relative to the directory of `path`.
    #[must_use]
    pub fn file(self, path: PathBuf, text: String) -> Self {
        Self { document: Some(Document { path, text, hidden: Vec::new() }), ..self }
    }

    /// Adds the environment: of `${env:…}`, and of the keys that `prefix` and the name of the key reach.
    ///
    /// `reserved` are variables that begin with the prefix and are no keys. `aliases` are further
    /// variables, each with the dotted key it sets.
    #[must_use]
    pub fn environment(
        self,
        variables: BTreeMap<String, String>,
        prefix: &str,
        reserved: &[&str],
        aliases: &[(&str, &str)],
    ) -> Self {
        let own = |(variable, key): &(&str, &str)| ((*variable).to_owned(), (*key).to_owned());
        let environment = Environment {
            variables,
            prefix: prefix.to_owned(),
            reserved: reserved.iter().map(|name| (*name).to_owned()).collect(),
            aliases: aliases.iter().map(own).collect(),
        };
        Self { environment, ..self }
    }

    /// Adds a value from the command line. `flag` is what the person typed, for messages.
    ///
    /// # Panics
    ///
    /// If `key` is not a dotted key.
    #[must_use]
    pub fn flag(mut self, key: &str, flag: &str, value: String) -> Self {
        let key = Key::parse(key).expect("a flag is for a dotted key");
        self.flags.push(Flag { key, name: flag.to_owned(), value });
        self
    }

    /// Adds what variables of a program before this one say, whose names are not ours: it holds where
    /// no other layer says anything. `inherit` is given a question, whether the other layers have a
    /// key or a table.
    #[must_use]
    pub fn inherited(
        self,
        inherit: impl FnOnce(&dyn Fn(&str) -> bool) -> Result<Vec<Inherited>, Vec<Diagnostic>> + 'static,
    ) -> Self {
        Self { inherit: Some(Box::new(inherit)), ..self }
    }

    /// Reads the files of `${file:…}` with `read`, instead of from the disk and up to 1 MiB.
    #[must_use]
    pub fn read_with(
        self,
        read: impl Fn(&Path) -> io::Result<String> + Send + Sync + 'static,
    ) -> Self {
        Self { read: Box::new(read), ..self }
    }

    /// Reads the layers as `T`.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, in the order of the file. If the file is not TOML, only that.
    ///
    /// # Panics
    ///
    /// If `T` itself is wrong, whatever the configuration: two keys share an environment variable
    /// (see [`environment_names`](crate::environment_names)), or it cannot be written as JSON.
    pub fn load<T>(mut self) -> Result<Loaded<T>, Vec<Diagnostic>>
    where
        T: DeserializeOwned + Serialize + JsonSchema,
    {
        let schema = Schema::of::<T>();
        let names = environment::names(&schema, &self.environment.prefix)
            .expect("every key of a configuration has a variable of its own");
        let mut diagnostics = Vec::new();
        let tree = self.merge(&schema, &names, &mut diagnostics)?;
        let reporter = Reporter {
            schema: &schema,
            document: self.document.as_ref(),
            tree: &tree,
            names: &names,
        };
        let value = self.read::<T>(&reporter, &mut diagnostics);
        let effective =
            serde_json::to_value(&value).expect("a configuration can be written as JSON");
        if value.is_some() {
            let mut violations = Vec::new();
            range::check(schema.view(), &effective, &Key::default(), &mut violations);
            diagnostics.extend(violations.iter().map(|violation| reporter.violation(violation)));
        }
        match value {
            Some(value) if diagnostics.is_empty() => {
                let settings = Settings { tree, schema, effective, names, document: self.document };
                Ok(Loaded { value, settings })
            }
            _ => {
                diagnostics.sort_by_key(|diagnostic| reading_order(diagnostic.place.as_deref()));
                Err(diagnostics)
            }
        }
    }

    /// All layers above the defaults as one tree.
    fn merge(
        &mut self,
        schema: &Schema,
        names: &BTreeMap<String, Key>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Result<Node, Vec<Diagnostic>> {
        let mut tree = match &mut self.document {
            Some(document) => parse(document, schema).map_err(|diagnostic| vec![diagnostic])?,
            None => Node::empty(),
        };
        self.environment.overlay(names, &mut tree, diagnostics);
        for Flag { key, name, value } in &self.flags {
            tree.set(key, value, &Source::Flag(name.clone()));
        }
        if let Some(inherit) = self.inherit.take() {
            match inherit(&|key| tree.at(&dotted(key)).is_some()) {
                Ok(inherited) => fill(&mut tree, &inherited),
                Err(mistakes) => diagnostics.extend(mistakes),
            }
        }
        Ok(tree)
    }

    /// Reads the tree; of a tree with mistakes, again and again without them.
    ///
    /// serde stops at the first wrong value. Taking that value out of the tree and reading the rest
    /// finds the next. What is then missing or contradictory only because something was taken out is
    /// not reported.
    fn read<T: DeserializeOwned>(
        &self,
        reporter: &Reporter<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<T> {
        let lookup = Lookup {
            environment: &self.environment.variables,
            directory: self.document.as_ref().and_then(Document::directory),
            read: &self.read,
        };
        let context = Context { lookup, unknown: RefCell::default() };
        let mut tree = reporter.tree.clone();
        let mut removed: Vec<Key> = Vec::new();
        let value = loop {
            let error = match T::deserialize(Reading { node: &tree, context: &context }) {
                Ok(value) => break Some(value),
                Err(error) => error,
            };
            let key = error.key().outside_arrays();
            if !removed.iter().any(|inner| inner.starts_with(&key)) {
                diagnostics.push(reporter.error(&error));
            }
            if key.is_root() || removed.len() == PROBLEM_LIMIT {
                break None;
            }
            tree.remove(&key);
            removed.push(key);
        };
        for (key, known) in context.unknown.into_inner() {
            diagnostics.push(reporter.unknown_key(&key, known));
        }
        value
    }
}

impl Default for Loader {
    fn default() -> Self {
        Self::new()
    }
}

/// Sets what nobody has set.
fn fill(tree: &mut Node, inherited: &[Inherited]) {
    for Inherited { variable, key, value } in inherited {
        let key = dotted(key);
        if tree.at(&key).is_none() {
            tree.set(&key, value, &Source::Environment((*variable).to_owned()));
        }
    }
}

fn dotted(key: &str) -> Key {
    Key::parse(key).expect("what is inherited is for a dotted key")
}

fn parse(document: &mut Document, schema: &Schema) -> Result<Node, Diagnostic> {
    let error = match DeTable::parse(&document.text) {
        Ok(table) => {
            let tree = Node::from_toml(table.get_ref());
            hide::values(&tree, Some(schema.view()), &mut document.hidden);
            return Ok(tree);
        }
        Err(error) => error,
    };
    let span = error.span().unwrap_or(0..0);
    let line = document.line_at(span.start);
    document.hidden.extend(hide::line(&document.text, line, schema));
    let message = match error.message() {
        // The name is missing from the parser's message, and is what one looks for.
        "duplicate key" => format!("duplicate key `{}`", &document.text[span.clone()]),
        message => message.to_owned(),
    };
    let hint = document.text.trim_start().starts_with('{').then(|| {
        "this looks like JSON; the configuration is TOML: `[table]`, then `key = value`".to_owned()
    });
    let place = Some(Box::new(document.place(&span)));
    Err(Diagnostic { place, hint, ..Diagnostic::new(code::SYNTAX, message) })
}

/// Mistakes in the order one comes across them: in the file from the top, then the environment, then the flags.
fn reading_order(place: Option<&Place>) -> (u8, usize, usize, String) {
    match place {
        None => (0, 0, 0, String::new()),
        Some(Place::File { line, column, .. }) => (1, *line, *column, String::new()),
        Some(Place::Environment { name }) => (2, 0, 0, name.clone()),
        Some(Place::Flag { name }) => (3, 0, 0, name.clone()),
    }
}
