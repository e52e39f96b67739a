//! HTTP requests answered: `GET|HEAD /?key=K`, `GET|HEAD /v1/kv/K`, `GET|HEAD /healthz`.

use arrayvec::ArrayVec;
use graven_wire::Decoded;
use graven_wire::http::{
    self, Connection, Length, Method, Place, Request, ResponseHead, Version, decode_request, encode_head,
    expects_continue, find_parameter, is_plain, split_target, unescape,
};

use super::{Answered, BATCH_KEYS_MAX, Desk, Found, HttpSession, Next};

const TEXT: Option<&str> = Some("text/plain");
const READING_METHODS: &str = "GET, HEAD";
const NOT_FOUND: &str = "Key not found";
const MISSING_KEY: &str = "Missing 'key' parameter in the query string";
const BAD_ESCAPE: &str = "A % in the key is not followed by two hexadecimal digits";
const NO_SUCH_PATH: &str = "No such path: keys are answered at /?key=K and /v1/kv/K";
const BAD_METHOD: &str = "Only GET and HEAD are answered here";
const DAMAGED: &str = "The table is damaged where this key would lie";
const HEALTHY: &str = "ok";

/// What a request asks for.
enum Route<'a> {
    Key(&'a [u8], Place),
    Text(u16, &'static str),
}

fn route<'a>(request: &Request<'a>) -> Route<'a> {
    let (path, query) = split_target(request.target);
    let known = match path {
        "/" => match query.and_then(|query| find_parameter(query, b"key")) {
            Some(key) => Route::Key(key, Place::Query),
            None => Route::Text(400, MISSING_KEY),
        },
        "/healthz" => Route::Text(200, HEALTHY),
        _ => match path.strip_prefix("/v1/kv/") {
            Some(key) => Route::Key(key.as_bytes(), Place::Path),
            None => return Route::Text(404, NO_SUCH_PATH),
        },
    };
    match request.method {
        Method::Get | Method::Head => known,
        _ => Route::Text(405, BAD_METHOD),
    }
}

/// Lookups that wait to be answered together, and where in the input each request ends.
#[derive(Default)]
struct Waiting<'a> {
    keys: ArrayVec<&'a [u8], BATCH_KEYS_MAX>,
    ends: ArrayVec<usize, BATCH_KEYS_MAX>,
}

impl Desk<'_> {
    pub(super) fn answer_http(
        &mut self,
        session: &mut HttpSession,
        input: &[u8],
        date: &str,
        out: &mut Vec<u8>,
    ) -> Answered {
        let mut waiting = Waiting::default();
        // Requests before `done` are answered, those between `done` and `at` wait.
        let (mut done, mut at) = (0, 0);
        loop {
            if out.len() >= self.options.output_bytes_max && at < input.len() {
                return Answered { consumed: done, next: Next::Full };
            }
            match decode_request(&input[at..], self.http_limits()) {
                Decoded::Message(request, bytes) => {
                    session.continue_sent = false;
                    at += bytes;
                    if let Some(key) = batched_key(&request) {
                        waiting.keys.push(key);
                        waiting.ends.push(at);
                        if waiting.keys.len() >= self.batch_keys {
                            done = self.answer_waiting(&mut waiting, date, out);
                            if done < at {
                                return Answered { consumed: done, next: Next::Full };
                            }
                        }
                        continue;
                    }
                    let before = at - bytes;
                    if !waiting.keys.is_empty() {
                        done = self.answer_waiting(&mut waiting, date, out);
                        if done < before {
                            return Answered { consumed: done, next: Next::Full };
                        }
                    }
                    done = at;
                    if !self.answer_one(&request, date, out) {
                        return Answered { consumed: at, next: Next::Close };
                    }
                }
                Decoded::NeedMore => {
                    if !waiting.keys.is_empty() {
                        done = self.answer_waiting(&mut waiting, date, out);
                        if done < at {
                            return Answered { consumed: done, next: Next::Full };
                        }
                    }
                    if at < input.len() && !session.continue_sent {
                        session.continue_sent = expects_continue(&input[at..], self.http_limits());
                        if session.continue_sent {
                            out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
                        }
                    }
                    return Answered { consumed: at, next: Next::NeedMore };
                }
                Decoded::Invalid(error) => {
                    if !waiting.keys.is_empty() {
                        done = self.answer_waiting(&mut waiting, date, out);
                        if done < at {
                            return Answered { consumed: done, next: Next::Full };
                        }
                    }
                    refuse(error.status(), error.message(), date, out);
                    return Answered { consumed: input.len(), next: Next::Refused(error.message()) };
                }
            }
        }
    }

    /// Answers the lookups that wait, as far as the output has room: where in the input the last answered request ends.
    fn answer_waiting(&mut self, waiting: &mut Waiting<'_>, date: &str, out: &mut Vec<u8>) -> usize {
        let keys = std::mem::take(&mut waiting.keys);
        let ends = std::mem::take(&mut waiting.ends);
        let last = ends[ends.len() - 1];
        if keys.len() == 1 || !self.get_many(&keys) {
            // One by one, so that a damaged place costs only its own key.
            for (&key, &end) in keys.iter().zip(&ends) {
                let found = self.get(key);
                self.answer_found(found, ONE, date, out);
                if out.len() >= self.options.output_bytes_max {
                    return end;
                }
            }
            return last;
        }
        let (mut value_bytes, mut answered) = (0, last);
        for (i, &end) in ends.iter().enumerate() {
            match self.batch.value(i) {
                Some(value) => {
                    value_bytes += value.len();
                    encode_head(&ResponseHead { length: Length::Bytes(value.len()), ..head(200, date) }, out);
                    out.extend_from_slice(value);
                }
                None => text(404, NOT_FOUND, ONE, date, out),
            }
            if out.len() >= self.options.output_bytes_max {
                answered = end;
                break;
            }
        }
        self.batch_is_answered(keys.len(), value_bytes);
        answered
    }

    /// Answers one request of any kind: whether the connection stays.
    fn answer_one(&mut self, request: &Request<'_>, date: &str, out: &mut Vec<u8>) -> bool {
        let manner = Manner {
            body: request.method != Method::Head,
            connection: match (request.keep_alive, request.version) {
                (false, _) => Connection::Close,
                (true, Version::Http10) => Connection::KeepAlive,
                (true, Version::Http11) => Connection::Unsaid,
            },
        };
        match route(request) {
            Route::Text(status, words) => text(status, words, manner, date, out),
            Route::Key(escaped, place) => {
                let mut room = std::mem::take(&mut self.key);
                match unescape(escaped, place, &mut room) {
                    Ok(key) => {
                        let found = self.get(key);
                        self.answer_found(found, manner, date, out);
                    }
                    Err(http::BadEscape) => text(400, BAD_ESCAPE, manner, date, out),
                }
                self.key = room;
            }
        }
        request.keep_alive
    }

    fn answer_found(&self, found: Found, manner: Manner, date: &str, out: &mut Vec<u8>) {
        match found {
            Found::Yes => {
                let length = Length::Bytes(self.value.len());
                encode_head(&ResponseHead { length, connection: manner.connection, ..head(200, date) }, out);
                if manner.body {
                    out.extend_from_slice(&self.value);
                }
            }
            Found::No => text(404, NOT_FOUND, manner, date, out),
            Found::Damaged => text(500, DAMAGED, manner, date, out),
        }
    }
}

/// How an answer is dressed for the request that it belongs to.
#[derive(Clone, Copy)]
struct Manner {
    /// Whether the body is sent and not only its length.
    body: bool,
    connection: Connection,
}

/// The answer to a plain HTTP/1.1 `GET`.
const ONE: Manner = Manner { body: true, connection: Connection::Unsaid };

/// The key of a request that can be answered in a batch: a plain HTTP/1.1 `GET` of a key without escapes, on a
/// connection that stays.
fn batched_key<'a>(request: &Request<'a>) -> Option<&'a [u8]> {
    if request.method != Method::Get || request.version != Version::Http11 || !request.keep_alive {
        return None;
    }
    match route(request) {
        Route::Key(key, place) if is_plain(key, place) => Some(key),
        _ => None,
    }
}

fn head(status: u16, date: &str) -> ResponseHead<'_> {
    ResponseHead {
        status,
        length: Length::Untold,
        content_type: TEXT,
        date,
        connection: Connection::Unsaid,
        etag: None,
        allow: None,
        headers: &[],
    }
}

fn text(status: u16, words: &str, manner: Manner, date: &str, out: &mut Vec<u8>) {
    let head = ResponseHead {
        length: Length::Bytes(words.len()),
        connection: manner.connection,
        allow: (status == 405).then_some(READING_METHODS),
        ..head(status, date)
    };
    encode_head(&head, out);
    if manner.body {
        out.extend_from_slice(words.as_bytes());
    }
}

/// Says why the connection is about to be closed.
pub(super) fn refuse(status: u16, words: &str, date: &str, out: &mut Vec<u8>) {
    text(status, words, Manner { body: true, connection: Connection::Close }, date, out);
}
