//! HTTP: the same bytes mean the same however they arrive, bodies are as long as they say, keys
//! survive escaping.

use graven_wire::http::{self, Body, Limits, Method, UriComponent};

use crate::pieces::same_in_pieces;

const LIMITS: Limits = Limits { head_bytes_max: 400, headers_max: 8, body_bytes_max: 200 };

/// The request decoder, targets and escapes.
pub fn request(input: &[u8]) {
    same_in_pieces(input, || {
        let mut remembers = http::RequestDecoder::new(LIMITS, http::Hosts::any());
        move |bytes: &[u8]| {
            let decoded = http::decode_request(bytes, &LIMITS);
            assert_eq!(remembers.decode(bytes), decoded, "a decoder that knows other requests");
            assert_eq!(remembers.decode(bytes), decoded, "a decoder that knows this one");
            decoded.map(|request| {
                check_body(request.body);
                check_lists(&request);
                let (path, query) = http::split_target(request.target);
                check_escapes(path, UriComponent::Path);
                if let Some(key) = query.and_then(|query| http::find_parameter(query, b"key")) {
                    check_escapes(key, UriComponent::Query);
                }
                Some(format!(
                    "{:?} {:?}",
                    http::Request { body: Body::default(), ..request },
                    body(request.body)
                ))
            })
        }
    });
}

/// Lists are read whatever they hold.
fn check_lists(request: &http::Request<'_>) {
    if let Some(accept) = request.accept {
        assert!(accept.quality_of("application/json") <= 1000);
    }
    if let Some(tags) = request.if_none_match {
        let _ = tags.name(b"\"tag\"");
    }
}

fn body(body: Body<'_>) -> Vec<u8> {
    let mut data = Vec::new();
    body.append_to(&mut data);
    data
}

fn check_body(body: Body<'_>) {
    let length: usize = body.pieces().map(<[u8]>::len).sum();
    assert_eq!(length, body.len());
    assert!(length <= LIMITS.body_bytes_max);
}

fn check_escapes(escaped: &[u8], place: UriComponent) {
    let mut room = Vec::new();
    let Ok(key) = http::unescape(escaped, place, &mut room) else { return };
    if http::is_plain(escaped, place) {
        assert_eq!(key, escaped);
    }
    let mut again = Vec::new();
    http::escape(key, &mut again);
    let mut room = Vec::new();
    assert_eq!(http::unescape(&again, place, &mut room), Ok(key));
}

/// The response decoder.
pub fn response(input: &[u8]) {
    let Some((&first, input)) = input.split_first() else { return };
    let method = if first & 1 == 0 { Method::Get } else { Method::Head };
    same_in_pieces(input, || {
        |bytes: &[u8]| {
            http::decode_response(bytes, method, false, &LIMITS).map(|response| {
                check_body(response.body);
                Some(format!(
                    "{:?} {:?}",
                    http::Response { body: Body::default(), ..response },
                    body(response.body)
                ))
            })
        }
    });
}
