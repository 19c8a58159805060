//! Reads a server's lists to their ends.

use std::sync::Arc;
use std::time::Duration;

use switchboard_core::{Capabilities, Item, Kind, Lists};
use switchboard_mcp::{Era, Hint, Json, Method, ParamHeaders, Raw};

use crate::link::LinkError;
use crate::session::Session;

/// Most pages of one list, and most items: a server that never ends its list must not fill our
/// memory. The largest catalogs known have about 3,000 tools.
const PAGE_LIMIT: usize = 500;
const ITEM_LIMIT: usize = 50_000;

/// How long one list may take.
const LIST_TIMEOUT: Duration = Duration::from_secs(60);

/// Everything the server offers. Nothing unless all of it could be read: a part would look like
/// the whole.
pub(crate) async fn read_all(session: &Session) -> Result<Lists, String> {
    let facts = &session.facts;
    let capabilities = Capabilities::read(&facts.capabilities).map_err(|e| e.to_string())?;
    let of = |kind: Kind| async move {
        if capabilities.has(kind) { read(session, kind).await } else { Ok(Listed::default()) }
    };
    let (tools, prompts, resources, templates) = tokio::try_join!(
        of(Kind::Tools),
        of(Kind::Prompts),
        of(Kind::Resources),
        of(Kind::Templates),
    )?;
    let mut lists = Lists {
        version: Some(facts.version),
        capabilities,
        offered: Some(facts.capabilities.clone()),
        instructions: facts.instructions.clone(),
        ..Lists::default()
    };
    for (kind, listed) in Kind::ALL.into_iter().zip([tools, prompts, resources, templates]) {
        listed.put(&mut lists, kind);
    }
    Ok(lists)
}

/// The lists with those of `kind` read anew; resources and their templates change together.
pub(crate) async fn reread(
    session: &Session,
    kind: Kind,
    lists: Arc<Lists>,
) -> Result<Lists, String> {
    let mut lists = Lists::clone(&lists);
    if !lists.capabilities.has(kind) {
        // It announces what it says it does not have.
        return Ok(lists);
    }
    read(session, kind).await?.put(&mut lists, kind);
    if kind == Kind::Resources {
        read(session, Kind::Templates).await?.put(&mut lists, Kind::Templates);
    }
    Ok(lists)
}

/// One list, read to its end.
#[derive(Default)]
struct Listed {
    items: Vec<Item>,
    /// How long it holds where the server is of a revision that says so: as long as every page.
    hint: Option<Hint>,
}

impl Listed {
    fn put(self, lists: &mut Lists, kind: Kind) {
        lists.replace(kind, self.items);
        lists.hints[kind as usize] = self.hint;
    }
}

async fn read(session: &Session, kind: Kind) -> Result<Listed, String> {
    let method = method(kind);
    let read = tokio::time::timeout(LIST_TIMEOUT, read_pages(session, kind, &method)).await;
    read.unwrap_or_else(|_| Err(format!("no answer within {} s", LIST_TIMEOUT.as_secs())))
        .map_err(|cause| format!("{method}: {cause}"))
}

async fn read_pages(session: &Session, kind: Kind, method: &Method) -> Result<Listed, String> {
    let mut listed = Listed::default();
    let mut cursor: Option<String> = None;
    for _ in 0..PAGE_LIMIT {
        let params = cursor.map(|cursor| Json::encode(&serde_json::json!({ "cursor": cursor })));
        let result = match session.ask(method, params.as_ref()).await {
            Ok(result) => result,
            // Templates came with their own method; servers that have resources need not know it.
            Err(LinkError::Refused(error))
                if kind == Kind::Templates
                    && error.code == switchboard_mcp::code::METHOD_NOT_FOUND =>
            {
                return Ok(listed);
            }
            Err(error) => return Err(error.to_string()),
        };
        cursor = add_page(session, kind, &result, &mut listed)?;
        if listed.items.len() > ITEM_LIMIT {
            return Err(format!("the list has more than {ITEM_LIMIT} entries"));
        }
        if cursor.is_none() {
            return Ok(listed);
        }
    }
    Err(format!("the list has more than {PAGE_LIMIT} pages"))
}

fn add_page(
    session: &Session,
    kind: Kind,
    result: &Json,
    listed: &mut Listed,
) -> Result<Option<String>, String> {
    let members = result.members().map_err(|error| error.to_string())?;
    let list = members.read::<Vec<Raw<'_>>>(kind.member());
    let list = list.ok_or_else(|| format!("the answer has no list `{}`", kind.member()))?;
    // An entry without a name is left out rather than taking the others with it.
    let read = list.into_iter().filter_map(|raw| Item::read(kind, copied(raw)));
    listed
        .items
        .extend(read.filter(|item| kind != Kind::Tools || has_valid_headers(session, item)));
    if session.facts.version.era() == Era::Modern {
        let page = Hint::read(&members);
        listed.hint = Some(listed.hint.map_or(page, |whole| whole.and(page)));
    }
    Ok(members.read("nextCursor"))
}

/// A client over HTTP must leave out a tool that wants its arguments in headers in a way that is not
/// allowed (2026-07-28, "Streamable HTTP", custom headers).
fn has_valid_headers(session: &Session, tool: &Item) -> bool {
    if !session.over_http || session.facts.version.era() == Era::Legacy {
        return true;
    }
    ParamHeaders::read(&tool.json)
        .inspect_err(|error| {
            let (upstream, tool) = (&*session.name, &*tool.key);
            tracing::warn!(upstream, tool, %error, "a tool is left out: its headers are not valid");
        })
        .is_ok()
}

/// An item on its own: a slice would keep the whole answer in memory.
fn copied(raw: Raw<'_>) -> Json {
    Json::written(raw.get().as_bytes().to_vec())
}

fn method(kind: Kind) -> Method {
    match kind {
        Kind::Tools => Method::ToolsList,
        Kind::Prompts => Method::PromptsList,
        Kind::Resources => Method::ResourcesList,
        Kind::Templates => Method::TemplatesList,
    }
}
