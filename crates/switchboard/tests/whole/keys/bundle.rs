//! The keys of bundles.

use serde_json::json;

use crate::bundles::{listed, text, write};
use crate::common::{Home, wait};

/// A daemon with the bundle `b`, of this code and manifest, under this configuration.
fn serve(code: &str, manifest: &str, config: &str) -> Home {
    let home = Home::new(config);
    write(&home, "b", code, manifest);
    home.start();
    home
}

fn problem(home: &Home) -> String {
    listed(home, "b")["problem"].as_str().unwrap_or_default().to_owned()
}

const CODE: &str = "import os, switchboard\ndef t(): return str(switchboard.settings.get('x')) + ' ' \
                    + os.environ.get('MARK', 'none') + ' ' + os.environ.get('FLAG', 'none')\n";

pub(super) fn settings() {
    let manifest = "[settings.x]\ntype = \"integer\"\ndefault = 7\n";
    let home = serve(CODE, manifest, "[bundle.b]\nsource = \"b\"\n");
    assert_eq!(text(&home, "b__t"), "7 none none");
    home.configure("[bundle.b]\nsource = \"b\"\nsettings = { x = \"8\" }\n");
    home.run(&["reload"]);
    assert_eq!(text(&home, "b__t"), "8 none none");
    home.configure("[bundle.b]\nsource = \"b\"\nsettings = { x = \"much\" }\n");
    home.run(&["reload"]);
    assert!(problem(&home).contains("the setting `x` is no whole number"));
    assert_eq!(text(&home, "b__t"), "8 none none");
}

pub(super) fn grants() {
    let manifest = "[wants]\nenvironment = [\"MARK\"]\nfiles = [\"/usr/share\"]\n\
                    hosts = [\"api.example.com\"]\n";
    let home = Home::new("[bundle.b]\nsource = \"b\"\n");
    write(&home, "b", CODE, manifest);
    let start = home.switchboard(&["start"]).env("MARK", "made").env("FLAG", "x").output().unwrap();
    assert!(start.status.success());
    assert!(problem(&home).contains("it wants the variable `MARK`: grant it"));
    assert!(problem(&home).contains("it wants to read `/usr/share`: grant it"));
    assert!(problem(&home).contains("it wants to connect to `api.example.com`: grant it"));
    home.configure(
        "[bundle.b]\nsource = \"b\"\ngrants = { environment = [\"MARK\"], files = [\"/usr\"], \
         hosts = [\"*.example.com\"] }\n",
    );
    home.run(&["reload"]);
    assert_eq!(text(&home, "b__t"), "None made none");
}

pub(super) fn prefix() {
    let home = serve(CODE, "", "[bundle.b]\nsource = \"b\"\nprefix = \"\"\n");
    assert_eq!(text(&home, "t"), "None none none");
}

pub(super) fn switches() {
    let home = serve(CODE, "", "[bundle.b]\nsource = \"b\"\ndisabled = true\n");
    assert_eq!(listed(&home, "b"), serde_json::Value::Null);
    let config = "[bundle.b]\nsource = \"nowhere\"\noptional = true\n";
    home.configure(config);
    home.run(&["reload"]);
    wait("it to be down", || problem(&home).contains("nowhere"));
    assert!(home.switchboard(&["health"]).status().unwrap().success());
    home.configure(&config.replace("optional = true", ""));
    home.run(&["reload"]);
    wait("it to be missed", || !home.switchboard(&["health"]).status().unwrap().success());
}

pub(super) fn fetching() {
    let config = "[bundle.b]\nsource = \"b\"\n[bundles]\nrefresh = \"1h\"\n";
    let home = serve("def t(): return 'one'\n", "", config);
    assert_eq!(text(&home, "b__t"), "one");
    write(&home, "b", "def t(): return 'another'\n", "");
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(text(&home, "b__t"), "one", "nobody looks for an hour");
    home.run(&["reload"]);
    assert_eq!(text(&home, "b__t"), "another", "but on request");
    home.configure(&config.replace("refresh = \"1h\"", "unpacked = \"1 KiB\""));
    std::fs::write(home.path("b/large"), [0; 2_000]).unwrap();
    home.run(&["reload"]);
    assert!(problem(&home).contains("1024 is the limit"), "{}", problem(&home));
}

pub(super) fn packed() {
    let home = Home::new("");
    write(&home, "b", "def t(): return 'one'\n", "");
    let noise: Vec<u8> =
        (0..40_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    std::fs::write(home.path("b/noise"), noise).unwrap();
    home.run(&["bundle", "pack", "b", "--output", "b.zip"]);
    home.configure("[bundle.b]\nsource = \"b.zip\"\n[bundles]\npacked = \"1 KiB\"\n");
    home.start();
    assert!(problem(&home).contains("1024 is the limit"), "{}", problem(&home));
}

pub(super) fn sandbox() {
    let code = "def t():\n    try: return open('/etc/passwd').read()[:5]\n    \
                except OSError as error: return type(error).__name__\n";
    let config = "[bundle.b]\nsource = \"b\"\n";
    let home = serve(code, "", config);
    assert_eq!(text(&home, "b__t"), "PermissionError");
    home.configure(&format!("{config}[bundles]\nsandbox = \"off\"\n"));
    home.run(&["reload"]);
    assert_eq!(text(&home, "b__t"), "root:");
}

pub(super) fn python() {
    let home = serve(CODE, "", "[bundle.b]\nsource = \"b\"\n[bundles]\npython = \"no-python\"\n");
    assert!(problem(&home).contains("no-python"), "{}", problem(&home));
    home.configure("[bundle.b]\nsource = \"b\"\n");
    home.run(&["reload"]);
    assert_eq!(home.call("b__t", &json!({}))["isError"], serde_json::Value::Null);
}
