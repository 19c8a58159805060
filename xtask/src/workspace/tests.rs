use super::*;
use crate::process;

#[test]
fn programs_are_built_as_the_tests_build_them() {
    let build = Workspace::here().build(&["switchboard", "conformance-server"]);
    assert_eq!(
        process::shown(&build),
        "cargo build --workspace --features switchboard/full --bin switchboard \
         --bin conformance-server --examples"
    );
}
