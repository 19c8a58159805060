//! The words in which people ask whether something is allowed: `call github__create_issue`.

use std::fmt::Write as _;
use std::str::FromStr;

use serde_json::Value;
use switchboard_core::Area;

/// What somebody might want to do, in the names that clients know.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// `call NAME [JSON]`
    Call { name: String, arguments: Option<Value> },
    /// `list`: everything, to see what is there.
    List,
    /// `search WORDS`: what has all of these in its name or description.
    Search(String),
    /// `read URI`
    Read(String),
    /// `get PROMPT`
    Get(String),
    /// `inspect AREA`
    Inspect(Area),
    /// `manage AREA`
    Manage(Area),
    /// `spawn`
    Spawn,
}

/// Why something is no question.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoQuestion {
    #[error("nothing is asked; {FORMS}")]
    Nothing,
    #[error("`{0}` is nothing that can be done; {FORMS}")]
    Verb(String),
    #[error("`{verb}` needs {what}")]
    Missing { verb: &'static str, what: &'static str },
    #[error("`{verb}` takes nothing like `{rest}`")]
    TooMuch { verb: &'static str, rest: String },
    #[error("the arguments of `{name}` are no JSON object: {cause}")]
    Arguments { name: String, cause: String },
    #[error("`{0}` is not managed; there are {areas}", areas = areas())]
    Area(String),
}

const FORMS: &str = "ask `call NAME [JSON]`, `list`, `search WORDS`, `read URI`, `get PROMPT`, \
                     `inspect AREA`, `manage AREA` or `spawn`";

impl FromStr for Question {
    type Err = NoQuestion;

    fn from_str(text: &str) -> Result<Self, NoQuestion> {
        let (verb, rest) = word(text);
        match verb {
            "" => Err(NoQuestion::Nothing),
            "call" => call(rest),
            "list" => nothing_more("list", rest).map(|()| Self::List),
            "search" if rest.is_empty() => {
                Err(NoQuestion::Missing { verb: "search", what: "words to look for" })
            }
            "search" => Ok(Self::Search(rest.to_owned())),
            "read" => only("read", rest, "the address of a resource").map(Self::Read),
            "get" => only("get", rest, "the name of a prompt").map(Self::Get),
            "inspect" => area("inspect", rest).map(Self::Inspect),
            "manage" => area("manage", rest).map(Self::Manage),
            "spawn" => nothing_more("spawn", rest).map(|()| Self::Spawn),
            other => Err(NoQuestion::Verb(other.to_owned())),
        }
    }
}

fn call(rest: &str) -> Result<Question, NoQuestion> {
    let (name, json) = word(rest);
    if name.is_empty() {
        return Err(NoQuestion::Missing { verb: "call", what: "the name of a tool" });
    }
    let refused = |cause: String| NoQuestion::Arguments { name: name.to_owned(), cause };
    let arguments = match json {
        "" => None,
        json => match serde_json::from_str(json) {
            Ok(object @ Value::Object(_)) => Some(object),
            Ok(_) => return Err(refused("it is another value".to_owned())),
            Err(error) => return Err(refused(error.to_string())),
        },
    };
    Ok(Question::Call { name: name.to_owned(), arguments })
}

fn area(verb: &'static str, rest: &str) -> Result<Area, NoQuestion> {
    let name = only(verb, rest, "the name of what is managed, such as `keys`")?;
    let known = Area::ALL.into_iter().find(|area| area.as_str() == name);
    known.ok_or(NoQuestion::Area(name))
}

fn areas() -> String {
    let mut names = String::new();
    for (index, area) in Area::ALL.iter().enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        write!(names, "{separator}`{}`", area.as_str()).expect("writing to memory");
    }
    names
}

/// The one word that has to follow.
fn only(verb: &'static str, rest: &str, what: &'static str) -> Result<String, NoQuestion> {
    let (one, rest) = word(rest);
    if one.is_empty() {
        return Err(NoQuestion::Missing { verb, what });
    }
    nothing_more(verb, rest)?;
    Ok(one.to_owned())
}

fn nothing_more(verb: &'static str, rest: &str) -> Result<(), NoQuestion> {
    match rest {
        "" => Ok(()),
        rest => Err(NoQuestion::TooMuch { verb, rest: rest.to_owned() }),
    }
}

/// The first word, and what follows it.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim();
    text.split_once(char::is_whitespace).map_or((text, ""), |(word, rest)| (word, rest.trim()))
}

#[cfg(test)]
mod tests {
    use switchboard_core::Area;

    use super::Question;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let actual = match text.parse::<Question>() {
            Ok(question) => format!("{question:?}"),
            Err(error) => error.to_string(),
        };
        assert!(actual.starts_with(expected), "`{text}`: {actual}");
    }

    #[test]
    fn questions_are_read() {
        let call =
            |arguments: &str| format!("Call {{ name: \"git__log\", arguments: {arguments} }}");
        check("call git__log", &call("None"));
        check("  call   git__log  ", &call("None"));
        check("call git__log {\"n\": 1}", &call("Some(Object {\"n\": Number(1)})"));
        check("list", "List");
        check("search open  issue", "Search(\"open  issue\")");
        check("read file:///a%20b", "Read(\"file:///a%20b\")");
        check("get git__commit", "Get(\"git__commit\")");
        check("manage keys", "Manage(Keys)");
        check("inspect history", "Inspect(History)");
        check("spawn", "Spawn");
        for area in Area::ALL {
            check(&format!("manage {}", area.as_str()), "Manage(");
        }
    }

    #[test]
    fn what_is_no_question_says_what_is_one() {
        check("", "nothing is asked; ask `call NAME [JSON]`, `list`");
        check("delete x", "`delete` is nothing that can be done; ask `call NAME [JSON]`");
        check("call", "`call` needs the name of a tool");
        check("call x [1]", "the arguments of `x` are no JSON object: it is another value");
        check("call x {\"a\"", "the arguments of `x` are no JSON object: EOF while parsing");
        check("search", "`search` needs words to look for");
        check("read", "`read` needs the address of a resource");
        check("get a b", "`get` takes nothing like `b`");
        check("spawn ls", "`spawn` takes nothing like `ls`");
        check("manage", "`manage` needs the name of what is managed");
        check("manage cars", "`cars` is not managed; there are `functions`, `servers`");
    }
}
