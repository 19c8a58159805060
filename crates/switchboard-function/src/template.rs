//! Templates of addresses, as far as servers use them: literal text and `{name}` (RFC 6570, level 1).

/// A template that addresses are compared with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    Text(String),
    Variable(String),
}

impl Template {
    /// # Errors
    ///
    /// What is wrong with it, as what goes on after its name.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if !is_uri(text) {
            return Err(format!("is no template of an address: `{text}`"));
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            let inner = &rest[open + 1..];
            let close = inner.find('}').ok_or("has a `{` without its `}`")?;
            let name = &inner[..close];
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let begins = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
            if !begins || !name.chars().all(is_name) {
                return Err(format!("has `{{{name}}}`, which is no name"));
            }
            if open > 0 {
                parts.push(Part::Text(rest[..open].to_owned()));
            } else if !parts.is_empty() {
                return Err("has two names with nothing between them".to_owned());
            }
            parts.push(Part::Variable(name.to_owned()));
            rest = &inner[close + 1..];
        }
        if rest.contains('}') {
            return Err("has a `}` without its `{`".to_owned());
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self { parts })
    }

    /// What stands in the places of the names, decoded; `None` where `uri` is of another kind. A name
    /// stands for one part of a path: it has no `/`, `?` or `#` in it.
    pub(crate) fn read(&self, uri: &str) -> Option<Vec<(String, String)>> {
        let mut values = Vec::new();
        let mut rest = uri;
        let mut parts = self.parts.iter().peekable();
        while let Some(part) = parts.next() {
            match part {
                Part::Text(text) => rest = rest.strip_prefix(text.as_str())?,
                Part::Variable(name) => {
                    let end = match parts.peek() {
                        Some(Part::Text(text)) => rest.find(text.as_str())?,
                        _ => rest.len(),
                    };
                    let value = &rest[..end];
                    if value.is_empty() || value.contains(['/', '?', '#']) {
                        return None;
                    }
                    values.push((name.clone(), decoded(value)?));
                    rest = &rest[end..];
                }
            }
        }
        rest.is_empty().then_some(values)
    }
}

/// A scheme and something behind it (RFC 3986, 3.1).
pub(crate) fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let mut chars = scheme.chars();
    let has_scheme = chars.next().is_some_and(|c| c.is_ascii_alphabetic())
        && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    has_scheme && !rest.is_empty() && !text.chars().any(|c| c.is_control() || c == ' ')
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'%' {
            let hex = std::str::from_utf8(tail.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(hex, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::{Template, is_uri};

    #[test]
    fn addresses_are_read_by_their_template() {
        let read = |template: &str, uri: &str| {
            let values = Template::parse(template).unwrap().read(uri)?;
            let values = values.iter().map(|(name, value)| format!("{name}={value}"));
            Some(values.collect::<Vec<_>>().join(" "))
        };
        for (template, uri, expected) in [
            ("w://s/{id}", "w://s/7", Some("id=7")),
            ("w://s/{id}", "w://s/a%20b", Some("id=a b")),
            ("w://s/{id}", "w://s/", None),
            ("w://s/{id}", "w://s/a/b", None),
            ("w://s/{id}", "w://t/7", None),
            ("w://s/{id}", "w://s/%zz", None),
            ("w://{a}/{b}.json", "w://x/y.json", Some("a=x b=y")),
            ("w://{a}/{b}.json", "w://x/y.xml", None),
            ("w://all", "w://all", Some("")),
        ] {
            assert_eq!(read(template, uri).as_deref(), expected, "{template} {uri}");
        }
    }

    #[test]
    fn what_is_no_template_is_told_apart() {
        for wrong in ["", "stations", "w://{", "w://}", "w://{a b}", "w://{a}{b}", "w://{}"] {
            assert!(Template::parse(wrong).is_err(), "{wrong}");
        }
        assert!(is_uri("mailto:a"));
        assert!(!is_uri("7x:a") && !is_uri("a b:c") && !is_uri("a:") && !is_uri("a"));
    }
}
