//! Where the id of a task stands, besides in the task itself.

use crate::json::{Json, Malformed, Members, Needle, Object};
use crate::meta::RELATED_TASK;
use crate::shape::{Shape, replace};

static TASK: Shape = Shape { texts: &["taskId"], inside: &[("_meta", &META)] };
static META: Shape = Shape::inside(&[(RELATED_TASK, &RELATED)]);
static RELATED: Shape = Shape::texts(&["taskId"]);
static RESULT: Shape = Shape::inside(&[("_meta", &META)]);
/// What a client of the extension listens to.
static FILTER: Shape = Shape::texts(&["taskIds"]);
/// The parameters and results of everything that has to do with tasks: their members do not
/// collide.
static MESSAGE: Shape = Shape {
    texts: &["taskId"],
    inside: &[
        ("task", &TASK),
        ("tasks", &TASK),
        ("result", &RESULT),
        ("notifications", &FILTER),
        ("_meta", &META),
    ],
};

/// Parameters or a result with each id of a task replaced by what `map` makes of it: in tasks of
/// both generations, in `_meta`, and in what `subscriptions/listen` asks for and acknowledges.
/// `None` leaves one as it is; every other byte stays.
pub fn rewrite_task_ids(json: Json, mut map: impl FnMut(&str) -> Option<String>) -> Json {
    static TASK_ID: Needle = Needle::new("\"taskId");
    if !TASK_ID.is_in(&json) {
        return json;
    }
    replace(json, &MESSAGE, &mut map)
}

/// The task that a message of 2025-11-25 says it belongs to: one of its parameters or a result.
pub fn related_task(json: &Json) -> Option<String> {
    static META: Needle = Needle::new("\"_meta\"");
    if !META.is_in(json) {
        return None;
    }
    let members = json.members().ok()?;
    let meta = Members::parse(members.get("_meta")?).ok()?;
    Members::parse(meta.get(RELATED_TASK)?).ok()?.read("taskId")
}

/// Parameters or a result that say they belong to the task `id`, as everything must that has to do
/// with a task of 2025-11-25.
///
/// # Errors
///
/// [`Malformed`] when they are no object, or their `_meta` is none.
pub fn with_related_task(json: Option<&Json>, id: &str) -> Result<Json, Malformed> {
    let members = json.map(Json::members).transpose()?.unwrap_or_default();
    let meta = members.get("_meta").map(Members::parse).transpose()?.unwrap_or_default();
    let mut out = Vec::new();
    let mut object = Object::open(&mut out);
    for (name, value) in members.iter().filter(|(name, _)| *name != "_meta") {
        object.raw(name, value.get().as_bytes());
    }
    let mut inner = Object::open(object.member("_meta"));
    for (name, value) in meta.iter().filter(|(name, _)| *name != RELATED_TASK) {
        inner.raw(name, value.get().as_bytes());
    }
    let mut related = Object::open(inner.member(RELATED_TASK));
    related.text("taskId", id);
    related.close();
    inner.close();
    object.close();
    Ok(Json::written(out))
}
