use switchboard_config::Loader;

use super::LimitConfig;

fn load(text: &str) -> Result<LimitConfig, String> {
    let loaded = Loader::new().file("switchboard.toml".into(), text.to_owned()).load();
    loaded.map(|loaded| loaded.value).map_err(|mistakes| format!("{mistakes:?}"))
}

#[test]
fn rules_are_written_by_people() {
    let config = load(
        "flush = \"500ms\"\n\
         [rule.guests]\n\
         per = \"tool\"\n\
         role = \"guest*\"\n\
         rate = \"100/min\"\n\
         burst = 20\n\
         concurrency = 4\n\
         wait = \"5s\"\n\
         calls_per_month = 10000\n",
    )
    .unwrap();
    let rule = &config.rule["guests"];
    assert_eq!(rule.rate.unwrap().to_string(), "100/min");
    assert_eq!(rule.role.as_ref().unwrap().to_string(), "guest*");
    assert_eq!((rule.burst.unwrap().get(), rule.concurrency.unwrap().get()), (20, 4));
    assert_eq!(rule.calls_per_month.unwrap().get(), 10_000);
    assert_eq!(load("").unwrap(), LimitConfig::default());
}

#[test]
fn a_slip_is_shown_with_what_was_meant() {
    #[track_caller]
    fn check(rule: &str, expected: &str) {
        let said = load(&format!("[rule.a]\n{rule}\n")).unwrap_err();
        assert!(said.contains(expected), "{said}");
    }
    check("rate = \"100/month\"", "`month` is no unit of a rate; use `s`, `min`, `h` or `day`");
    check("rate = \"100\"", "`100` is not a rate such as `100/min`");
    check("rate = 100", "rule.a.rate");
    check("server = \"*hub\"", "has a `*` that is not at its end");
    check("rates = \"1/s\"", "did you mean `rate`?");
    check("burst = 0", "line: 2");
    check("per = \"user\"", "line: 2");
}

#[test]
fn every_key_is_in_the_reference() {
    let table = switchboard_config::reference::<LimitConfig>();
    for key in ["flush", "rule.NAME.per", "rule.NAME.rate", "rule.NAME.tokens_per_month"] {
        assert!(table.contains(&format!("| `{key}` |")), "no {key} in {table}");
    }
}
