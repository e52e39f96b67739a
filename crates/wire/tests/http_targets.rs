//! Keys in request targets: found, unescaped once, and escaped.

use graven_wire::http::{BadEscape, UriComponent, escape, find_parameter, is_plain, split_target, unescape};

fn key_of(query: &str) -> Option<Result<Vec<u8>, BadEscape>> {
    let raw = find_parameter(query.as_bytes(), b"key")?;
    Some(unescape(raw, UriComponent::Query, &mut b"old bytes".to_vec()).map(<[u8]>::to_vec))
}

fn split(target: &str) -> (&str, Option<&str>) {
    let (path, query) = split_target(target.as_bytes());
    let text = |bytes| std::str::from_utf8(bytes).unwrap();
    (text(path), query.map(text))
}

#[test]
fn a_target_splits_at_its_first_question_mark() {
    assert_eq!(split("/"), ("/", None));
    assert_eq!(split("/a//b/../c?"), ("/a//b/../c", Some("")));
    assert_eq!(split("/?key=a?b"), ("/", Some("key=a?b")));
    assert_eq!(split("*"), ("*", None));
}

#[test]
fn an_absolute_target_loses_scheme_and_host() {
    assert_eq!(split("http://x:80/a?b"), ("/a", Some("b")));
    assert_eq!(split("HTTP://x"), ("/", None));
    assert_eq!(split("http://x?b"), ("/", Some("b")));
    assert_eq!(split("ftp://x/a?b"), ("ftp://x/a", Some("b")));
}

#[test]
fn the_first_key_parameter_wins() {
    assert_eq!(key_of("key=a&key=b"), Some(Ok(b"a".to_vec())));
    assert_eq!(key_of("x=1&key=a"), Some(Ok(b"a".to_vec())));
    assert_eq!(key_of("k%65y=a&key=b"), Some(Ok(b"a".to_vec())));
    assert_eq!(key_of("key=a=b"), Some(Ok(b"a=b".to_vec())));
}

#[test]
fn a_parameter_without_a_value_or_with_another_name_is_none() {
    for query in ["key=", "key", "key=&", "key=&key", "&key=&x=a", "k%65y="] {
        assert_eq!(key_of(query), None, "{query}");
    }
    for query in ["key=&key=a", "key&key=a&key=b", "key=&k%65y=a", "&&key=a&key="] {
        assert_eq!(key_of(query), Some(Ok(b"a".to_vec())), "{query}");
    }
    assert_eq!(key_of("key=+"), Some(Ok(b" ".to_vec())));
    assert_eq!(key_of("Key=a"), None);
    assert_eq!(key_of("keys=a&ke=y"), None);
    assert_eq!(key_of(""), None);
    assert_eq!(key_of("&&"), None);
    assert_eq!(key_of("%6=a"), None);
}

#[test]
fn a_key_is_decoded_once() {
    assert_eq!(key_of("key=a%2520b"), Some(Ok(b"a%20b".to_vec())));
    assert_eq!(key_of("key=a+b%2B%26%3d%00%fF"), Some(Ok(b"a b+&=\0\xff".to_vec())));
}

#[test]
fn a_plus_is_a_space_in_the_query_only() {
    let mut room = Vec::new();
    assert_eq!(unescape(b"a+b", UriComponent::Query, &mut room), Ok(&b"a b"[..]));
    assert_eq!(unescape(b"a+b", UriComponent::Path, &mut room), Ok(&b"a+b"[..]));
    assert_eq!(unescape(b"a+b%20c", UriComponent::Path, &mut room), Ok(&b"a+b c"[..]));
    assert!(is_plain(b"a+b", UriComponent::Path) && !is_plain(b"a+b", UriComponent::Query));
}

#[test]
fn a_broken_escape_is_an_error() {
    for broken in ["key=%", "key=%4", "key=%4g", "key=%g4", "key=%%41", "key=%+1"] {
        assert_eq!(key_of(broken), Some(Err(BadEscape)), "{broken}");
    }
}

#[test]
fn every_byte_escaped_stands_for_itself_in_path_and_query() {
    let every: Vec<u8> = (0..=255).collect();
    let mut escaped = Vec::new();
    escape(&every, &mut escaped);
    assert!(escaped.is_ascii() && !escaped.contains(&b' ') && !escaped.contains(&b'/'));
    for place in [UriComponent::Path, UriComponent::Query] {
        assert_eq!(unescape(&escaped, place, &mut Vec::new()), Ok(&every[..]));
    }
}
