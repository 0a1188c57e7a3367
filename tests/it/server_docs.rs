//! The API description, as it is served.

use http::Method;
use serde_json::Value;

use crate::support::TestApp;

#[tokio::test]
async fn the_description_and_its_page_are_served() {
    let app = TestApp::start().await;
    for (path, kind) in [
        ("/api-docs", "text/html"),
        ("/api-docs.js", "text/javascript"),
        ("/api-docs.css", "text/css"),
        ("/api-docs/openapi.json", "application/json"),
        ("/api-docs/asyncapi.json", "application/json"),
    ] {
        let answer = app.anonymous(Method::GET, path, Value::Null).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.header("content-type").starts_with(kind), "{path}");
        let posted = app.anonymous(Method::POST, path, Value::Null).await;
        assert_eq!(posted.status, 405, "{path}");
        assert_eq!(posted.header("allow"), "GET, HEAD", "{path}");
    }
    let document = app
        .anonymous(Method::GET, "/api-docs/openapi.json", Value::Null)
        .await;
    assert_eq!(document.json()["openapi"], "3.1.0");
}
