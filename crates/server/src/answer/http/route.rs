//! What each path asks for.

use graven_wire::http::{Method, Request, UriComponent, find_parameter, split_target};

use super::status;

const READING_METHODS: &str = "GET, HEAD, OPTIONS";
const MGET_METHODS: &str = "POST, OPTIONS";
const ALL_METHODS: &str = "GET, HEAD, POST, OPTIONS";
pub(super) const HEALTH: &[u8] = b"/healthz";
/// Where it is answered whether the server is ready. Who asks for that or the health says any `Host`, or none.
pub(super) const READINESS: &[u8] = b"/readyz";
pub(super) const MISSING_KEY: &str = "Missing 'key' parameter in the query string";
const EMPTY_KEY: &str = "The key is empty";
pub(super) const NO_SUCH_PATH: &str = "No such path: keys are answered at /?key=K, /v1/kv/K and /v1/mget";
pub(super) const HEALTHY: &str = "ok";

/// What a request asks for.
pub(super) enum Route<'a> {
    Key(&'a [u8], UriComponent),
    Text(u16, &'static str),
    /// `/` alone: of a browser the status page, else a key that is missing.
    Front,
    /// The page for people, and the same for programs.
    StatusPage,
    StatusJson,
    ManyKeys,
    /// `OPTIONS`: the methods that the path is answered to.
    Methods(&'static str),
    BadMethod(&'static str),
    /// Whether the server lives.
    Alive,
    Metrics,
    Stats,
    /// Whether the server is ready.
    Ready,
    /// What tables there are.
    Tables,
    /// What there is to say of one.
    Table(&'a [u8]),
}

impl Route<'_> {
    /// The path as a pattern, for where requests are recorded: what peers make up is no part of it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Key(_, UriComponent::Query) => "/?key={key}",
            Self::Key(_, UriComponent::Path) => "/v1/kv/{key}",
            Self::ManyKeys => "/v1/mget",
            Self::Front => "/",
            Self::StatusPage => "/status",
            Self::StatusJson => "/status.json",
            Self::Alive => "/healthz",
            Self::Ready => "/readyz",
            Self::Metrics => "/metrics",
            Self::Stats => "/stats.json",
            Self::Tables => "/v1/tables",
            Self::Table(_) => "/v1/tables/{table}",
            Self::Text(..) | Self::Methods(_) | Self::BadMethod(_) => "other",
        }
    }
}

/// What a request asks for, and the table whose keys it asks for, as far as it names one.
#[inline]
pub(super) fn route<'a>(request: &Request<'a>) -> (Route<'a>, Option<&'a [u8]>) {
    let (path, query) = split_target(request.target);
    let known = match path {
        b"/" => match query.and_then(|query| find_parameter(query, b"key")) {
            Some(key) => Route::Key(key, UriComponent::Query),
            None if query.is_none() => Route::Front,
            None => Route::Text(400, MISSING_KEY),
        },
        _ => match path.strip_prefix(b"/v1/kv/") {
            Some([]) => Route::Text(400, EMPTY_KEY),
            Some(key) => Route::Key(key, UriComponent::Path),
            None => return other_route(path, request.method),
        },
    };
    (allowed(known, request.method), None)
}

/// What is asked for by a path that names a table, or no key.
#[inline(never)]
fn other_route(path: &[u8], method: Method) -> (Route<'_>, Option<&[u8]>) {
    let known = match path {
        b"/v1/mget" => return (many_keys(method), None),
        HEALTH => Route::Alive,
        READINESS => Route::Ready,
        b"/metrics" => Route::Metrics,
        b"/stats.json" => Route::Stats,
        status::PATH => Route::StatusPage,
        b"/status.json" => Route::StatusJson,
        b"/v1/tables" | b"/v1/tables/" => Route::Tables,
        _ => match path.strip_prefix(b"/v1/tables/") {
            Some(path) => return table_route(path, method),
            None if method == Method::Options => Route::Methods(ALL_METHODS),
            None => Route::Text(404, NO_SUCH_PATH),
        },
    };
    let is_path = !matches!(known, Route::Text(404, _) | Route::Methods(_));
    (if is_path { allowed(known, method) } else { known }, None)
}

/// The same of `NAME`, `NAME/kv/K` and `NAME/mget`.
fn table_route(path: &[u8], method: Method) -> (Route<'_>, Option<&[u8]>) {
    let Some(end) = memchr::memchr(b'/', path) else { return (allowed(Route::Table(path), method), None) };
    let (name, rest) = (&path[..end], &path[end..]);
    match rest {
        b"/mget" => (many_keys(method), Some(name)),
        b"/kv/" => (allowed(Route::Text(400, EMPTY_KEY), method), None),
        _ => match rest.strip_prefix(b"/kv/") {
            Some(key) => (allowed(Route::Key(key, UriComponent::Path), method), Some(name)),
            None => (Route::Text(404, NO_SUCH_PATH), None),
        },
    }
}

fn many_keys(method: Method) -> Route<'static> {
    if method == Method::Post { Route::ManyKeys } else { other_method(method, MGET_METHODS) }
}

/// A path that is read.
#[inline]
fn allowed(route: Route<'_>, method: Method) -> Route<'_> {
    match method {
        Method::Get | Method::Head => route,
        other => other_method(other, READING_METHODS),
    }
}

/// What a path is answered that knows the methods `allow`, and not this one but for `OPTIONS`.
#[cold]
fn other_method(method: Method, allow: &'static str) -> Route<'static> {
    if method == Method::Options { Route::Methods(allow) } else { Route::BadMethod(allow) }
}
