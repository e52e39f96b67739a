//! As much of JSON Schema as `docs/bench.schema.json` uses; any other keyword fails the test, so that none is passed
//! over. The validators that know all of it would bring more crates than everything else here together.

use serde_json::{Map, Value};

/// Asserts that `document` is what `schema` says.
#[track_caller]
pub(crate) fn assert_valid(schema: &Value, document: &Value) {
    if let Err(objection) = check(schema, schema, document, "$") {
        panic!("{objection}");
    }
}

/// What is wrong with `value`, which stands at `at`.
pub(crate) fn check(root: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    for (keyword, says) in schema.as_object().ok_or_else(|| format!("{at}: the schema is no object"))? {
        let holds = match keyword.as_str() {
            "$schema" | "title" | "description" | "$defs" => true,
            "$ref" => {
                let path = says.as_str().unwrap().strip_prefix('#').unwrap();
                check(root, root.pointer(path).unwrap(), value, at)?;
                true
            }
            "type" => match says {
                Value::Array(types) => types.iter().any(|name| is_a(name, value)),
                name => is_a(name, value),
            },
            "const" => says == value,
            "enum" => says.as_array().unwrap().contains(value),
            "minimum" => value.as_f64().is_none_or(|number| number >= says.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|number| number <= says.as_f64().unwrap()),
            "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= says.as_u64().unwrap()),
            "maxItems" => value.as_array().is_none_or(|items| items.len() as u64 <= says.as_u64().unwrap()),
            "required" => value.as_object().is_none_or(|members| {
                says.as_array().unwrap().iter().all(|name| members.contains_key(name.as_str().unwrap()))
            }),
            "additionalProperties" => {
                assert_eq!(says, false, "{at}: only `false` is understood");
                let known = schema["properties"].as_object().unwrap();
                value.as_object().is_none_or(|members| members.keys().all(|name| known.contains_key(name)))
            }
            "properties" => {
                let members = value.as_object().cloned().unwrap_or_else(Map::new);
                for (name, schema) in says.as_object().unwrap() {
                    if let Some(member) = members.get(name) {
                        check(root, schema, member, &format!("{at}.{name}"))?;
                    }
                }
                true
            }
            "items" => {
                for (i, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(root, says, item, &format!("{at}[{i}]"))?;
                }
                true
            }
            other => panic!("{at}: the keyword {other} is not understood"),
        };
        if !holds {
            return Err(format!("{at}: {value} is not what `{keyword}: {says}` allows"));
        }
    }
    Ok(())
}

fn is_a(name: &Value, value: &Value) -> bool {
    match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        other => panic!("there is no type {other}"),
    }
}
