//! Amazon Cognito, played by moto's server.
//!
//! It is installed by `pip install 'moto[server]'` into a virtual environment `moto` of the directory
//! that `SWITCHBOARD_PEERS` names, or `target/peers`.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};
use switchboard_egress::{EgressSettings, Guard, Limits, Trust};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use crate::house::{House, START};

/// A running moto; it ends with the test.
struct Moto {
    address: String,
    _child: Child,
    _rest: JoinSet<()>,
}

impl Moto {
    async fn start() -> Self {
        let peers = std::env::var_os("SWITCHBOARD_PEERS").map_or_else(
            || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/peers"),
            PathBuf::from,
        );
        let program = peers.join("moto/bin/moto_server");
        assert!(
            program.exists(),
            "`{}` is missing: run `cargo xtask setup`, or `python3 -m venv {1}/moto && \
             {1}/moto/bin/pip install 'moto[server]'`",
            program.display(),
            peers.display(),
        );
        // It chooses the port and says which; what else it says is read so that it never waits.
        let mut child = Command::new(&program)
            .args(["-H", "127.0.0.1", "-p", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let ready = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if let Some((_, address)) = line.split_once("Running on ") {
                    return address.trim().to_owned();
                }
            }
            panic!("moto ended before it listened");
        };
        let address = tokio::time::timeout(Duration::from_secs(60), ready).await;
        let address = address.expect("moto listens");
        let mut rest = JoinSet::new();
        rest.spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { address, _child: child, _rest: rest }
    }

    /// An operation of the service.
    async fn call(&self, operation: &str, body: Value) -> Value {
        let request = Request::post(format!("{}/", self.address))
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("AWSCognitoIdentityProviderService.{operation}"))
            .header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=test/20260101/eu-central-1/cognito-idp/aws4_request, \
                 SignedHeaders=host, Signature=0",
            )
            .body(Bytes::from(body.to_string()))
            .unwrap();
        let guard = Guard::new(&EgressSettings::default()).unwrap();
        let answer = guard.fetch(Trust::Configured, request, &Limits::default()).await.unwrap();
        assert!(answer.status().is_success(), "{operation}: {answer:?}");
        serde_json::from_slice(answer.body()).unwrap()
    }

    async fn user(&self, pool: &str, name: &str, permanent: bool) {
        let user = json!({
            "UserPoolId": pool, "Username": name, "TemporaryPassword": "Temporary-1!",
        });
        self.call("AdminCreateUser", user).await;
        if permanent {
            let password = json!({
                "UserPoolId": pool, "Username": name, "Password": "Right-password-1!",
                "Permanent": true,
            });
            self.call("AdminSetUserPassword", password).await;
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// moto's clock is that of the machine, so the house's is set to it.
#[expect(clippy::disallowed_methods, reason = "what moto signs has the time of the machine")]
fn set(house: &House) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    match now.checked_sub(START) {
        Some(seconds) => house.pass(seconds),
        // Before the day at which the houses of these tests stand.
        None => house.pass(0_u64.wrapping_sub(START - now)),
    }
}

#[tokio::test]
async fn people_of_a_pool_log_in_and_are_let_in() {
    let moto = Moto::start().await;
    let pool = moto.call("CreateUserPool", json!({ "PoolName": "people" })).await;
    let pool = text(&pool["UserPool"]["Id"]);
    let client = async |name: &str| {
        let client = json!({ "UserPoolId": pool, "ClientName": name, "GenerateSecret": true });
        let client = moto.call("CreateUserPoolClient", client).await["UserPoolClient"].clone();
        (text(&client["ClientId"]), text(&client["ClientSecret"]))
    };
    let ((client_id, secret), (other_id, other_secret)) =
        (client("ours").await, client("other").await);
    let group = json!({ "UserPoolId": pool, "GroupName": "admin" });
    moto.call("CreateGroup", group).await;
    moto.user(&pool, "ann", true).await;
    moto.user(&pool, "new", false).await;
    let member = json!({ "UserPoolId": pool, "Username": "ann", "GroupName": "admin" });
    moto.call("AdminAddUserToGroup", member).await;
    let sign_up = json!({
        "ClientId": other_id, "Username": "unconfirmed", "Password": "Right-password-1!",
        "SecretHash": "x",
    });
    moto.call("SignUp", sign_up).await;

    let region = pool.split('_').next().unwrap().to_owned();
    let house = |client_id: &str, secret: &str, uses: Value| {
        let house = House::new(json!({
            "passwords": "cognito",
            "cognito": {
                "region": region, "user_pool_id": pool, "client_id": client_id,
                "client_secret": secret, "endpoint": moto.address, "tenant": "acme",
                "token_use": uses,
            },
        }));
        set(&house);
        house
    };
    let ours = house(&client_id, &secret, json!(["access"]));
    let log_in = async |house: &House, name: &str, password: &str| {
        let form = format!("username={name}&password={password}");
        house.log_in("default", &form).await
    };
    let answer = log_in(&ours, "ann", "Right-password-1%21").await;
    assert_eq!((answer.status, &answer.body["token_type"]), (200, &json!("bearer")), "{answer:?}");
    let token = text(&answer.body["access_token"]);
    let header = format!("authorization: Bearer {token}");
    let principal = ours.present("acme", &[&header]).await.unwrap().principal;
    assert_eq!(principal.standing.roles, ["admin".into()]);
    assert_eq!(principal.standing.name.as_deref(), Some("ann"));
    assert!(principal.subject.starts_with(&format!("oidc:https://cognito-idp.{region}.")));

    // Another tenant, another client of the same pool, and the wrong kind of token.
    assert_eq!(ours.bearer("beta", &token).await, "Invalid");
    let other = house(&other_id, &other_secret, json!(["access", "id"]));
    assert_eq!(other.bearer("acme", &token).await, "Invalid");
    let ids_only = house(&client_id, &secret, json!(["id"]));
    assert_eq!(ids_only.bearer("acme", &token).await, "Invalid");
    // After its time.
    ours.pass(2 * 3600);
    assert_eq!(ours.bearer("acme", &token).await, "Expired");

    let check = async |name: &str, password: &str, status: u16, detail: &str| {
        let answer = log_in(&other, name, password).await;
        let said = text(&answer.body["detail"]);
        assert!(answer.status == status && said.contains(detail), "{name}: {answer:?}");
    };
    check("ann", "wrong", 401, "Incorrect username or password").await;
    check("nobody", "wrong", 401, "Incorrect username or password").await;
    check("new", "Temporary-1%21", 401, "NEW_PASSWORD_REQUIRED").await;
    check("unconfirmed", "Right-password-1%21", 403, "not confirmed").await;
    let gone = house("no-such-client", "secret", json!(["access"]));
    let answer = log_in(&gone, "ann", "Right-password-1%21").await;
    assert_eq!(answer.status, 502, "{answer:?}");
}

#[tokio::test]
async fn where_cognito_does_not_answer_nobody_is_told_to_be_wrong() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let house = House::new(json!({
        "passwords": "cognito",
        "cognito": {
            "region": "eu-central-1", "user_pool_id": "eu-central-1_x", "client_id": "c",
            "endpoint": format!("http://127.0.0.1:{port}"),
        },
    }));
    assert_eq!(house.log_in("default", "username=ann&password=x").await.status, 502);
}
