//! What a person sees of a configuration, right or wrong.

mod diagnostics;
mod layers;
mod sample;
mod secrets;
mod settings;
mod units;

use std::collections::BTreeMap;

use crate::{Diagnostic, Loaded, Loader};
use sample::Config;

/// A configuration file in a place of its own.
fn file(text: &str) -> Loader {
    Loader::new().file("/etc/app/config.toml".into(), text.to_owned())
}

fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Loads what has to be right.
#[track_caller]
fn load(loader: Loader) -> Loaded<Config> {
    loader.load().unwrap_or_else(|diagnostics| panic!("{}", render(&diagnostics)))
}

/// Loads what has to be wrong, and says what a person is told.
#[track_caller]
fn refuse(loader: Loader) -> String {
    match loader.load::<Config>() {
        Ok(_) => panic!("this configuration is accepted"),
        Err(diagnostics) => render(&diagnostics),
    }
}

fn render(diagnostics: &[Diagnostic]) -> String {
    let rendered: Vec<_> = diagnostics.iter().map(|diagnostic| diagnostic.render(false)).collect();
    rendered.join("\n\n")
}
