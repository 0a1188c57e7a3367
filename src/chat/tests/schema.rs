//! Checks values by the schemas of the API description, strictly: a property
//! that no schema names is wrong.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// Checks `value`; `what` names it when it does not fit.
#[track_caller]
pub(super) fn check(document: &Value, schema: &Value, value: &Value, what: &str) {
    if let Err(problem) = fits(document, schema, value) {
        panic!("{what} is not what is described: {problem}\n{value}");
    }
}

fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"]
        .as_str()
        .and_then(|path| path.strip_prefix('#'))
    {
        Some(path) => document
            .pointer(path)
            .unwrap_or_else(|| panic!("no {path}")),
        None => schema,
    }
}

fn fits(document: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    fits_open(document, schema, value)?;
    let Some(object) = value.as_object() else {
        return Ok(());
    };
    let mut names = BTreeSet::new();
    if !named(document, schema, value, &mut names) {
        return Ok(());
    }
    match object.keys().find(|name| !names.contains(*name)) {
        Some(name) => Err(format!("`{name}` is not described")),
        None => Ok(()),
    }
}

/// Collects the properties that a schema names; false when it names none and
/// so allows all.
fn named(document: &Value, schema: &Value, value: &Value, names: &mut BTreeSet<String>) -> bool {
    let schema = resolve(document, schema);
    let own = schema["properties"].as_object();
    names.extend(own.into_iter().flat_map(Map::keys).cloned());
    let mut any = own.is_some();
    for part in schema["allOf"].as_array().into_iter().flatten() {
        any |= named(document, part, value, names);
    }
    for part in schema["oneOf"].as_array().into_iter().flatten() {
        if fits(document, part, value).is_ok() {
            any |= named(document, part, value, names);
        }
    }
    any
}

fn fits_open(document: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    let schema = resolve(document, schema);
    check_type(schema, value)?;
    if schema.get("const").is_some_and(|wanted| wanted != value) {
        return Err(format!("{value} is not {}", schema["const"]));
    }
    let choices = schema["enum"].as_array();
    if choices.is_some_and(|choices| !choices.contains(value)) {
        return Err(format!("{value} is none of {}", schema["enum"]));
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        fits_open(document, part, value)?;
    }
    if let Some(parts) = schema["oneOf"].as_array() {
        let tried: Vec<_> = parts
            .iter()
            .map(|part| fits(document, part, value))
            .collect();
        if !tried.iter().any(Result::is_ok) {
            return Err(format!("fits none of several: {tried:?}"));
        }
    }
    for item in value.as_array().into_iter().flatten() {
        fits(document, &schema["items"], item)?;
    }
    for (name, inner) in value.as_object().into_iter().flatten() {
        let described = schema["properties"].get(name);
        let described = described.or_else(|| schema.get("additionalProperties"));
        if let Some(described) = described {
            fits(document, described, inner).map_err(|problem| format!("{name}: {problem}"))?;
        }
    }
    let required = schema["required"].as_array().into_iter().flatten();
    for name in required.filter_map(Value::as_str) {
        if value.is_object() && value.get(name).is_none() {
            return Err(format!("`{name}` is missing"));
        }
    }
    Ok(())
}

fn check_type(schema: &Value, value: &Value) -> Result<(), String> {
    let types = match &schema["type"] {
        Value::Array(types) => types.clone(),
        Value::Null => return Ok(()),
        one => vec![one.clone()],
    };
    let is = |name: &Value| match name.as_str() {
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        Some("null") => value.is_null(),
        other => panic!("{other:?} is no type"),
    };
    match types.iter().any(is) {
        true => Ok(()),
        false => Err(format!("{value} is no {}", schema["type"])),
    }
}

#[test]
fn the_checker_sees_what_is_wrong() {
    let document = json!({"components": {"schemas": {
        "A": {"type": "object", "properties": {"a": {"type": ["integer", "null"]}}, "required": ["a"]},
    }}});
    let reference = json!({"$ref": "#/components/schemas/A"});
    let both = json!({"allOf": [reference, {"type": "object", "properties": {"b": {"const": 1}}}]});
    for good in [json!({"a": 1}), json!({"a": null, "b": 1})] {
        assert_eq!(fits(&document, &both, &good), Ok(()));
    }
    for bad in [
        json!({}),
        json!({"a": "1"}),
        json!({"a": 1, "b": 2}),
        json!({"a": 1, "c": 1}),
        json!([]),
    ] {
        assert!(fits(&document, &both, &bad).is_err(), "{bad}");
    }
    let list = json!({"type": "array", "items": reference});
    assert!(fits(&document, &list, &json!([{"a": 1}, {"a": true}])).is_err());
}
