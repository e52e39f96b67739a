//! The fields of one hash, as they are read.

use std::collections::HashSet;

use graven_format::{BASE64_SUFFIX, VALUE_BYTES_MAX};

/// The fields of one hash: names and values, in the order in which they came.
#[derive(Clone, Debug, Default)]
pub struct HashFields {
    bytes: Vec<u8>,
    /// Where each name, and behind it each value, ends.
    ends: Vec<(usize, usize)>,
    name_end: usize,
}

impl HashFields {
    /// Forgets them.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.name_end = 0;
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of all names and values.
    pub fn byte_count(&self) -> usize {
        self.bytes.len()
    }

    /// How many more bytes a hash may have.
    pub(crate) fn room(&self) -> usize {
        VALUE_BYTES_MAX.saturating_sub(self.bytes.len())
    }

    /// Adds a field.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        self.name().extend_from_slice(name);
        self.value().extend_from_slice(value);
        self.end();
    }

    /// Where the name of the next field is appended.
    pub(crate) fn name(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Where its value is appended, when the name is there.
    pub(crate) fn value(&mut self) -> &mut Vec<u8> {
        self.name_end = self.bytes.len();
        &mut self.bytes
    }

    /// Its value is there.
    pub(crate) fn end(&mut self) {
        self.ends.push((self.name_end, self.bytes.len()));
    }

    /// Takes back the field that was added last.
    pub(crate) fn pop(&mut self) {
        self.ends.pop();
        self.bytes.truncate(self.ends.last().map_or(0, |&(_, end)| end));
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut start = 0;
        self.ends.iter().map(move |&(name_end, end)| {
            let field = (&self.bytes[start..name_end], &self.bytes[name_end..end]);
            start = end;
            field
        })
    }

    /// A name that comes twice.
    pub(crate) fn repeated(&self) -> Option<&[u8]> {
        /// Fields up to which comparing all is quicker than a set of them.
        const FEW: usize = 12;
        if self.len() <= FEW {
            let mut names = self.iter().map(|(name, _)| name);
            while let Some(name) = names.next() {
                let behind = self.len() - names.size_hint().0;
                if self.iter().take(behind - 1).any(|(before, _)| before == name) {
                    return Some(name);
                }
            }
            return None;
        }
        let mut seen = HashSet::with_capacity(self.len());
        self.iter().map(|(name, _)| name).find(|name| !seen.insert(*name))
    }

    /// Writes them as one JSON object, whose members are strings; a value that is not UTF-8 is
    /// base64, under the name with [`BASE64_SUFFIX`]. The first name that is not UTF-8 is an error.
    pub fn write_json(&self, out: &mut Vec<u8>) -> Result<(), Vec<u8>> {
        use base64::Engine as _;
        use base64::engine::general_purpose::STANDARD;
        let string = |text: &str, out: &mut Vec<u8>| {
            // Writing a string into a vector cannot fail.
            let _ = serde_json::to_writer(out, text);
        };
        out.push(b'{');
        for (i, (name, value)) in self.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            let Ok(name) = std::str::from_utf8(name) else { return Err(name.to_vec()) };
            match std::str::from_utf8(value) {
                Ok(value) => {
                    string(name, out);
                    out.push(b':');
                    string(value, out);
                }
                Err(_) => {
                    string(&format!("{name}{BASE64_SUFFIX}"), out);
                    out.push(b':');
                    string(&STANDARD.encode(value), out);
                }
            }
        }
        out.push(b'}');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&[u8], &[u8])]) -> HashFields {
        let mut fields = HashFields::default();
        pairs.iter().for_each(|(name, value)| fields.push(name, value));
        fields
    }

    #[test]
    fn a_hash_is_an_object_of_strings() {
        let mut out = Vec::new();
        fields(&[(b"name", b"Ada \"L\""), (b"born", b"1815"), (b"raw", b"\xFF"), (b"", b"")])
            .write_json(&mut out)
            .unwrap();
        assert_eq!(out, br#"{"name":"Ada \"L\"","born":"1815","raw_base64":"/w==","":""}"#);
        assert_eq!(fields(&[(b"a\xFF", b"")]).write_json(&mut out), Err(b"a\xFF".to_vec()));
    }

    #[test]
    fn a_name_that_comes_twice_is_found_among_few_and_among_many() {
        for count in [1, 2, 3, 12, 13, 100] {
            let names: Vec<String> = (0..count).map(|number| number.to_string()).collect();
            let mut many = HashFields::default();
            names.iter().for_each(|name| many.push(name.as_bytes(), b"value"));
            assert_eq!(many.repeated(), None, "{count}");
            many.push(names[count / 2].as_bytes(), b"");
            assert_eq!(many.repeated(), Some(names[count / 2].as_bytes()), "{count}");
            many.pop();
            assert_eq!((many.len(), many.repeated()), (count, None));
        }
    }
}
