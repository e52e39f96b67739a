//! The command with which a person can ask a server that has just started for a key that its table
//! really holds.

use std::path::Path;

use graven_catalog::Snapshot;
use graven_format::Store;
use graven_server::{Endpoint, Location, Speaks, TlsMode};
use graven_wire::http;

use crate::shell;

/// Buckets in which a key is looked for. All but a few hold some.
const BUCKETS_MAX: u64 = 64;

/// The longest key that is shown, in bytes as it stands in a URL.
const ESCAPED_MAX: usize = 200;

/// A `curl` of a key of the default table, or of one that it names, at the first of `endpoints` that speaks HTTP; `None` where there is
/// no such endpoint, or no key of a length that people type.
pub(crate) fn curl<'e>(
    snapshot: &Snapshot,
    mut endpoints: impl Iterator<Item = &'e Endpoint>,
    certificate: Option<&Path>,
) -> Option<String> {
    let endpoint = endpoints.find(|endpoint| matches!(endpoint.speaks, Speaks::Any | Speaks::Http))?;
    let chosen = match &endpoint.table {
        Some(name) => Some(snapshot.named(name.as_str())?),
        None => snapshot.default_table(),
    };
    // Where none answers unless it is named, the first one is named.
    let named = snapshot.tables().filter(|_| chosen.is_none());
    chosen.into_iter().chain(named).find_map(|table| {
        let key = some_key(table.current()?.store())?;
        let path = match chosen {
            Some(_) => format!("/?key={key}"),
            None => format!("/v1/tables/{}/kv/{key}", table.name()),
        };
        Some(command(endpoint, certificate, &path))
    })
}

/// The command line, for any shell. The key in `path` is escaped.
fn command(endpoint: &Endpoint, certificate: Option<&Path>, path: &str) -> String {
    let (scheme, trust) = match (endpoint.tls, certificate) {
        // Trusted by itself, whoever has issued it.
        (Some(TlsMode::On), Some(file)) => {
            ("https", format!(" --cacert {}", shell::file(&file.display().to_string())))
        }
        (Some(TlsMode::On), None) => ("https", String::new()),
        _ => ("http", String::new()),
    };
    match &endpoint.location {
        Location::Tcp { host, port } => {
            // Addresses that mean all of this machine's are not ones to connect to.
            let host = match host.as_str() {
                "0.0.0.0" => "127.0.0.1",
                "::" => "::1",
                host => host,
            };
            let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
            format!("curl{trust} '{scheme}://{host}:{port}{path}'")
        }
        Location::Unix(socket) => {
            let socket = socket.display().to_string().replace('\'', r"'\''");
            format!("curl{trust} --unix-socket '{socket}' '{scheme}://localhost{path}'")
        }
    }
}

/// A key of `store`, escaped: the first short one in the order of the table. What is damaged is
/// passed over here; a lookup of it says so.
fn some_key(store: &Store) -> Option<String> {
    for bucket in 0..store.buckets().min(BUCKETS_MAX) {
        let mut found = None;
        let _ = store.keys_in(bucket, |key| {
            if found.is_none() && key.len() <= ESCAPED_MAX {
                let mut escaped = Vec::new();
                http::escape(key, &mut escaped);
                found = String::from_utf8(escaped).ok().filter(|escaped| escaped.len() <= ESCAPED_MAX);
            }
        });
        if found.is_some() {
            return found;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use graven_catalog::Catalog;
    use graven_format::{Builder, Options};

    use super::*;

    fn store(keys: &[&[u8]]) -> Store {
        let mut builder = Builder::new(Options::default());
        keys.iter().for_each(|key| builder.add(key, b"value").unwrap());
        builder.finish().unwrap().0
    }

    fn curl_at(endpoints: &[&str], keys: &[&[u8]]) -> Option<String> {
        let endpoints: Vec<Endpoint> = endpoints.iter().map(|text| text.parse().unwrap()).collect();
        let catalog = Catalog::new("table", "only", store(keys));
        curl(&catalog.snapshot(), endpoints.iter(), Some(Path::new("a b.pem")))
    }

    #[test]
    fn it_is_for_a_key_of_the_table_at_an_address_that_can_be_connected_to() {
        for (endpoint, command) in [
            ("127.0.0.1:8000", "curl 'http://127.0.0.1:8000/?key=a'"),
            ("http://localhost:80", "curl 'http://localhost:80/?key=a'"),
            ("0.0.0.0:8000", "curl 'http://127.0.0.1:8000/?key=a'"),
            ("[::]:8000", "curl 'http://[::1]:8000/?key=a'"),
            ("https://localhost:80", "curl --cacert 'a b.pem' 'https://localhost:80/?key=a'"),
            ("127.0.0.1:80?tls=both", "curl 'http://127.0.0.1:80/?key=a'"),
            ("unix:/run/it's.sock", r"curl --unix-socket '/run/it'\''s.sock' 'http://localhost/?key=a'"),
        ] {
            assert_eq!(curl_at(&[endpoint], &[b"a"]).as_deref(), Some(command));
        }
    }

    #[test]
    fn it_is_for_the_first_address_that_speaks_http() {
        let endpoints = ["resp://127.0.0.1:1", "memcached://127.0.0.1:2", "127.0.0.1:3", "127.0.0.1:4"];
        let command = curl_at(&endpoints, &[b"a"]);
        assert_eq!(command.as_deref(), Some("curl 'http://127.0.0.1:3/?key=a'"));
        assert_eq!(curl_at(&endpoints[..2], &[b"a"]), None);
    }

    #[test]
    fn no_byte_of_a_key_means_anything_to_a_shell_or_in_a_url() {
        let command = curl_at(&["127.0.0.1:1"], &[b"a'b c&d+%\x1b\xff\0[1-9]{x}$(y)#"]);
        let escaped = "a%27b%20c%26d%2B%25%1B%FF%00%5B1-9%5D%7Bx%7D%24%28y%29%23";
        assert_eq!(command.unwrap(), format!("curl 'http://127.0.0.1:1/?key={escaped}'"));
    }

    #[test]
    fn where_no_table_is_the_default_it_names_one() {
        let catalog = Catalog::new("prices", "only", store(&[b"a b"]));
        let id = catalog.add("users".parse().unwrap());
        catalog.switch_to(id, "only".parse().unwrap(), store(&[b"u"]));
        let curl_at = |endpoint: &str| {
            let endpoint: Endpoint = endpoint.parse().unwrap();
            curl(&catalog.snapshot(), std::iter::once(&endpoint), None).unwrap()
        };
        assert_eq!(curl_at("127.0.0.1:1"), "curl 'http://127.0.0.1:1/v1/tables/prices/kv/a%20b'");
        assert_eq!(curl_at("127.0.0.1:1?table=users"), "curl 'http://127.0.0.1:1/?key=u'");
    }

    #[test]
    fn there_is_none_for_an_empty_table_or_where_all_keys_are_long() {
        let (long, escaped_long) = ([b'x'; ESCAPED_MAX + 1], [b' '; ESCAPED_MAX / 3 + 1]);
        assert_eq!(curl_at(&["127.0.0.1:1"], &[]), None);
        assert_eq!(curl_at(&["127.0.0.1:1"], &[&long, &escaped_long]), None);
        let command = curl_at(&["127.0.0.1:1"], &[&long, &escaped_long, b"short"]);
        assert_eq!(command.unwrap(), "curl 'http://127.0.0.1:1/?key=short'");
    }
}
