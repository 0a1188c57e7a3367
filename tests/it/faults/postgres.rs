//! A PostgreSQL server that ends connections, stops, and comes back.

use super::*;
use crate::support::PostgresServer;

#[tokio::test]
async fn a_server_that_goes_away_and_comes_back_loses_nothing() {
    let Some(folder) = PostgresServer::folder() else {
        return;
    };
    let server = PostgresServer::start(folder, &[]);
    let folder = tempfile::tempdir().expect("a folder");
    let program = Program::serve(folder.path(), &OPTIONS, &[("DATABASE_URL", &server.url)]);
    let mut teller = Teller::new(&program).await;
    assert!(teller.try_send("first", "x").await);

    server.end_connections();
    teller.insist("after-the-connections-ended").await;
    teller.check().await;

    server.stop();
    assert!(!teller.try_send("while-it-is-away", "x").await);
    let ready = crate::support::request(
        program.address,
        http::Method::GET,
        "/readyz",
        None,
        Value::Null,
    )
    .await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    server.start_again();
    teller.insist("it-is-back").await;
    teller.check().await;
}
