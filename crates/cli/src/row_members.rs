//! Some members of a row that a server has answered as JSON, for protocols that answer it whole.

use std::borrow::Cow;
use std::fmt;

use graven_format::BASE64_SUFFIX;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The members that are wanted, by the names of their columns.
pub(crate) struct RowMembers {
    names: Vec<String>,
    /// Whether any row has had it.
    seen: Vec<bool>,
}

impl RowMembers {
    pub(crate) fn new(names: &[String]) -> Self {
        Self { names: names.to_vec(), seen: vec![false; names.len()] }
    }

    /// Writes the wanted members of `row` as an object, their values as they are spelled; `false`
    /// where it is no object.
    pub(crate) fn write(&mut self, row: &[u8], out: &mut Vec<u8>) -> bool {
        let Ok(RowObject(members)) = serde_json::from_slice(row) else { return false };
        out.push(b'{');
        let start = out.len();
        for (name, seen) in self.names.iter().zip(&mut self.seen) {
            let is_it = |found: &str| found == name || found.strip_suffix(BASE64_SUFFIX) == Some(name);
            // A name of its own comes before one that is another's with what stands behind it.
            let of_name = members.iter().find(|(found, _)| found == name);
            let Some((found, value)) = of_name.or_else(|| members.iter().find(|(found, _)| is_it(found)))
            else {
                continue;
            };
            *seen = true;
            if out.len() > start {
                out.push(b',');
            }
            // A vector takes all that is written.
            let _ = serde_json::to_writer(&mut *out, found);
            out.push(b':');
            out.extend_from_slice(value.get().as_bytes());
        }
        out.push(b'}');
        true
    }

    /// The names that no row has had.
    pub(crate) fn unseen(&self) -> impl Iterator<Item = &str> {
        self.names.iter().zip(&self.seen).filter(|(_, seen)| !**seen).map(|(name, _)| name.as_str())
    }
}

/// The members of an object, in their order.
struct RowObject<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Deserialize<'a> for RowObject<'a> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        struct RowObjectVisitor;

        impl<'a> Visitor<'a> for RowObjectVisitor {
            type Value = RowObject<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(RowObject(members))
            }
        }

        deserializer.deserialize_map(RowObjectVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_written_in_the_order_in_which_they_are_wanted() {
        let names = ["b", "a", "raw", "none"].map(str::to_owned);
        let mut members = RowMembers::new(&names);
        for (row, expected) in [
            (r#"{"a":1.50,"b":"x\n","c":[1, 2]}"#, r#"{"b":"x\n","a":1.50}"#),
            (r#"{"raw_base64":"AA==","a":null}"#, r#"{"a":null,"raw_base64":"AA=="}"#),
            (r#"{"raw_base64":"AA==","raw":1}"#, r#"{"raw":1}"#),
            ("{}", "{}"),
        ] {
            let mut out = Vec::new();
            assert!(members.write(row.as_bytes(), &mut out));
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
        assert_eq!(members.unseen().collect::<Vec<_>>(), ["none"]);
        for other in ["text", "[1]", "\"a\"", "{\"a\":1"] {
            assert!(!members.write(other.as_bytes(), &mut Vec::new()), "{other}");
        }
    }
}
