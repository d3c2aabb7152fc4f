//! `docs/events.schema.json`, which describes the events of `--format json`. Every event of every run in these tests is held
//! against it.
//!
//! A crate for JSON Schema would bring dozens of others into everybody's CI, and the file uses a dozen keywords.

use std::path::Path;
use std::sync::OnceLock;

use serde_json::Value;

/// The schema.
pub(crate) fn schema() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/events.schema.json");
        serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
    })
}

/// Returns what is wrong with an event. The list is empty if nothing is.
pub(crate) fn errors(event: &Value) -> Vec<String> {
    let kind = event["event"].as_str().unwrap_or_default();
    let known = schema()["oneOf"].as_array().unwrap().iter();
    let mut errors = Vec::new();
    match known.filter(|one| one["$ref"] == format!("#/$defs/{kind}")).count() {
        1 => check(&schema()["$defs"][kind], event, kind, &mut errors),
        _ => errors.push(format!("\"{kind}\" is no kind of event")),
    }
    errors
}

fn check(schema: &Value, value: &Value, path: &str, errors: &mut Vec<String>) {
    let mut expect = |holds: bool, what: &str, expected: &Value| {
        if !holds {
            errors.push(format!("{path}: {what} is {expected}, and not {value}"));
        }
    };
    let keywords = schema.as_object().unwrap();
    for (keyword, expected) in keywords {
        match keyword.as_str() {
            "description" | "items" | "properties" | "additionalProperties" | "$ref" => {}
            "const" => expect(value == expected, keyword, expected),
            "enum" => expect(expected.as_array().unwrap().contains(value), keyword, expected),
            "minimum" => expect(value.is_null() || value.as_f64() >= expected.as_f64(), keyword, expected),
            "type" => {
                let types = expected.as_array().map_or(std::slice::from_ref(expected), Vec::as_slice);
                expect(types.iter().any(|name| is_of(name.as_str().unwrap(), value)), keyword, expected);
            }
            "required" => {
                let names = expected.as_array().unwrap();
                expect(names.iter().all(|name| value.get(name.as_str().unwrap()).is_some()), keyword, expected);
            }
            other => panic!("{path}: the keyword {other} isn't known here"),
        }
    }
    if let Some(to) = schema["$ref"].as_str() {
        let pointer = to.strip_prefix('#').unwrap();
        check(self::schema().pointer(pointer).unwrap(), value, path, errors);
    }
    if let Some(of_items) = keywords.get("items") {
        for (at, item) in value.as_array().into_iter().flatten().enumerate() {
            check(of_items, item, &format!("{path}[{at}]"), errors);
        }
    }
    if let Some(properties) = keywords.get("properties") {
        assert_eq!(schema["additionalProperties"], false, "{path}: an object has no other properties");
        for (name, value) in value.as_object().into_iter().flatten() {
            match properties.get(name) {
                Some(property) => check(property, value, &format!("{path}.{name}"), errors),
                None => errors.push(format!("{path}: there is no property {name}")),
            }
        }
    }
}

fn is_of(name: &str, value: &Value) -> bool {
    match name {
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        other => panic!("the type {other} isn't known here"),
    }
}
