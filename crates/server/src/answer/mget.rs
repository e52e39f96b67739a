//! `POST /v1/mget`: many keys in one JSON document, many values in another, or one line each as they are found.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use graven_wire::http::{encode_chunk, encode_last_chunk};
use serde::Deserialize;
use serde_json::to_writer;

use super::Desk;
use super::batch::{Said, Unfinished};
use super::http::count;
use crate::output::Output;

/// How the values are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// `{"values":[…]}`, in the order of the keys.
    Document,
    /// A line `{"key":…,"value":…}` for each key.
    Lines,
}

impl Layout {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Document => "application/json",
            Self::Lines => "application/x-ndjson",
        }
    }
}

/// How the client learns where the answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Chunked,
    /// The connection closes, for HTTP/1.0.
    Closing,
}

/// An answer that is on its way.
#[derive(Debug)]
pub(super) struct Answering {
    keys: Unfinished,
    layout: Layout,
    pub(super) ending: Ending,
    pub(super) keep_alive: bool,
    /// Something was written already.
    begun: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    keys: Vec<Key>,
}

/// Text as it is, any other bytes in base64.
#[derive(Deserialize)]
#[serde(untagged)]
enum Key {
    Text(String),
    Bytes { base64: String },
}

impl Answering {
    /// Reads the keys in `body`, or says what is wrong with it.
    pub(super) fn read(
        body: &[u8],
        layout: Layout,
        ending: Ending,
        keep_alive: bool,
    ) -> Result<Self, String> {
        let asked: Asked = serde_json::from_slice(body)
            .map_err(|error| format!(r#"The body is not of the form {{"keys":["a","b"]}}: {error}"#))?;
        let mut keys = Vec::with_capacity(asked.keys.len());
        for key in asked.keys {
            keys.push(match key {
                Key::Text(text) => text.into_bytes(),
                Key::Bytes { base64 } => {
                    STANDARD.decode(&base64).map_err(|error| format!("A key is not base64: {error}"))?
                }
            });
        }
        let keys = Unfinished::of(keys.iter().map(Vec::as_slice));
        Ok(Self { keys, layout, ending, keep_alive, begun: false })
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.keys.held_bytes()
    }
}

impl Desk<'_> {
    /// Answers more of the keys, as far as the output has room: whether that was all.
    pub(super) fn go_on_with_http_mget(&mut self, answering: &mut Answering, out: &mut Vec<u8>) -> bool {
        let Answering { keys, layout, begun, .. } = answering;
        let mut piece = Output::new(self.store);
        if !*begun && *layout == Layout::Document {
            piece.extend_from_slice(br#"{"values":["#);
        }
        let (tried, mut left) = self.answer_many(keys.left(), &mut piece, |key, said, piece| {
            if *layout == Layout::Document {
                if std::mem::replace(begun, true) {
                    piece.push(b',');
                }
                value(said, piece);
            } else {
                piece.extend_from_slice(br#"{"key":"#);
                text_or_base64(key, piece);
                piece.extend_from_slice(br#","value":"#);
                value(said, piece);
                piece.extend_from_slice(b"}\n");
            }
        });
        let finished = left.next().is_none();
        if tried.keys == 0 && !finished {
            return false;
        }
        keys.answered(tried.keys);
        count(&self.tally.http, tried);
        if finished && *layout == Layout::Document {
            piece.extend_from_slice(b"]}\n");
        }
        *begun = true;
        match answering.ending {
            Ending::Chunked => encode_chunk(&piece, out),
            Ending::Closing => out.extend_from_slice(&piece),
        }
        if finished && answering.ending == Ending::Chunked {
            encode_last_chunk(out);
        }
        finished
    }
}

fn value(said: Said<'_>, out: &mut Vec<u8>) {
    match said {
        Said::Value(value) => text_or_base64(value, out),
        Said::Nothing => out.extend_from_slice(b"null"),
        Said::Damaged => out.extend_from_slice(br#"{"error":"damaged"}"#),
    }
}

fn text_or_base64(bytes: &[u8], out: &mut Vec<u8>) {
    // Writing a string into memory cannot fail.
    let _ = match std::str::from_utf8(bytes) {
        Ok(text) => to_writer(out, text),
        Err(_) => {
            out.extend_from_slice(br#"{"base64":"#);
            let written = to_writer(&mut *out, &STANDARD.encode(bytes));
            out.push(b'}');
            written
        }
    };
}
