//! A wish as Cedar asks it.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression,
};
use switchboard_core::{Action, Area, Kind, Principal, Wish};

use crate::value;

/// A wish of somebody, with all that policies can ask about it.
pub(crate) struct Asked {
    pub request: Request,
    pub entities: Entities,
    /// Whether this is a call, so that what it is called with is known.
    pub has_arguments: bool,
    /// Whether it is the operator's to give away, and no tenant's.
    pub is_operators: bool,
}

type Attributes = HashMap<String, RestrictedExpression>;

impl Asked {
    /// # Errors
    ///
    /// What Cedar says where it has no room for the arguments.
    pub(crate) fn new(principal: &Principal, wish: &Wish<'_>) -> Result<Self, String> {
        let tenant = uid("Tenant", wish.tenant.as_str());
        let (action, group) = names(&wish.action);
        let action = uid("Action", &action);
        let mut entities = vec![principal_entity(principal)];
        let groups = group.map(|group| uid("Action", group)).into_iter().collect();
        entities.push(Entity::new_no_attrs(action.clone(), groups));
        let mut context = vec![("method".to_owned(), text(principal.standing.method.as_str()))];
        let mut has_arguments = false;
        let resource = match &wish.action {
            Action::Use { kind, server, name, arguments, .. } => {
                if let Some(arguments) = arguments {
                    has_arguments = true;
                    context.push(("arguments".to_owned(), value::record(arguments)));
                }
                let entity = thing(&tenant, *kind, server, name);
                let uid = entity.uid();
                entities.push(entity);
                uid
            }
            Action::Inspect(_) | Action::Manage(_) | Action::Spawn => tenant,
        };
        let context = Context::from_pairs(context).map_err(|error| error.to_string())?;
        let request = Request::new(principal_uid(principal), action, resource, context, None);
        Ok(Self {
            request: request.expect("only a schema refuses one"),
            entities: Entities::from_entities(entities, None).map_err(|it| it.to_string())?,
            has_arguments,
            is_operators: matches!(wish.action, Action::Spawn | Action::Manage(Area::Tenants)),
        })
    }
}

/// The name of the action, and of the group it is in.
fn names(action: &Action<'_>) -> (String, Option<&'static str>) {
    match action {
        Action::Use { effect, .. } => (effect.as_str().to_owned(), Some("use")),
        Action::Inspect(area) => (format!("inspect:{}", area.as_str()), Some("inspect")),
        Action::Manage(area) => (format!("manage:{}", area.as_str()), Some("manage")),
        Action::Spawn => ("spawn".to_owned(), None),
    }
}

fn principal_uid(principal: &Principal) -> EntityUid {
    uid("Principal", &format!("{}/{}", principal.tenant, principal.subject))
}

fn principal_entity(principal: &Principal) -> Entity {
    let standing = &principal.standing;
    let scopes = standing.scopes.iter().flatten().map(|scope| text(scope));
    let tenant = RestrictedExpression::new_entity_uid(uid("Tenant", principal.tenant.as_str()));
    let mut attributes = Attributes::from([
        ("tenant".to_owned(), tenant),
        ("subject".to_owned(), text(&principal.subject)),
        ("method".to_owned(), text(standing.method.as_str())),
        ("scopes".to_owned(), RestrictedExpression::new_set(scopes)),
    ]);
    attributes.extend(standing.name.as_ref().map(|name| ("name".to_owned(), text(name))));
    let roles = standing.roles.iter().map(|role| uid("Role", role)).collect();
    entity(principal_uid(principal), attributes, roles)
}

fn thing(tenant: &EntityUid, kind: Kind, server: &str, name: &str) -> Entity {
    let (type_name, named) = match kind {
        Kind::Tools => ("Tool", "name"),
        Kind::Prompts => ("Prompt", "name"),
        Kind::Resources | Kind::Templates => ("Resource", "uri"),
    };
    let attributes =
        Attributes::from([("server".to_owned(), text(server)), (named.to_owned(), text(name))]);
    // All that it is in, so that nothing else has to be there to find it out.
    let parents = HashSet::from([uid("Server", server), tenant.clone()]);
    entity(uid(type_name, &format!("{server}/{name}")), attributes, parents)
}

fn entity(uid: EntityUid, attributes: Attributes, parents: HashSet<EntityUid>) -> Entity {
    Entity::new(uid, attributes, parents).expect("attributes are plain values")
}

fn text(value: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(value.to_owned())
}

fn uid(type_name: &'static str, id: &str) -> EntityUid {
    static TYPES: LazyLock<HashMap<&str, EntityTypeName>> = LazyLock::new(|| {
        let names =
            ["Action", "Principal", "Prompt", "Resource", "Role", "Server", "Tenant", "Tool"];
        names.map(|name| (name, name.parse().expect("a name"))).into()
    });
    EntityUid::from_type_name_and_id(TYPES[type_name].clone(), EntityId::new(id))
}
