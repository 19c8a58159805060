//! Objects whose member names are data rather than protocol.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Key, Malformed};

/// The members of an object such as the properties of a schema or the arguments of a call, in
/// order, values undecoded.
///
/// Unlike in [`Members`](super::Members), `a` and `A` are two, and there may be any number of
/// them. The same name twice is refused here as well.
#[derive(Debug, Default)]
pub(crate) struct Entries<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Entries<'a> {
    pub(crate) fn parse(raw: &'a RawValue) -> Result<Self, Malformed> {
        serde_json::from_str(raw.get()).map_err(|error| Malformed(error.to_string()))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(key, value)| (&**key, *value))
    }

    /// The name that is there twice.
    fn twice(&self) -> Option<&str> {
        let mut names: Vec<&str> = self.0.iter().map(|(name, _)| &**name).collect();
        names.sort_unstable();
        names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Entries<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Entries::default();
                while let Some(Key(key)) = map.next_key()? {
                    entries.0.push((key, map.next_value()?));
                }
                match entries.twice() {
                    None => Ok(entries),
                    Some(name) => Err(de::Error::custom(format_args!("duplicate member `{name}`"))),
                }
            }
        }
        deserializer.deserialize_map(Object)
    }
}
