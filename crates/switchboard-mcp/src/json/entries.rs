//! Objects whose member names are data rather than protocol.

use std::borrow::Cow;

use super::{Malformed, Raw, Walk};

/// The members of an object such as the properties of a schema or the arguments of a call, in
/// order, values undecoded.
///
/// Unlike in [`Members`](super::Members), `a` and `A` are two, and there may be any number of
/// them. The same name twice is refused here as well.
#[derive(Debug, Default)]
pub(crate) struct Entries<'a>(Vec<(Cow<'a, str>, Raw<'a>)>);

impl<'a> Entries<'a> {
    pub(crate) fn parse(raw: impl Into<Raw<'a>>) -> Result<Self, Malformed> {
        let text = raw.into().get();
        let mut walk = Walk::checked(text).ok_or_else(|| Malformed::no_object(text))?;
        let mut entries = Self::default();
        while let Some((name, value)) =
            walk.next().map_err(|fault| Malformed::new(text.as_bytes(), fault))?
        {
            entries.0.push((name, Raw(value)));
        }
        match entries.twice() {
            Some(name) => Err(Malformed(format!("duplicate member `{name}`"))),
            None => Ok(entries),
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<Raw<'a>> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, Raw<'a>)> {
        self.0.iter().map(|(key, value)| (&**key, *value))
    }

    /// The name that is there twice.
    fn twice(&self) -> Option<&str> {
        let mut names: Vec<&str> = self.0.iter().map(|(name, _)| &**name).collect();
        names.sort_unstable();
        names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
    }
}
