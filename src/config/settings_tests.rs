use clap::Parser as _;

use super::super::options::Cli;
use super::*;
use crate::chat::HostAlgorithm;

fn validate(arguments: &[&str]) -> Result<Settings, Problems> {
    let arguments = ["parlance"].iter().chain(arguments);
    Cli::try_parse_from(arguments)
        .expect("known options")
        .serve
        .validate()
}

#[test]
fn every_problem_is_reported_at_once_and_no_secret_is_repeated() {
    let problems = validate(&[
        "--listen=nowhere",
        "--cors-origins=https://a.example,ftp",
        "--data-dir=Cargo.toml",
        "--database-url=mysql://u:hunter2@h/db",
        "--durability=some",
        "--jwt-secret=hunter2",
        "--registration=maybe",
        "--host-jwt-secret=hunter2",
        "--rate-limits=none",
        "--max-connections-per-address=0",
        "--edit-window=a day",
        "--max-payload=1",
        "--packets-per-second=0",
        "--ping-timeout=0",
        "--outbox-total=65536",
        "--trusted-proxies=10.0.0.0/33",
        "--metrics=on",
        "--metrics-token=hunter2",
        "--metrics-listen=here",
        "--admin-ui=production",
        "--admin-ui-user=",
        "--admin-ui-password-hash=hunter2",
        "--admin-ui-access=all",
        "--admin-ui-show=all",
        "--log=a=b=c",
        "--tls-key=Cargo.toml",
        "--log-format=xml",
        "--drain-delay=-1",
        "--drain-time=601",
    ])
    .expect_err("all of it is wrong");
    let text = problems.to_string();
    let settings: Vec<_> = problems.iter().map(|problem| &*problem.setting).collect();
    assert_eq!(
        settings,
        [
            LISTEN,
            CORS,
            "--tls-cert (PARLANCE_TLS_CERT)",
            DATA_DIR,
            DATABASE,
            DURABILITY,
            JWT_SECRET,
            REGISTRATION,
            "--host-jwt-secret (PARLANCE_HOST_JWT_SECRET)",
            "--host-jwt-issuer (PARLANCE_HOST_JWT_ISSUER)",
            "--host-jwt-audience (PARLANCE_HOST_JWT_AUDIENCE)",
            "--rate-limits (PARLANCE_RATE_LIMITS)",
            "--max-connections-per-address (PARLANCE_MAX_CONNECTIONS_PER_ADDRESS)",
            "--edit-window (PARLANCE_EDIT_WINDOW)",
            "--trusted-proxies (PARLANCE_TRUSTED_PROXIES)",
            "--max-payload (PARLANCE_MAX_PAYLOAD)",
            "--packets-per-second (PARLANCE_PACKETS_PER_SECOND)",
            "--ping-timeout (PARLANCE_PING_TIMEOUT)",
            "--outbox-total (PARLANCE_OUTBOX_TOTAL)",
            "--metrics (PARLANCE_METRICS)",
            "--metrics-token (PARLANCE_METRICS_TOKEN)",
            "--metrics-listen (PARLANCE_METRICS_LISTEN)",
            "--admin-ui-access (PARLANCE_ADMIN_UI_ACCESS)",
            "--admin-ui-show (PARLANCE_ADMIN_UI_SHOW)",
            "--admin-ui-user (PARLANCE_ADMIN_UI_USER)",
            "--admin-ui-password-hash (PARLANCE_ADMIN_UI_PASSWORD_HASH)",
            LOG,
            "--log-format (PARLANCE_LOG_FORMAT)",
            "--drain-delay (PARLANCE_DRAIN_DELAY)",
            "--drain-time (PARLANCE_DRAIN_TIME)",
        ]
    );
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn secrets_are_masked_in_what_is_printed() {
    let secret = "--jwt-secret=0123456789abcdef0123456789abcdef";
    let text = validate(&[secret]).expect("good").to_string();
    assert!(
        text.contains("jwt-secret                   ********\n"),
        "{text}"
    );
    assert!(!text.contains("0123"), "{text}");
}

#[test]
fn a_port_from_the_environment_changes_the_port_alone() {
    let settings = validate(&["--port-from-environment=81"]).expect("good");
    assert_eq!(settings.listen.to_string(), "localhost:81");
    let settings = validate(&["--port-from-environment=81", "--listen=[::1]:82"]);
    assert_eq!(settings.expect("good").listen.to_string(), "[::1]:82");
}

#[test]
fn origins_are_what_a_browser_sends() {
    let settings = validate(&["--cors-origins=https://A.example, http://localhost:5173"]);
    let listed = ["https://a.example", "http://localhost:5173"].map(str::to_owned);
    assert_eq!(
        settings.expect("good").origins,
        Origins::Listed(listed.into())
    );
    for wrong in [
        "https://a.example/",
        "a.example",
        "https://",
        "*,https://a.example",
        "",
    ] {
        validate(&[&format!("--cors-origins={wrong}")]).expect_err(wrong);
    }
}

#[test]
fn a_public_key_goes_with_no_shared_algorithm() {
    let shared = ["--host-jwt-issuer=i", "--host-jwt-audience=a"];
    let with = |more: &[&str]| validate(&[&shared[..], more].concat());
    with(&["--host-jwt-pem=Cargo.toml", "--host-jwt-alg=HS256"]).expect_err("PEM as a secret");
    with(&["--host-jwt-pem=Cargo.toml"]).expect_err("no algorithm");
    with(&["--host-jwt-pem=Cargo.toml", "--host-jwt-alg=ES256"]).expect("PEM");
    with(&[]).expect_err("no key");
    let secret = "--host-jwt-secret=0123456789abcdef0123456789abcdef";
    with(&[secret, "--host-jwt-alg=RS256"]).expect_err("a secret for RSA");
    with(&[secret, "--host-jwt-jwks=x"]).expect_err("two keys");
    let tokens = with(&[secret])
        .expect("a secret")
        .host_tokens
        .expect("configured");
    assert_eq!(tokens.algorithm, HostAlgorithm::Hs256);
}

#[test]
fn nobody_is_let_into_the_admin_page_without_a_password_that_is_hard_to_guess() {
    let hash = crate::chat::auth::hash(b"correct horse battery").expect("randomness");
    let with = |more: &[&str]| validate(&[&["--admin-ui=development"], more].concat());
    with(&[]).expect_err("no password");
    with(&["--admin-ui-password-hash=correct horse battery"]).expect_err("the password itself");
    let option = format!("--admin-ui-password-hash={hash}");
    let text = with(&[&option]).expect("good").to_string();
    assert!(!text.contains(&hash), "{text}");
    for line in [
        "admin-ui                     development\n",
        "admin-ui-user                admin\n",
        "admin-ui-access              read-only\n",
        "admin-ui-show                names\n",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    let off = validate(&[]).expect("good");
    assert!(
        off.admin_ui.is_none()
            && off
                .to_string()
                .contains("admin-ui                     off\n")
    );
}
