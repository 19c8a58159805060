//! The dotted name of a setting: `upstream.github.stdio.args[0]`.

use std::fmt;

/// A path from the root of the configuration to one value; empty for the root itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key(Vec<Segment>);

/// One step of a [`Key`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Segment {
    /// A key of a table.
    Name(String),
    /// An element of an array.
    Index(usize),
    /// Any key of a map, in the schema: `upstream.NAME`.
    AnyName,
    /// Any element of an array, in the schema: `rule[]`.
    AnyItem,
}

impl Key {
    /// Reads `a.b."c.d"`; `None` if it is not a dotted key.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut key = Self::default();
        let mut rest = text.trim();
        loop {
            let (name, after) = match rest.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"')?,
                None => rest.split_at(rest.find('.').unwrap_or(rest.len())),
            };
            if name.is_empty() {
                return None;
            }
            key.0.push(Segment::Name(name.to_owned()));
            if after.is_empty() {
                return Some(key);
            }
            rest = after.strip_prefix('.')?;
        }
    }

    pub(crate) fn segments(&self) -> &[Segment] {
        &self.0
    }

    pub(crate) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a file could contain exactly this key, rather than many that fit a pattern.
    pub(crate) fn is_fixed(&self) -> bool {
        self.0.iter().all(|segment| matches!(segment, Segment::Name(_)))
    }

    pub(crate) fn starts_with(&self, prefix: &Self) -> bool {
        self.0.starts_with(&prefix.0)
    }

    pub(crate) fn child(&self, name: &str) -> Self {
        self.then(Segment::Name(name.to_owned()))
    }

    pub(crate) fn then(&self, segment: Segment) -> Self {
        let mut longer = self.clone();
        longer.0.push(segment);
        longer
    }

    /// The table this key stands in, and its name there; `None` for the root and array elements.
    pub(crate) fn split(&self) -> Option<(Self, &str)> {
        match self.0.split_last()? {
            (Segment::Name(name), parent) => Some((Self(parent.to_vec()), name)),
            _ => None,
        }
    }

    /// The array, if this is one of its elements or lies within one; otherwise the key itself.
    pub(crate) fn outside_arrays(&self) -> Self {
        Self(
            self.0
                .iter()
                .take_while(|segment| !matches!(segment, Segment::Index(_)))
                .cloned()
                .collect(),
        )
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            if position > 0 && !matches!(segment, Segment::Index(_) | Segment::AnyItem) {
                f.write_str(".")?;
            }
            match segment {
                Segment::Name(name) => f.write_str(&crate::syntax::key(name))?,
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::AnyName => f.write_str("NAME")?,
                Segment::AnyItem => f.write_str("[]")?,
            }
        }
        Ok(())
    }
}
