//! One request, one answer.

use std::net::SocketAddr;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::soon;

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// `data` of a success with this status.
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        let mut reply = self.json();
        assert_eq!(reply["success"], true, "{reply}");
        reply["data"].take()
    }

    /// The code of a failure with this status.
    pub(crate) fn refused(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        let reply = self.json();
        assert_eq!(reply["success"], false, "{reply}");
        assert!(
            reply["message"]
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "{reply}"
        );
        reply["error"]["code"].as_str().expect("a code").to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

/// Sends a request on a connection of its own; a `Null` body is none.
pub(crate) async fn request(
    address: SocketAddr,
    method: Method,
    path: &str,
    token: Option<&str>,
    body: Value,
) -> Answer {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, address.to_string());
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    let bytes = match body {
        Value::Null => Bytes::new(),
        body => {
            request = request.header(CONTENT_TYPE, "application/json");
            body.to_string().into()
        }
    };
    send(address, request.body(Full::new(bytes)).expect("a request")).await
}

/// Sends a request as it is.
pub(crate) async fn send(address: SocketAddr, request: Request<Full<Bytes>>) -> Answer {
    soon("an answer", async {
        let stream = TcpStream::connect(address).await.expect("a connection");
        let connected = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = connected.expect("a connection");
        tokio::spawn(connection);
        let response = sender.send_request(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.expect("a whole body").to_bytes(),
        }
    })
    .await
}
