//! The schema, with the types of the arguments that a policy speaks of.

use std::sync::LazyLock;

use cedar_policy::{Schema, Validator};

use crate::arguments::Shape;

const TEXT: &str = include_str!("../policies/switchboard.cedarschema");

/// Checks what speaks of no arguments, which is nearly everything.
static PLAIN: LazyLock<Validator> =
    LazyLock::new(|| with_arguments("{}").expect("a test loads it"));

/// Uses a validator that knows the arguments of `shape`.
///
/// # Errors
///
/// What Cedar says where an argument has a name that its schemas cannot have.
pub(crate) fn validator<T>(
    shape: Option<&Shape>,
    check: impl FnOnce(&Validator) -> T,
) -> Result<T, String> {
    match shape {
        None => Ok(check(&PLAIN)),
        Some(shape) => Ok(check(&with_arguments(&shape.to_string())?)),
    }
}

fn with_arguments(arguments: &str) -> Result<Validator, String> {
    let text = format!("{TEXT}\ntype Arguments = {arguments};\n");
    let (schema, _) = Schema::from_cedarschema_str(&text).map_err(|error| error.to_string())?;
    Ok(Validator::new(schema))
}
