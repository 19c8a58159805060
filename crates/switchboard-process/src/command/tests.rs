use super::Command;

#[test]
fn debug_text_holds_no_secret() {
    let mut command = Command::new("github", "server");
    command.args = vec!["--token=canary-1".into()];
    command.env.insert("API_KEY".into(), "canary-2".into());
    let shown = format!("{command:?}");
    assert!(!shown.contains("canary"), "{shown}");
    assert!(shown.contains("API_KEY") && shown.contains("github"), "{shown}");
}
