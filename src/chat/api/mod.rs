//! The API description: OpenAPI for the routes, AsyncAPI for the events.
//!
//! What goes out is described by the types that the server encodes (utoipa
//! derives their schemas), what comes in by the types that it parses. The
//! tables here name each route and event once; tests compare them with the
//! router, the namespace and the contract, and check real replies by the
//! schemas.

mod asyncapi;
mod events;
mod openapi;
mod routes;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::{PartialSchema, ToSchema};

pub use asyncapi::asyncapi;
pub use openapi::openapi;

/// A schema, and those that it refers to.
pub(in crate::chat) type Describe = fn(&mut Schemas) -> Value;

/// Schemas by name, as both documents keep them under `components/schemas`.
#[derive(Default)]
pub(in crate::chat) struct Schemas(BTreeMap<String, Value>);

impl Schemas {
    /// Adds a type and everything in it; a reference to it.
    fn refer<T: ToSchema>(&mut self) -> Value {
        let mut inner = Vec::new();
        T::schemas(&mut inner);
        let own = (T::name().into_owned(), T::schema());
        for (name, schema) in inner.into_iter().chain([own]) {
            // Schemas are plain data: nothing in them cannot be JSON.
            let schema = serde_json::to_value(schema).unwrap_or_default();
            self.0.insert(name, schema);
        }
        json!({"$ref": format!("#/components/schemas/{}", T::name())})
    }

    fn into_value(self) -> Value {
        self.0.into_iter().collect()
    }
}

/// A type as a [`Describe`].
fn of<T: ToSchema>(schemas: &mut Schemas) -> Value {
    schemas.refer::<T>()
}

/// A field of a request: a parameter of the query, or a part of a body.
#[derive(Clone, Copy)]
struct Field {
    name: &'static str,
    required: bool,
    schema: fn() -> Value,
}

fn inline<T: PartialSchema>() -> Value {
    serde_json::to_value(T::schema()).unwrap_or_default()
}

/// A list of `T`.
fn list<T: PartialSchema>() -> Value {
    json!({"type": "array", "items": inline::<T>()})
}

/// A field that must be there.
const fn need(name: &'static str, schema: fn() -> Value) -> Field {
    Field {
        name,
        required: true,
        schema,
    }
}

/// A field that may be left out.
const fn may(name: &'static str, schema: fn() -> Value) -> Field {
    Field {
        name,
        required: false,
        schema,
    }
}

/// An object of these fields.
fn object(fields: &[Field]) -> Value {
    let properties = fields
        .iter()
        .map(|field| (field.name.to_owned(), (field.schema)()));
    let required = fields.iter().filter(|field| field.required);
    json!({
        "type": "object",
        "properties": properties.collect::<Value>(),
        "required": required.map(|field| field.name).collect::<Value>(),
    })
}

/// What an API is called, in both documents.
fn info(title: &str) -> Value {
    json!({
        "title": title,
        "version": env!("CARGO_PKG_VERSION"),
        "description": "Ids are opaque strings; in requests a number is read as its decimal \
            string. Times are RFC 3339 in UTC with milliseconds. Every answer is \
            {success:true,data} or {success:false,message,error}. JSON may be nested \
            127 levels deep: a deeper body is validation-failed, a deeper packet ends \
            its connection like one that is no JSON.",
        "license": {"name": "MIT", "identifier": "MIT"},
    })
}
