//! The keys of bundles.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::json;

use crate::bundles::{DEMO, OLDER, listed, text, write, write_component};
use crate::common::{Home, Moto, Running, wait};

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

pub(super) fn configuration() {
    let home = Home::new("bundles.configuration = \"older/demo.json\"\n");
    std::fs::create_dir_all(home.path("older/demo")).unwrap();
    std::fs::create_dir_all(home.path("older/demo/demo")).unwrap();
    std::fs::write(home.path("older/demo/demo/__init__.py"), DEMO).unwrap();
    std::fs::write(home.path("older/demo/mcp_configuration.json"), OLDER).unwrap();
    std::fs::write(home.path("older/demo.json"), OLDER).unwrap();
    home.start();
    let hello = || home.call("hello", &json!({ "name": "Ann" }))["content"][0]["text"].clone();
    assert_eq!(hello(), "Hello Ann!");
    // The variable of the engine before us says it where the configuration does not; and its bucket
    // has what is not beside the file.
    home.run(&["stop"]);
    let moto = Moto::start();
    moto.put("functs", b"");
    home.run(&["bundle", "pack", "older/demo", "--output", "demo.zip"]);
    moto.put("functs/demo.zip", &std::fs::read(home.path("demo.zip")).unwrap());
    std::fs::remove_dir_all(home.path("older/demo")).unwrap();
    home.configure("");
    home.configure(&moto.blobs("functs"));
    let mut start = home.switchboard(&["start"]);
    start.env("MCP_CONFIG_FILE", home.path("older/demo.json"));
    assert!(start.status().unwrap().success());
    assert_eq!(hello(), "Hello Ann!");
}

pub(super) fn remote() {
    let (moto, home) = (Moto::start(), Home::new(""));
    let put = |code: &str| {
        write(&home, "b", code, "");
        home.run(&["bundle", "pack", "b", "--output", "b.zip"]);
        moto.put("pail/b.zip", &std::fs::read(home.path("b.zip")).unwrap());
    };
    moto.put("pail", b"");
    put("def t(): return 'one'\n");
    let config = |every: &str| {
        format!(
            "[bundle.b]\nsource = \"s3://pail/b.zip\"\n[bundles]\nrefresh = \"100ms\"\n\
             refresh_remote = \"{every}\"\n{}",
            moto.blobs("other")
        )
    };
    home.configure(&config("24h"));
    home.start();
    assert_eq!(text(&home, "b__t"), "one");
    put("def t(): return 'another'\n");
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert_eq!(text(&home, "b__t"), "one", "nobody looks for a day");
    home.configure(&config("1s"));
    home.run(&["reload"]);
    assert_eq!(text(&home, "b__t"), "another", "but on request");
    put("def t(): return 'a third'\n");
    wait("the third", || text(&home, "b__t") == "a third");
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

/// An index of packages with one wheel in it, made by Python itself; its address, and what requires it.
fn index_of_packages(home: &Home) -> (Running, String, String) {
    const MAKE: &str = "
import base64, hashlib, http.server, pathlib, sys, zipfile
root = pathlib.Path(sys.argv[1]); simple = root / 'simple' / 'sixty'; simple.mkdir(parents=True)
files = {'sixty.py': 'SIXTY = 60\\n', 'sixty-1.0.dist-info/METADATA': 'Metadata-Version: 2.1\\nName: sixty\\nVersion: 1.0\\n',
    'sixty-1.0.dist-info/WHEEL': 'Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n'}
record = ''
wheel = simple / 'sixty-1.0-py3-none-any.whl'
with zipfile.ZipFile(wheel, 'w') as out:
    for name, text in files.items():
        out.writestr(name, text)
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()
        record += f'{name},sha256={digest},{len(text)}\\n'
    out.writestr('sixty-1.0.dist-info/RECORD', record + 'sixty-1.0.dist-info/RECORD,,\\n')
digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
(simple / 'index.html').write_text(f'<a href=\"{wheel.name}#sha256={digest}\">{wheel.name}</a>')
class Quiet(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *args): super().__init__(*args, directory=str(root))
    def log_message(self, *args): pass
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Quiet)
print(server.server_port, digest, flush=True)
server.serve_forever()
";
    let mut command = home.command("python3");
    let root = home.path("index");
    let mut child = command.args(["-c", MAKE]).arg(root).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let (port, digest) = line.trim().split_once(' ').unwrap();
    let requirement = format!("sixty==1.0 --hash=sha256:{digest}\n");
    (Running(child), format!("http://127.0.0.1:{port}/simple"), requirement)
}

pub(super) fn index() {
    let home = Home::new("");
    let (_server, address, requirement) = index_of_packages(&home);
    write(&home, "b", "import sixty\ndef t(): return str(sixty.SIXTY)\n", "");
    let manifest = home.path("b/switchboard.toml");
    let text_of = std::fs::read_to_string(&manifest).unwrap();
    let with = text_of.replace("[python]", "[python]\nrequirements = \"requirements.txt\"");
    std::fs::write(&manifest, with).unwrap();
    std::fs::write(home.path("b/requirements.txt"), &requirement).unwrap();
    home.configure(&format!("[bundle.b]\nsource = \"b\"\n[bundles]\nindex = \"{address}\"\n"));
    home.start();
    wait("the packages", || listed(&home, "b")["tools"] == 1);
    assert_eq!(text(&home, "b__t"), "60");
    // Another content under the same name is not installed.
    let forged = requirement.replace("sha256:", "sha256:0000").trim().to_owned();
    std::fs::write(home.path("b/requirements.txt"), &forged[..forged.len() - 4]).unwrap();
    wait("the refusal", || problem(&home).contains("DO NOT MATCH THE HASHES"));
    std::fs::write(home.path("b/requirements.txt"), "sixty==1.0\n").unwrap();
    wait("the other", || problem(&home).contains("each line is `NAME==VERSION"));
    assert_eq!(text(&home, "b__t"), "60");
}

pub(super) fn signing_keys() {
    let pair = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
    let home = Home::new("");
    write(&home, "b", "def t(): return 'signed'\n", "");
    home.run(&["bundle", "pack", "b", "--output", "b.zip"]);
    let keys = format!("[bundles]\nsigning_keys = [\"{}\"]\n", pair.pk.to_base64());
    home.configure(&format!("[bundle.b]\nsource = \"b.zip\"\n{keys}"));
    home.start();
    assert!(problem(&home).contains("it is not signed"), "{}", problem(&home));
    let content = std::fs::read(home.path("b.zip")).unwrap();
    let signed = minisign::sign(None, &pair.sk, &content[..], None, None).unwrap();
    std::fs::write(home.path("b.zip.minisig"), signed.to_string()).unwrap();
    wait("the signed one", || listed(&home, "b")["tools"] == 1);
    assert_eq!(text(&home, "b__t"), "signed");
    write(&home, "b", "def t(): return 'forged'\n", "");
    home.run(&["bundle", "pack", "b", "--output", "b.zip"]);
    wait("the refusal", || problem(&home).contains("or of another archive"));
    assert_eq!(text(&home, "b__t"), "signed");
    home.configure(&format!("[bundle.b]\nsource = \"b\"\n{keys}"));
    home.run(&["reload"]);
    assert!(problem(&home).contains("a directory cannot be signed"));
}

pub(super) fn component() {
    let home = Home::new("[bundle.b]\nsource = \"b\"\n");
    write_component(&home, "b", "[wants]\nclock = true\nkey_value = true\nrandom = true\n");
    home.start();
    assert!(problem(&home).contains("it wants `clock`: grant it with `grants.clock = true`"));
    assert!(problem(&home).contains("it wants `random`: grant it with `grants.random = true`"));
    assert!(problem(&home).contains("it wants `key_value`: grant it with `grants.key_value"));
    let grants = "clock = true, key_value = true, random = true";
    home.configure(&format!("[bundle.b]\nsource = \"b\"\ngrants = {{ {grants} }}\n"));
    home.run(&["reload"]);
    wait("the component", || listed(&home, "b")["tools"] == 3);
}

pub(super) fn python() {
    let home = serve(CODE, "", "[bundle.b]\nsource = \"b\"\n[bundles]\npython = \"no-python\"\n");
    assert!(problem(&home).contains("no-python"), "{}", problem(&home));
    home.configure("[bundle.b]\nsource = \"b\"\n");
    home.run(&["reload"]);
    assert_eq!(home.call("b__t", &json!({}))["isError"], serde_json::Value::Null);
}
