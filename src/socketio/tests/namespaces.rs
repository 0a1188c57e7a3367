//! Namespaces that are made when a client asks for them.

use std::time::Duration;

use super::harness::{Client, Log, pass, until};
use crate::socketio::{ConnectError, Event, Io, NamespaceRule, Socket};

async fn ask(io: &Io, packet: &str) -> (Client, Vec<String>) {
    let client = Client::open(io).await;
    client.send(&[packet]).await;
    let reply = client.receive().await;
    (client, reply)
}

#[tokio::test(start_paused = true)]
async fn a_pattern_makes_namespaces_and_refuses_others() {
    let log = Log::default();
    let made = log.clone();
    let io = Io::builder()
        .dynamic_namespace("/dynamic-*", |ns| {
            ns.on("name", async |socket: Socket, _: Event| {
                _ = socket.emit("name", socket.namespace().name());
            })
        })
        .on_new_namespace(move |namespace| made.add(namespace.name()))
        .build();
    let (client, reply) = ask(&io, "0/dynamic-101").await;
    assert!(
        reply[0].starts_with(r#"0/dynamic-101,{"sid":"#),
        "{reply:?}"
    );
    client.send(&[r#"2/dynamic-101,["name"]"#]).await;
    assert_eq!(
        client.receive().await,
        [r#"2/dynamic-101,["name","/dynamic-101"]"#]
    );
    let (_, reply) = ask(&io, "0/dynamic-").await;
    assert_eq!(reply, [r#"4/dynamic-,{"message":"Invalid namespace"}"#]);
    let (_two, _) = ask(&io, "0/dynamic-102").await;
    assert_eq!(log.lines(), ["/dynamic-101", "/dynamic-102"]);
    let parent = io.parent("/dynamic-*").expect("declared");
    assert_eq!(parent.children().len(), 2);
    parent.emit("all", &()).expect("encodable");
    assert_eq!(client.receive().await, [r#"2/dynamic-101,["all"]"#]);
    assert!(io.of("/dynamic-103").is_some() && io.of("/other").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_function_decides_by_the_name_and_who_asks() {
    let rule = NamespaceRule::asking("tenants", async |name: String, request| {
        pass(Duration::from_secs(1)).await;
        name.strip_prefix("/tenant-") == request.auth()["tenant"].as_str()
    });
    let io = Io::builder().dynamic_namespace(rule, |ns| ns).build();
    let (_a, reply) = ask(&io, r#"0/tenant-a,{"tenant":"a"}"#).await;
    assert!(reply[0].starts_with("0/tenant-a,{"), "{reply:?}");
    let (_b, reply) = ask(&io, r#"0/tenant-b,{"tenant":"a"}"#).await;
    assert_eq!(reply, [r#"4/tenant-b,{"message":"Invalid namespace"}"#]);
}

#[tokio::test(start_paused = true)]
async fn trap_86_two_who_ask_at_once_make_one_namespace() {
    let log = Log::default();
    let made = log.clone();
    let rule = NamespaceRule::asking("any", async |_, _| {
        pass(Duration::from_secs(1)).await;
        true
    });
    let io = Io::builder()
        .dynamic_namespace(rule, |ns| ns)
        .on_new_namespace(move |namespace| made.add(namespace.name()))
        .build();
    let ((_a, _), (_b, _)) = tokio::join!(ask(&io, "0/x"), ask(&io, "0/x"));
    assert_eq!(log.lines(), ["/x"]);
    assert_eq!(io.of("/x").expect("made").sockets_count(), 2);
}

#[tokio::test(start_paused = true)]
async fn trap_86_a_namespace_goes_with_the_last_in_it_and_not_before() {
    let io = Io::builder()
        .cleanup_empty_child_namespaces(true)
        .dynamic_namespace("/d-*", |ns| {
            ns.use_middleware(async |request| match request.auth()["ok"].as_bool() {
                Some(true) => Ok(()),
                _ => Err(ConnectError::new("no")),
            })
        })
        .build();
    let count = || io.parent("/d-*").expect("declared").children().len();
    let (_refused, reply) = ask(&io, "0/d-1").await;
    assert_eq!(reply, [r#"4/d-1,{"message":"no"}"#]);
    assert_eq!(count(), 0, "who was refused leaves nothing behind");
    let (first, _) = ask(&io, r#"0/d-1,{"ok":true}"#).await;
    let (second, _) = ask(&io, r#"0/d-1,{"ok":true}"#).await;
    ask(&io, "0/d-1").await;
    first.send(&["1/d-1,"]).await;
    until(|| {
        io.of("/d-1")
            .is_some_and(|namespace| namespace.sockets_count() == 1)
    })
    .await;
    assert_eq!(count(), 1);
    second.close().await;
    until(|| count() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn trap_86_who_is_refused_takes_no_namespace_from_who_is_being_let_in() {
    let io = Io::builder()
        .cleanup_empty_child_namespaces(true)
        .dynamic_namespace("/d-*", |ns| {
            ns.use_middleware(async |request| match request.auth()["slow"].as_bool() {
                Some(true) => {
                    pass(Duration::from_secs(1)).await;
                    Ok(())
                }
                _ => Err(ConnectError::new("no")),
            })
        })
        .build();
    let parent = io.parent("/d-*").expect("declared");
    let ((slow, reply), ()) = tokio::join!(ask(&io, r#"0/d-1,{"slow":true}"#), async {
        let (_, refused) = ask(&io, "0/d-1").await;
        assert_eq!(refused, [r#"4/d-1,{"message":"no"}"#]);
        assert_eq!(parent.children().len(), 1);
    });
    assert!(reply[0].starts_with(r#"0/d-1,{"sid":"#), "{reply:?}");
    parent.emit("all", &()).expect("encodable");
    assert_eq!(slow.receive().await, [r#"2/d-1,["all"]"#]);
}

#[tokio::test(start_paused = true)]
async fn namespaces_of_clients_are_bounded_in_number() {
    let io = Io::builder()
        .max_child_namespaces(1)
        .dynamic_namespace("/*", |ns| ns)
        .build();
    let (_a, _) = ask(&io, "0/a").await;
    let (_b, reply) = ask(&io, "0/b").await;
    assert_eq!(reply, [r#"4/b,{"message":"Invalid namespace"}"#]);
}
