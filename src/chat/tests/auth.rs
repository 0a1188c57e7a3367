//! CONTRACT section 2.

use serde_json::{Value, json};

use super::world::{PASSWORD, text};
use super::{Client, Someone, World};
use crate::chat::domain::Role;
use crate::chat::{HostAlgorithm, HostKey, HostTokens, RateLimits, Registration};

async fn register(world: &World, name: &str, email: &str) -> super::world::Answer {
    let body = json!({"name": name, "email": email, "password": PASSWORD});
    world.call(None, "POST", "/api/auth/register", body).await
}

#[tokio::test]
async fn registering_makes_a_student_who_is_logged_in() {
    let world = World::new().await;
    let answer = register(&world, " Ann ", "Ann@Example.org").await;
    assert_eq!(answer.status, 201);
    let user = &answer.data()["user"];
    assert_eq!(
        (&user["name"], &user["email"]),
        (&json!("Ann"), &json!("ann@example.org"))
    );
    assert_eq!(user["role"], json!("student"));
    let ann = Someone::entered(answer.data(), "ann@example.org");
    assert_eq!(world.get(&ann, "/api/auth/profile").await.data(), user);
}

#[tokio::test]
async fn an_address_that_is_taken_is_a_conflict() {
    let world = World::new().await;
    world.person("Ann").await;
    let answer = register(&world, "Other", "ANN@example.org").await;
    assert_eq!(answer.failure(), (409, "conflict", None));
}

#[tokio::test]
async fn registration_can_be_switched_off() {
    let world = World::with(|config| config.registration = Registration::Closed).await;
    assert_eq!(
        register(&world, "Ann", "a@b.c").await.failure().1,
        "forbidden"
    );
}

#[tokio::test]
async fn unknown_people_and_wrong_passwords_get_the_same_answer() {
    let world = World::new().await;
    let ann = world.person("Ann").await;
    let login = async |email: &str, password: &str| {
        let body = json!({"email": email, "password": password});
        world.call(None, "POST", "/api/auth/login", body).await
    };
    let wrong = login(&ann.email, "incorrect horse").await;
    assert_eq!(wrong.failure(), (401, "invalid-credentials", None));
    for (email, password) in [
        ("no@example.org", PASSWORD),
        (&ann.email, "short"),
        (&ann.email, ""),
    ] {
        assert_eq!(login(email, password).await.body, wrong.body);
    }
}

#[tokio::test]
async fn a_refresh_token_works_once_and_its_second_use_ends_the_session() {
    let world = World::new().await;
    let ann = world.person("Ann").await;
    let refresh = async |token: &str| {
        let body = json!({"refreshToken": token});
        world.call(None, "POST", "/api/auth/refresh", body).await
    };
    let second = Someone::entered(refresh(&ann.refresh_token).await.data(), &ann.email);
    assert_eq!(world.get(&second, "/api/auth/profile").await.status, 200);
    let mut socket = world.connect(&second).await;
    assert_eq!(
        refresh(&ann.refresh_token).await.failure(),
        (401, "token-revoked", None)
    );
    assert_eq!(
        refresh(&second.refresh_token).await.failure().1,
        "token-revoked"
    );
    assert_eq!(
        world.get(&second, "/api/auth/profile").await.failure().1,
        "token-revoked"
    );
    let last = socket.closed().await;
    assert_eq!(last[0].1["error"]["code"], json!("token-revoked"));
    assert_eq!(
        refresh("nonsense").await.failure(),
        (401, "unauthenticated", None)
    );
}

#[tokio::test]
async fn logging_out_ends_this_session_and_closes_its_sockets_only() {
    let world = World::new().await;
    let phone = world.person("Ann").await;
    let laptop = world.log_in(&phone.email).await;
    let (mut on_phone, mut on_laptop) = (world.connect(&phone).await, world.connect(&laptop).await);
    assert_eq!(
        world
            .post(&phone, "/api/auth/logout", Value::Null)
            .await
            .data(),
        &json!({})
    );
    let said = on_phone.closed().await;
    assert_eq!(
        (said[0].0.as_str(), &said[0].1["event"]),
        ("error", &json!("session"))
    );
    assert_eq!(
        world.get(&phone, "/api/chats").await.failure(),
        (401, "token-revoked", None)
    );
    assert_eq!(on_laptop.names_so_far().await, Vec::<String>::new());
    let refused = Client::try_open(&world.io, Some(json!({"token": phone.token})), "", None).await;
    assert!(refused.starts_with("44{"), "{refused}");
    assert!(refused.contains("Authentication error: "), "{refused}");
    assert!(
        refused.contains(r#""data":{"code":"token-revoked"}"#),
        "{refused}"
    );
}

#[tokio::test]
async fn a_new_password_ends_every_other_session() {
    let world = World::new().await;
    let here = world.person("Ann").await;
    let there = world.log_in(&here.email).await;
    let mut socket = world.connect(&there).await;
    let change = async |current: &str, new: &str| {
        let body = json!({"currentPassword": current, "newPassword": new});
        world
            .call(Some(&here.token), "PUT", "/api/auth/password", body)
            .await
    };
    assert_eq!(
        change("incorrect", "new password").await.failure().1,
        "invalid-credentials"
    );
    let short = change(PASSWORD, "short").await;
    assert_eq!(
        short.failure(),
        (400, "validation-failed", Some("newPassword"))
    );
    assert_eq!(change(PASSWORD, "new password").await.data(), &json!({}));
    socket.closed().await;
    assert_eq!(
        world.get(&there, "/api/chats").await.failure().1,
        "token-revoked"
    );
    assert_eq!(world.get(&here, "/api/chats").await.status, 200);
    let body = json!({"email": here.email, "password": "new password"});
    assert_eq!(
        world
            .call(None, "POST", "/api/auth/login", body)
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn people_are_found_by_a_part_of_their_name_and_never_by_e_mail() {
    let world = World::new().await;
    let ann = world.person("Ann").await;
    world.person_with("Zoë_Tutor", Role::Tutor).await;
    let found = world.get(&ann, "/api/users?search=ZO%C3%8B").await;
    let people = found.data()["users"].as_array().expect("a list").clone();
    assert_eq!(people.len(), 1);
    assert_eq!(people[0]["role"], json!("tutor"));
    assert_eq!(people[0].as_object().map(serde_json::Map::len), Some(3));
    for nothing in ["example.org", "%25%25", "zz"] {
        let found = world
            .get(&ann, &format!("/api/users?search={nothing}"))
            .await;
        assert_eq!(found.data()["users"], json!([]), "{nothing}");
    }
    for bad in [
        "/api/users",
        "/api/users?search=",
        "/api/users?search=a",
        "/api/users?search=%20a%20",
    ] {
        let answer = world.get(&ann, bad).await;
        assert_eq!(
            answer.failure(),
            (400, "validation-failed", Some("search")),
            "{bad}"
        );
    }
    let profile = world
        .get(&ann, &format!("/api/users/{}", text(&people[0]["id"])))
        .await;
    assert_eq!(profile.data(), &people[0]);
    assert_eq!(
        world.get(&ann, "/api/users/nobody").await.failure().1,
        "not-found"
    );
}

#[tokio::test]
async fn guessing_a_password_is_slowed_down() {
    let world = World::with(|config| config.rate_limits = RateLimits::Default).await;
    let ann = world.person("Ann").await;
    let guess = async |password: &str| {
        let body = json!({"email": ann.email, "password": password});
        world.call(None, "POST", "/api/auth/login", body).await
    };
    for _ in 0..5 {
        assert_eq!(guess("a wrong one").await.status, 401);
    }
    // On a slow machine a first wait is over before the next guess: they double.
    let mut answer = guess("a wrong one").await;
    while answer.status == 401 {
        answer = guess("a wrong one").await;
    }
    assert_eq!(answer.failure(), (429, "rate-limited", None));
    let wait = answer.body["error"]["retryAfterMs"]
        .as_u64()
        .expect("a time");
    assert!((1..=15 * 60 * 1000).contains(&wait));
    assert_eq!(guess(PASSWORD).await.status, 429);
}

const HOST_SECRET: &[u8] = b"the secret of the host application";

fn host_token(claims: &Value) -> String {
    let mut all = json!({"iss": "host", "aud": "chat", "exp": 4_000_000_000_u64});
    all.as_object_mut()
        .expect("an object")
        .extend(claims.as_object().expect("an object").clone());
    let key = jsonwebtoken::EncodingKey::from_secret(HOST_SECRET);
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &all, &key).expect("signs")
}

async fn hosted() -> World {
    World::with(|config| {
        config.host_tokens = Some(HostTokens {
            key: HostKey::Secret(HOST_SECRET.to_vec().into()),
            algorithm: HostAlgorithm::Hs256,
            issuer: "host".to_owned(),
            audience: "chat".to_owned(),
        });
    })
    .await
}

#[tokio::test]
async fn people_of_a_host_application_appear_on_first_sight() {
    let world = hosted().await;
    let profile = async |token: &str| {
        world
            .call(Some(token), "GET", "/api/auth/profile", Value::Null)
            .await
    };
    let token = host_token(&json!({"sub": 7, "name": "Ann", "email": "a@h.org", "role": "tutor"}));
    let user = profile(&token).await.data().clone();
    assert_eq!((&user["id"], &user["role"]), (&json!("7"), &json!("tutor")));
    let renamed = host_token(&json!({"sub": "7", "name": "Anna", "email": "a@h.org"}));
    let user = profile(&renamed).await.data().clone();
    assert_eq!(
        (&user["name"], &user["role"]),
        (&json!("Anna"), &json!("student"))
    );
    // What a token does not say stays as it was; but a right must be granted.
    let bare = host_token(&json!({"sub": "7"}));
    let user = profile(&bare).await.data().clone();
    let told = json!(["Anna", "a@h.org", "student"]);
    assert_eq!(json!([user["name"], user["email"], user["role"]]), told);
    let unusable = host_token(&json!({"sub": "7", "name": " ", "email": "no address"}));
    assert_eq!(profile(&unusable).await.data(), &user);
    let nameless = host_token(&json!({"sub": "70"}));
    assert_eq!(profile(&nameless).await.data()["name"], json!("70"));
    let taken = host_token(&json!({"sub": "8", "name": "Bob", "email": "a@h.org"}));
    assert_eq!(profile(&taken).await.data()["email"], Value::Null);
    let foreign = host_token(&json!({"sub": "9", "iss": "elsewhere"}));
    assert_eq!(
        profile(&foreign).await.failure(),
        (401, "unauthenticated", None)
    );
}

#[tokio::test]
async fn a_host_application_cannot_take_over_an_account_of_ours() {
    let world = hosted().await;
    let body = json!({"name": "Ann", "email": "ann@x.org", "password": "password1"});
    let made = world
        .call(None, "POST", "/api/auth/register", body.clone())
        .await;
    let id = made.data()["user"]["id"].clone();
    for claims in [
        json!({"sub": id, "name": "Mallory", "role": "admin"}),
        json!({"sub": id, "name": "Ann", "email": "ann@x.org", "role": "student"}),
    ] {
        let token = host_token(&claims);
        let refused = world
            .call(Some(&token), "GET", "/api/auth/profile", Value::Null)
            .await;
        assert_eq!(refused.failure(), (401, "unauthenticated", None));
    }
    let entered = world.call(None, "POST", "/api/auth/login", body).await;
    assert_eq!(entered.status, 200);
    assert_eq!(entered.data()["user"], made.data()["user"]);
}

#[tokio::test]
async fn a_token_of_a_host_application_can_be_logged_out() {
    let world = hosted().await;
    let (one, two) = (
        host_token(&json!({"sub": "7"})),
        host_token(&json!({"sub": "7", "nbf": 1})),
    );
    let call = async |token: &str, method: &str, path: &str| {
        world
            .call(Some(token), method, path, Value::Null)
            .await
            .status
    };
    assert_eq!(call(&one, "POST", "/api/auth/logout").await, 200);
    assert_eq!(call(&one, "GET", "/api/auth/profile").await, 401);
    assert_eq!(call(&two, "GET", "/api/auth/profile").await, 200);
}

#[tokio::test]
async fn a_socket_shows_its_token_in_auth_or_in_the_header_but_not_in_the_query() {
    let world = World::new().await;
    let ann = world.person("Ann").await;
    let bearer = format!("Bearer {}", ann.token);
    let opened = Client::try_open(&world.io, None, "", Some(&bearer)).await;
    assert!(opened.starts_with("40{"), "{opened}");
    let query = format!("&token={}", ann.token);
    let refused = Client::try_open(&world.io, None, &query, None).await;
    assert!(
        refused.starts_with("44{") && refused.contains("query string"),
        "{refused}"
    );
    // Not beside another one either: it would stay in the query for ever.
    let auth = Some(json!({"token": ann.token}));
    for query in [query.as_str(), "&token=", "&access_token=x"] {
        for bearer in [None, Some(bearer.as_str())] {
            let refused = Client::try_open(&world.io, auth.clone(), query, bearer).await;
            assert!(refused.contains("query string"), "{query}: {refused}");
        }
    }
    for auth in [
        None,
        Some(json!({})),
        Some(json!({"token": 1})),
        Some(json!({"token": "x"})),
    ] {
        let refused = Client::try_open(&world.io, auth, "", None).await;
        assert!(
            refused.contains(r#""data":{"code":"unauthenticated"}"#),
            "{refused}"
        );
    }
}
