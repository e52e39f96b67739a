//! The server's limits as flags of `graven serve`, each with its default.

use std::num::NonZeroUsize;
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use graven_server::{Options, Origin};

/// What [`Options`] can be told, but for the threads.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Limits {
    /// Connections open at once; one more is closed as soon as it is accepted
    #[arg(long, value_name = "N", default_value_t = 50_000, help_heading = CONNECTIONS)]
    max_connections: usize,
    /// Connections that the kernel holds until they are accepted
    #[arg(long, value_name = "N", default_value_t = 4096, help_heading = CONNECTIONS)]
    backlog: u32,
    /// Connections whose first request comes with the opening packet (TCP Fast Open), as many as may wait; 0 for none
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = CONNECTIONS)]
    fast_open: u32,
    /// How long an HTTP connection may be idle, or `none` for ever
    #[arg(long, value_name = "TIME", default_value = "75s", help_heading = CONNECTIONS)]
    http_idle_timeout: Wait,
    /// How long a Redis or memcached connection may be idle, or `none` for ever
    #[arg(long, value_name = "TIME", default_value = "none", help_heading = CONNECTIONS)]
    idle_timeout: Wait,
    /// How long a request may take from its first byte to its last
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration, help_heading = CONNECTIONS)]
    request_timeout: Duration,
    /// How long a peer may leave its answers unread
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = humantime::parse_duration, help_heading = CONNECTIONS)]
    write_timeout: Duration,
    /// How long a stop waits for what is in flight
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = humantime::parse_duration, help_heading = CONNECTIONS)]
    drain_timeout: Duration,
    /// Answers that wait for one connection's peer; at this many its further requests wait
    #[arg(long, value_name = "SIZE", default_value = "256KiB", help_heading = CONNECTIONS)]
    max_output: ByteSize,
    /// Requests and answers that wait in the buffers of all connections together
    #[arg(long, value_name = "SIZE", default_value = "1GiB", help_heading = CONNECTIONS)]
    max_buffered: ByteSize,

    /// The head of an HTTP request
    #[arg(long, value_name = "SIZE", default_value = "32KiB", help_heading = HTTP)]
    http_max_head: ByteSize,
    /// Header lines of an HTTP request, at most 128
    #[arg(long, value_name = "N", default_value_t = 64, help_heading = HTTP)]
    http_max_headers: usize,
    /// The body of an HTTP request
    #[arg(long, value_name = "SIZE", default_value = "1MiB", help_heading = HTTP)]
    http_max_body: ByteSize,
    /// Whose web pages may read answers: an origin such as `https://example.org`, or `*` [default: none]
    #[arg(long, value_name = "ORIGIN", help_heading = HTTP)]
    http_allow_origin: Option<Origin>,

    /// Arguments of one Redis command
    #[arg(long, value_name = "N", default_value_t = 1_048_576, help_heading = RESP)]
    resp_max_args: usize,
    /// One argument of a Redis command
    #[arg(long, value_name = "SIZE", default_value = "1MiB", help_heading = RESP)]
    resp_max_arg: ByteSize,
    /// One Redis command, or all that a MULTI keeps
    #[arg(long, value_name = "SIZE", default_value = "64MiB", help_heading = RESP)]
    resp_max_request: ByteSize,
    /// A Redis command that is typed as a line
    #[arg(long, value_name = "SIZE", default_value = "64KiB", help_heading = RESP)]
    resp_max_inline: ByteSize,

    /// A line of a memcached command
    #[arg(long, value_name = "SIZE", default_value = "2KiB", help_heading = MEMCACHED)]
    memcached_max_line: ByteSize,
    /// A line of a memcached `get` of many keys
    #[arg(long, value_name = "SIZE", default_value = "1MiB", help_heading = MEMCACHED)]
    memcached_max_keys_line: ByteSize,
    /// The data of a memcached write, which is thrown away
    #[arg(long, value_name = "SIZE", default_value = "1MiB", help_heading = MEMCACHED)]
    memcached_max_data: ByteSize,
}

const CONNECTIONS: &str = "Limits of connections";
const HTTP: &str = "Limits of HTTP";
const RESP: &str = "Limits of Redis";
const MEMCACHED: &str = "Limits of memcached";

/// A time that may be without end.
#[derive(Clone, Copy, Debug)]
struct Wait(Option<Duration>);

impl FromStr for Wait {
    type Err = humantime::DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "none" { Ok(Self(None)) } else { humantime::parse_duration(text).map(Some).map(Self) }
    }
}

impl Limits {
    /// These limits, with `threads` event loops or one a core.
    pub(crate) fn to_options(&self, threads: Option<NonZeroUsize>) -> Options {
        let bytes = |size: ByteSize| usize::try_from(size.as_u64()).unwrap_or(usize::MAX);
        let mut options = Options {
            backlog: self.backlog,
            fast_open_max: self.fast_open,
            connections_max: self.max_connections,
            output_bytes_max: bytes(self.max_output),
            buffered_bytes_max: bytes(self.max_buffered),
            http_idle_timeout: self.http_idle_timeout.0,
            idle_timeout: self.idle_timeout.0,
            request_timeout: self.request_timeout,
            write_timeout: self.write_timeout,
            drain_timeout: self.drain_timeout,
            allow_origin: self.http_allow_origin.clone(),
            ..Options::default()
        };
        options.threads = threads.unwrap_or(options.threads);
        options.http.head_bytes_max = bytes(self.http_max_head);
        options.http.headers_max = self.http_max_headers;
        options.http.body_bytes_max = bytes(self.http_max_body);
        options.resp.args_max = self.resp_max_args;
        options.resp.arg_bytes_max = bytes(self.resp_max_arg);
        options.resp.request_bytes_max = bytes(self.resp_max_request);
        options.resp.inline_bytes_max = bytes(self.resp_max_inline);
        options.memcached.line_bytes_max = bytes(self.memcached_max_line);
        options.memcached.keys_line_bytes_max = bytes(self.memcached_max_keys_line);
        options.memcached.data_bytes_max = bytes(self.memcached_max_data);
        options
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        limits: Limits,
    }

    #[test]
    fn without_flags_the_limits_are_those_of_the_server() {
        assert_eq!(Line::parse_from(["serve"]).limits.to_options(None), Options::default());
    }

    #[test]
    fn every_flag_changes_the_options() {
        let flags = [
            "--max-connections=1",
            "--backlog=1",
            "--fast-open=1",
            "--http-idle-timeout=none",
            "--idle-timeout=1m",
            "--request-timeout=1s",
            "--write-timeout=1s",
            "--drain-timeout=1s",
            "--max-output=1KiB",
            "--max-buffered=1KiB",
            "--http-max-head=1KiB",
            "--http-max-headers=1",
            "--http-max-body=1KiB",
            "--http-allow-origin=*",
            "--resp-max-args=1",
            "--resp-max-arg=1KiB",
            "--resp-max-request=1KiB",
            "--resp-max-inline=1KiB",
            "--memcached-max-line=1KiB",
            "--memcached-max-keys-line=1KiB",
            "--memcached-max-data=1KiB",
        ];
        for flag in flags {
            let options = Line::parse_from(["serve", flag]).limits.to_options(None);
            assert_ne!(options, Options::default(), "{flag}");
        }
    }

    #[test]
    fn an_origin_is_a_scheme_and_a_host_or_a_star() {
        for (origin, is_one) in [
            ("*", true),
            ("https://a.b:1", true),
            ("a.b", false),
            ("https://", false),
            ("https://a/b", false),
            ("https://a\r\nb", false),
        ] {
            assert_eq!(origin.parse::<Origin>().is_ok(), is_one, "{origin}");
        }
    }
}
