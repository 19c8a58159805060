//! The JSON schema of a configuration, and how the rest of this crate reads it.
//!
//! `schemars` knows of every key its type, its documentation and its default. Only the shapes that
//! `schemars` produces are understood here; this is not a general reader of JSON Schema.

use schemars::JsonSchema;
use serde_json::Value as Json;

use crate::key::{Key, Segment};
use crate::{secret, size, time};

/// The JSON schema of a configuration, for editors and validators.
pub fn schema<T: JsonSchema>() -> Json {
    schemars::schema_for!(T).to_value()
}

/// The schema as a whole.
pub(crate) struct Schema {
    root: Json,
}

/// The schema of one key.
#[derive(Clone, Copy)]
pub(crate) struct View<'s> {
    root: &'s Json,
    /// Where the key is defined: its documentation and default.
    outer: &'s Json,
    /// Where its type is defined, references followed and `Option` taken off; often the same.
    body: &'s Json,
}

/// One key that a configuration may have.
pub(crate) struct Setting<'s> {
    pub(crate) key: Key,
    pub(crate) view: View<'s>,
    pub(crate) documentation: &'s str,
    /// Whether its table makes no sense without it.
    pub(crate) required: bool,
}

/// How deep settings are listed: far deeper than anyone writes by hand, and an end for types that contain themselves.
const DEPTH_LIMIT: usize = 12;

impl Schema {
    pub(crate) fn of<T: JsonSchema>() -> Self {
        Self { root: schema::<T>() }
    }

    pub(crate) fn view(&self) -> View<'_> {
        View::new(&self.root, &self.root)
    }

    /// The schema of a key, if there can be such a key.
    pub(crate) fn at(&self, key: &Key) -> Option<View<'_>> {
        key.segments().iter().try_fold(self.view(), |view, segment| view.child(segment))
    }

    /// Every key, tables included, in the order of definition.
    pub(crate) fn settings(&self) -> Vec<Setting<'_>> {
        let mut settings = Vec::new();
        self.view().collect(&Key::default(), &mut settings);
        settings
    }
}

impl<'s> View<'s> {
    fn new(root: &'s Json, outer: &'s Json) -> Self {
        let mut body = outer;
        loop {
            body = if let Some(name) = body.get("$ref").and_then(Json::as_str) {
                root.pointer(name.trim_start_matches('#')).unwrap_or(&Json::Null)
            } else if let Some(inner) = optional(body) {
                inner
            } else {
                return Self { root, outer, body };
            };
        }
    }

    fn attribute(&self, name: &str) -> Option<&'s Json> {
        self.outer.get(name).or_else(|| self.body.get(name))
    }

    pub(crate) fn documentation(&self) -> &'s str {
        self.attribute("description").and_then(Json::as_str).unwrap_or_default()
    }

    /// The default where the key is defined. `None` if there is none, or none is needed (`Option`).
    pub(crate) fn default(&self) -> Option<&'s Json> {
        self.attribute("default").filter(|default| !default.is_null())
    }

    pub(crate) fn format(&self) -> &'s str {
        self.attribute("format").and_then(Json::as_str).unwrap_or_default()
    }

    pub(crate) fn is_secret(&self) -> bool {
        self.format() == secret::FORMAT
    }

    /// Whether a secret belongs here or anywhere inside, so that what stands here instead may be one.
    pub(crate) fn holds_secret(&self) -> bool {
        self.holds_secret_within(DEPTH_LIMIT)
    }

    fn holds_secret_within(&self, depth: usize) -> bool {
        let inside = self.items().into_iter().chain(self.entries());
        let mut inside = inside.chain(self.properties().into_iter().map(|(_, view)| view));
        self.is_secret() || depth > 0 && inside.any(|view| view.holds_secret_within(depth - 1))
    }

    /// The limit called `minimum` or `maximum`: a number, or text for sizes and durations.
    pub(crate) fn limit(&self, name: &str) -> Option<&'s Json> {
        self.attribute(&format!("x-{name}")).or_else(|| self.attribute(name))
    }

    fn has_type(&self, name: &str) -> bool {
        match self.body.get("type") {
            Some(Json::String(only)) => only == name,
            Some(Json::Array(several)) => several.iter().any(|one| one == name),
            _ => false,
        }
    }

    /// The variants of an enum, and the parts of a struct with flattened fields.
    fn alternatives(&self) -> impl Iterator<Item = Self> + use<'s> {
        let Self { root, body, .. } = *self;
        ["oneOf", "anyOf", "allOf"]
            .into_iter()
            .filter_map(move |keyword| body.get(keyword)?.as_array())
            .flatten()
            .map(move |alternative| View::new(root, alternative))
    }

    /// The keys of a struct, or of all the variants of an enum.
    pub(crate) fn properties(&self) -> Vec<(&'s str, Self)> {
        let root = self.root;
        let own = self.body.get("properties").and_then(Json::as_object).into_iter().flatten();
        let own = own.map(|(name, property)| (name.as_str(), View::new(root, property)));
        own.chain(self.alternatives().flat_map(|alternative| alternative.properties())).collect()
    }

    /// What each entry of a map is.
    pub(crate) fn entries(&self) -> Option<Self> {
        let entries = self.body.get("additionalProperties").filter(|schema| schema.is_object())?;
        Some(View::new(self.root, entries))
    }

    /// What each element of an array is.
    pub(crate) fn items(&self) -> Option<Self> {
        self.body.get("items").map(|items| View::new(self.root, items))
    }

    pub(crate) fn child(&self, segment: &Segment) -> Option<Self> {
        match segment {
            Segment::Name(name) => {
                let property = self.properties().into_iter().find(|(known, _)| known == name);
                property.map(|(_, view)| view).or_else(|| self.entries())
            }
            Segment::AnyName => self.entries(),
            Segment::Index(_) | Segment::AnyItem => self.items(),
        }
    }

    /// The strings that are allowed, if only some are.
    pub(crate) fn choices(&self) -> Vec<&'s str> {
        let own = self.body.get("enum").and_then(Json::as_array).into_iter().flatten();
        let own = own.chain(self.body.get("const")).filter_map(Json::as_str);
        own.chain(self.alternatives().flat_map(|alternative| alternative.choices())).collect()
    }

    /// Whether one string, number or boolean is all there is to it.
    pub(crate) fn is_scalar(&self) -> bool {
        let simple =
            ["string", "integer", "number", "boolean"].iter().any(|name| self.has_type(name));
        (simple || !self.choices().is_empty()) && self.properties().is_empty()
    }

    /// What the reference and a message call it: `integer`, `array of strings`.
    pub(crate) fn type_name(&self) -> String {
        if !self.properties().is_empty() {
            let name = if self.choices().is_empty() { "table" } else { "string or table" };
            return name.to_owned();
        }
        if let Some(entries) = self.entries() {
            return format!("table of {}s", entries.type_name());
        }
        if self.has_type("array") {
            let items = self.items().map_or_else(|| "value".to_owned(), |items| items.type_name());
            return format!("array of {items}s");
        }
        let known =
            [(size::FORMAT, "size"), (time::FORMAT, "duration"), (secret::FORMAT, "secret")];
        if let Some((_, name)) = known.iter().find(|(format, _)| *format == self.format()) {
            return (*name).to_owned();
        }
        let simple = ["boolean", "integer", "number", "string"];
        let simple = simple.into_iter().find(|name| self.has_type(name));
        simple.unwrap_or(if self.choices().is_empty() { "value" } else { "string" }).to_owned()
    }

    fn collect(&self, key: &Key, settings: &mut Vec<Setting<'s>>) {
        if key.segments().len() >= DEPTH_LIMIT {
            return;
        }
        let required = self.body.get("required").and_then(Json::as_array);
        for (name, view) in self.properties() {
            Setting {
                key: key.child(name),
                view,
                documentation: view.documentation(),
                required: required.is_some_and(|names| names.iter().any(|known| known == name)),
            }
            .add(settings);
        }
    }
}

impl<'s> Setting<'s> {
    /// Adds the setting and what is inside it. Of a map, only the entries are listed: they are what one
    /// writes.
    fn add(self, settings: &mut Vec<Self>) {
        if let Some(view) = self.view.entries() {
            let own = view.documentation();
            let documentation =
                if self.documentation.is_empty() { own } else { self.documentation };
            let key = self.key.then(Segment::AnyName);
            return Setting { key, view, documentation, required: false }.add(settings);
        }
        let (key, view) = (self.key.clone(), self.view);
        settings.push(self);
        match view.items() {
            Some(items) => items.collect(&key.then(Segment::AnyItem), settings),
            None => view.collect(&key, settings),
        }
    }
}

/// What is inside `Option`, where schemars says so by an alternative `null`.
fn optional(schema: &Json) -> Option<&Json> {
    let null = |schema: &Json| schema.get("type").is_some_and(|name| name == "null");
    match schema.get("anyOf")?.as_array()?.as_slice() {
        [inner, none] | [none, inner] if null(none) => Some(inner),
        _ => None,
    }
}
