//! The reference of every key, generated from where the keys are defined.

use schemars::JsonSchema;

use crate::de::list;
use crate::range;
use crate::schema::{Schema, Setting};
use crate::syntax;

/// A Markdown table of every key: type, range, default and what it is for.
///
/// A key of a map shows as `upstream.NAME.url`.
pub fn reference<T: JsonSchema>() -> String {
    let mut table = String::from(
        "| Key | Type | Range | Default | Description |\n| --- | --- | --- | --- | --- |\n",
    );
    for setting in Schema::of::<T>().settings() {
        table.push_str(&row(&setting));
    }
    table
}

fn row(setting: &Setting<'_>) -> String {
    let choices = setting.view.choices();
    let range = if choices.is_empty() {
        range::range(setting.view).trim_start_matches("of ").to_owned()
    } else {
        list(&choices)
    };
    let default = match setting.view.default() {
        // The keys of a table have their own rows with their own defaults.
        Some(default) if !default.is_object() => format!("`{}`", syntax::value(default)),
        _ if setting.required => "required".to_owned(),
        _ => String::new(),
    };
    let cells = [
        format!("`{}`", setting.key),
        setting.view.type_name(),
        range,
        default,
        setting.documentation.to_owned(),
    ];
    format!("| {} |\n", cells.map(|cell| one_line(&cell)).join(" | "))
}

/// A Markdown table has one line per row, and `|` ends a cell even within backticks.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
