//! The options of `graven serve`, each declared once.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValue;
use clap::{ArgMatches, Command};
use graven_catalog::root::NotAName;
use graven_catalog::{KeeperOptions, TableName, VersionName};
use graven_process::{LevelFilter, LogFormat};
use graven_server::{Endpoint, HostName, Location, ServerOptions, Speaks, StorageOptions};
use graven_wire::address::AddressError;
use graven_wire::http::HEADERS_MAX;

use crate::column_list::BadList;
use crate::duplicates::Keep;
use crate::options::Group::{Limits, Logs, Network, Storage, Table, Timeouts, Tls};
use crate::options::spelled::{
    AccessLogFormatName, DiskReadsName, LogFormatName, RowGetName, TlsPaths, database, held, show_path,
};
use crate::options::text::{TextOptions, show_list, show_types, types};
use crate::options::{self, Declared, Written, augment, choices, choose, chosen, common, rare, written};
use crate::storage;

/// What `graven serve` can be told, but for the table's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServeOptions {
    /// Which value of a key of a text counts; `None` where nothing was said, which is the last.
    pub(crate) duplicates: Option<Keep>,
    /// How a text is read.
    pub(crate) text: TextOptions,
    pub(crate) listen: Vec<Endpoint>,
    /// The file of users; `None` where everybody may ask everything.
    pub(crate) users: Option<PathBuf>,
    /// Whether other machines may ask although there are no users.
    pub(crate) open: bool,
    pub(crate) tls: TlsPaths,
    /// The table that is asked where none is named; `None` for the only one.
    pub(crate) default: Option<TableName>,
    /// Versions that may be named whichever answers.
    pub(crate) hold: Vec<(TableName, VersionName)>,
    /// Whether a file that is replaced answers as another version.
    pub(crate) watch: bool,
    /// How often a root is looked at although nothing is known to have changed.
    pub(crate) poll: Duration,
    /// Bytes a second that a version is checked with before it answers; 0 for as fast as it goes.
    pub(crate) load_rate: u64,
    /// Where versions of roots in object stores are kept.
    pub(crate) data_dir: Option<PathBuf>,
    /// Bytes that may be there; 0 for as many as there is room for.
    pub(crate) data_max: u64,
    /// Bytes a second that are fetched of them; 0 for as fast as it goes.
    pub(crate) download_rate: u64,
    /// Where a carved file is kept; `None` chooses by the memory that there is.
    pub(crate) storage: Option<graven_format::Storage>,
    pub(crate) log: LevelFilter,
    pub(crate) log_format: LogFormat,
    /// Where a line for each request is written, `-` for standard output.
    pub(crate) access_log: Option<PathBuf>,
    pub(crate) server: ServerOptions,
}

impl Default for ServeOptions {
    fn default() -> Self {
        let keeper = KeeperOptions::default();
        let location = Location::Tcp { host: "127.0.0.1".into(), port: 8000 };
        let listen =
            Endpoint { speaks: Speaks::Any, location, table: None, tls: None, client: None, proxy: None };
        let mut server = ServerOptions::default();
        server.network.host_advice = HOST_ADVICE.into();
        Self {
            duplicates: None,
            text: TextOptions::default(),
            listen: vec![listen],
            users: None,
            open: false,
            tls: TlsPaths::default(),
            default: None,
            hold: Vec::new(),
            watch: false,
            poll: keeper.poll,
            load_rate: keeper.load_rate.unwrap_or(0),
            data_dir: None,
            data_max: 0,
            download_rate: 0,
            storage: None,
            log: LevelFilter::INFO,
            log_format: LogFormat::Text,
            access_log: None,
            server,
        }
    }
}

impl ServeOptions {
    /// Whether SIGHUP has files read or opened again that are no tables and no users.
    pub(crate) fn has_files_reread(&self) -> bool {
        self.tls.certificate.is_some() || self.access_log.is_some()
    }
}

/// What an HTTP client is told whose `Host` is refused.
const HOST_ADVICE: &str = "to have it answered, start the server with `--allow-host {host}`";

const ANY: RangeInclusive<u64> = 0..=u64::MAX;
/// Where 0 would mean that nothing works.
const SOME: RangeInclusive<u64> = 1..=u64::MAX;
const EVER: RangeInclusive<Duration> = Duration::ZERO..=Duration::MAX;

/// More threads than any machine has cores.
const THREADS_MAX: u64 = 4096;

const DISK_READS_MIN: u64 = *StorageOptions::DISK_READS_RANGE.start() as u64;
const DISK_READS_MAX: u64 = *StorageOptions::DISK_READS_RANGE.end() as u64;

type ServeValue = options::OptionValue<ServeOptions>;

/// Every option of `graven serve`, in the order in which people are shown them.
pub(crate) static DECLARED: &[Declared<ServeOptions>] = &[
    common(
        Table,
        "duplicates",
        "Which value of a key counts",
        ServeValue::Choice {
            value_name: "WHICH",
            choices: choices::<Keep>,
            read: |options, text| {
                options.duplicates = Some(choose(text)?);
                Ok(())
            },
            show: |options| options.duplicates.as_ref().map_or_else(String::new, chosen),
        },
    )
    .default_said("last")
    .more("Only for text: a carved file has one value a key"),
    rare(
        Table,
        "trim",
        "Whether spaces and tabs around the keys and values of a text are dropped",
        ServeValue::Switch(|options| &mut options.text.trim),
    ),
    rare(
        Table,
        "key",
        "The key of a text: a column by its number or name, or a field of JSON objects",
        ServeValue::Text {
            value_name: "COLUMN[,…]",
            read: |options, text| {
                options.text.key = Some(text.parse().map_err(|error: BadList| error.to_string())?);
                Ok(())
            },
            show: |options| show_list(options.text.key.as_ref()),
        },
    )
    .default_said("the first")
    .more("As for `graven build`; of several columns with commas between them. Only for text"),
    rare(
        Table,
        "columns",
        "Columns that the values of a text have, or `*` for all but the key",
        ServeValue::Text {
            value_name: "A,B,…",
            read: |options, text| {
                options.text.columns = Some(text.parse().map_err(|error: BadList| error.to_string())?);
                Ok(())
            },
            show: |options| show_list(options.text.columns.as_ref()),
        },
    )
    .more("As for `graven build`: rows are answered as JSON and as Redis' hashes. Only for text"),
    rare(
        Table,
        "types",
        "What columns hold, where it is not to follow from all rows, as in price:decimal,zip:text",
        ServeValue::Text {
            value_name: "A:TYPE,…",
            read: |options, text| {
                options.text.types = types(text)?;
                Ok(())
            },
            show: |options| show_types(&options.text.types),
        },
    )
    .more("With `--columns`"),
    common(
        Table,
        "default",
        "The table that is asked where none is named",
        ServeValue::Text {
            value_name: "NAME",
            read: |options, text| {
                options.default = Some(text.parse().map_err(|error: NotAName| error.to_string())?);
                Ok(())
            },
            show: |options| options.default.as_ref().map_or_else(String::new, TableName::to_string),
        },
    )
    .default_said("the only one"),
    rare(
        Table,
        "watch",
        "Whether a file that is replaced answers as a new version",
        ServeValue::Switch(|options| &mut options.watch),
    )
    .more("It is checked whole first. Otherwise a change of the file is only logged. Tables of a root need no such flag"),
    rare(
        Table,
        "hold",
        "A version that may be asked by its name whichever answers: NAME@VERSION",
        ServeValue::Texts {
            value_name: "VERSION",
            read: |options, texts| {
                options.hold = texts.iter().map(|text| held(text)).collect::<Result<_, _>>()?;
                Ok(())
            },
            show: |options| {
                options.hold.iter().map(|(table, version)| format!("{table}@{version}")).collect()
            },
        },
    )
    .more("May be repeated. Such as one that is tried before it is switched to; only versions in a root"),
    rare(
        Table,
        "database",
        "A number by which Redis clients select a table: N=NAME",
        ServeValue::Texts {
            value_name: "N=NAME",
            read: |options, texts| {
                options.server.databases = texts.iter().map(|text| database(text)).collect::<Result<_, _>>()?;
                Ok(())
            },
            show: |options| {
                let databases = options.server.databases.iter();
                databases.map(|(number, name)| format!("{number}={name}")).collect()
            },
        },
    )
    .more("May be repeated. 0 is the default table; `SELECT NAME` needs no number"),
    rare(
        Table,
        "poll",
        "How often a root is looked at although nothing is known to have changed",
        ServeValue::Time(|options| &mut options.poll, Duration::from_millis(10)..=Duration::MAX),
    )
    .more("What changes in a local directory is known at once"),
    rare(
        Table,
        "load-rate",
        "Bytes a second that a new version is checked with while another answers",
        ServeValue::Size(|options| &mut options.load_rate, ANY),
    )
    .more("0 is as fast as it goes"),
    rare(
        Table,
        "data-dir",
        "The directory for versions of a root in an object store",
        ServeValue::Text {
            value_name: "DIR",
            read: |options, text| {
                options.data_dir = Some(text.into());
                Ok(())
            },
            show: |options| show_path(options.data_dir.as_ref()),
        },
    )
    .more("They are fetched into it, and served from it where the store cannot be reached. One process a directory; needs a graven built with the feature `object-store`"),
    rare(
        Table,
        "data-max",
        "Bytes of versions in that directory",
        ServeValue::Size(|options| &mut options.data_max, ANY),
    )
    .more("0 is as many as there is room for. The oldest go first, and those that answer or that a rollback goes back to never"),
    rare(
        Table,
        "download-rate",
        "Bytes a second that are fetched from an object store",
        ServeValue::Size(|options| &mut options.download_rate, ANY),
    )
    .more("0 is as fast as it goes"),
    common(
        Network,
        "listen",
        "Where to listen: HOST:PORT or unix:PATH",
        ServeValue::Texts {
            value_name: "ADDRESS",
            read: |options, texts| {
                if texts.is_empty() {
                    return Err("expected one address at least, found none".to_owned());
                }
                let endpoints = texts.iter().map(|text| text.parse::<Endpoint>());
                let endpoints = endpoints.collect::<Result<_, AddressError>>();
                options.listen = endpoints.map_err(|error| error.problem.to_string())?;
                Ok(())
            },
            show: |options| options.listen.iter().map(Endpoint::to_string).collect(),
        },
    )
    .more(
        "May be repeated. Port 0 takes any free port. `http://`, `resp://` or `memcached://` before it keeps it to one \
         protocol, `?table=NAME` behind it to one table; `?tls=on`, `off` or `both` says whether TLS is spoken, \
         `?client=required`, `optional` or `none` whether clients show certificates; `?proxy=required` is for a load balancer \
         that says by the PROXY protocol whom it passes on, `from=NETWORK` for one on another machine",
    ),
    common(
        Network,
        "users",
        "A file of who may ask what",
        ServeValue::Text {
            value_name: "FILE",
            read: |options, text| {
                options.users = Some(text.into());
                Ok(())
            },
            show: |options| options.users.as_ref().map_or_else(String::new, |path| path.display().to_string()),
        },
    )
    .default_said("everybody")
    .more("TOML, as docs/USERS.md has it; `graven token` makes a token. SIGHUP has it read again"),
    rare(
        Network,
        "open",
        "Whether everybody may ask who reaches the addresses of other machines",
        ServeValue::Switch(|options| &mut options.open),
    )
    .more("Without users, only this machine's addresses and Unix sockets are listened on unless this says so"),
    rare(
        Network,
        "no-status",
        "Whether the status page, `/status` and `/status.json`, is switched off",
        ServeValue::Switch(|options| &mut options.server.status.off),
    ),
    common(
        Network,
        "threads",
        "Threads that answer",
        ServeValue::Count(|options| &mut options.server.threads, 1..=THREADS_MAX),
    )
    .default_said("one a core"),
    rare(
        Network,
        "http-allow-origin",
        "Whose web pages may read answers: an origin, or `*`",
        ServeValue::Text {
            value_name: "ORIGIN",
            read: |options, text| {
                options.server.network.allow_origin =
                    Some(text.parse().map_err(|error: graven_server::NotAnOrigin| error.to_string())?);
                Ok(())
            },
            show: |options| {
                let origin = &options.server.network.allow_origin;
                origin.as_ref().map_or_else(String::new, |origin| origin.as_str().to_owned())
            },
        },
    )
    .more("An origin is a scheme and a host, such as https://example.org"),
    rare(
        Network,
        "allow-host",
        "A name by which HTTP clients may ask, besides localhost, IP addresses and those of --listen",
        ServeValue::Texts {
            value_name: "NAME",
            read: |options, texts| {
                let hosts = texts.iter().map(|text| text.parse::<HostName>());
                options.server.network.allow_hosts =
                    hosts.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
                Ok(())
            },
            show: |options| {
                let hosts = &options.server.network.allow_hosts;
                hosts.iter().map(|host| host.as_str().to_owned()).collect()
            },
        },
    )
    .more(
        "May be repeated. Requests for another `Host` get 421, on loopback addresses always, elsewhere once a name is given. \
         `*.example.org` is every name below example.org, `*` every name",
    ),
    rare(
        Network,
        "content-type",
        "What HTTP says that values are",
        ServeValue::Text {
            value_name: "TYPE",
            read: |options, text| {
                options.server.network.content_type =
                    text.parse().map_err(|error: graven_server::NotAContentType| error.to_string())?;
                Ok(())
            },
            show: |options| options.server.network.content_type.as_str().to_owned(),
        },
    )
    .more("Such as application/json; rows are always JSON"),
    rare(
        Network,
        "row-get",
        "What `GET` of a row is over Redis' protocol",
        ServeValue::Choice {
            value_name: "WHAT",
            choices: choices::<RowGetName>,
            read: |options, text| {
                options.server.row_get = choose::<RowGetName>(text)?.into();
                Ok(())
            },
            show: |options| chosen(&RowGetName::from(options.server.row_get)),
        },
    ),
    rare(
        Network,
        "backlog",
        "Connections that the kernel holds until they are accepted",
        ServeValue::Count(|options| &mut options.server.network.backlog, 0..=u32::MAX as u64),
    )
    .more("The kernel has a limit of its own, net.core.somaxconn"),
    rare(
        Network,
        "fast-open",
        "Connections whose first request comes with the opening packet (TCP Fast Open)",
        ServeValue::Count(|options| &mut options.server.network.fast_open_max, 0..=u32::MAX as u64),
    )
    .more("As many may wait until their clients have proved their addresses; 0 turns it off"),
    rare(
        Tls,
        "tls-cert",
        "The certificate for TLS, in PEM",
        ServeValue::Text {
            value_name: "FILE",
            read: |options, text| {
                options.tls.certificate = Some(text.into());
                Ok(())
            },
            show: |options| show_path(options.tls.certificate.as_ref()),
        },
    )
    .more("Behind it in the same file those of its issuers. Listeners on TCP then speak TLS, but for those with `?tls=off`. Read again at SIGHUP and when it changes; needs a graven built with the feature `tls`"),
    rare(
        Tls,
        "tls-key",
        "The private key of that certificate, in PEM",
        ServeValue::Text {
            value_name: "FILE",
            read: |options, text| {
                options.tls.key = Some(text.into());
                Ok(())
            },
            show: |options| show_path(options.tls.key.as_ref()),
        },
    )
    .more("Not encrypted"),
    rare(
        Tls,
        "tls-client-ca",
        "The authorities whose certificates clients show, in PEM",
        ServeValue::Text {
            value_name: "FILE",
            read: |options, text| {
                options.tls.client_ca = Some(text.into());
                Ok(())
            },
            show: |options| show_path(options.tls.client_ca.as_ref()),
        },
    )
    .more("Then they must, but for listeners with `?client=optional` or `none`"),
    rare(
        Tls,
        "tls-handshake-timeout",
        "How long a TLS handshake or a PROXY header may take",
        ServeValue::Time(|options| &mut options.server.tls.handshake_timeout, EVER),
    )
    .more("Then the connection is closed"),
    rare(
        Tls,
        "tls-max-handshakes",
        "TLS handshakes under way at once",
        ServeValue::Count(|options| &mut options.server.tls.handshakes_max, SOME),
    )
    .more("At this many, new connections wait until others have ended theirs"),
    rare(
        Tls,
        "tls-handshake-rate",
        "Connections that listeners with TLS accept in a second",
        ServeValue::Count(|options| &mut options.server.tls.handshakes_per_second_max, 0..=u32::MAX as u64),
    )
    .more("More wait; 0 sets no limit. Requests come before handshakes in any case"),
    common(
        Storage,
        "storage",
        "Where a carved file is kept",
        ServeValue::Choice {
            value_name: "WHERE",
            choices: || {
                let auto = (storage::AUTO, "ram where there is room for it, else disk");
                let words = storage::WORDS.map(|(word, _, about)| (word, about));
                let all = std::iter::once(auto).chain(words);
                all.map(|(word, about)| PossibleValue::new(word).help(about)).collect()
            },
            read: |options, text| {
                let word = storage::WORDS.iter().find(|(word, ..)| *word == text);
                options.storage = match word {
                    Some((_, storage, _)) => Some(*storage),
                    None if text == storage::AUTO => None,
                    None => return Err(format!("`{text}` is not a storage")),
                };
                Ok(())
            },
            show: |options| options.storage.map_or(storage::AUTO, storage::word).to_owned(),
        },
    ),
    common(
        Storage,
        "cache",
        "Memory for a table that is on disk",
        ServeValue::Size(|options| &mut options.server.storage.cache_bytes, ANY),
    )
    .more("What was read is kept there for later lookups; 0 keeps nothing"),
    rare(
        Storage,
        "disk-reads",
        "How a table on disk is read",
        ServeValue::Choice {
            value_name: "HOW",
            choices: choices::<DiskReadsName>,
            read: |options, text| {
                options.server.storage.disk_reads = choose::<DiskReadsName>(text)?.into();
                Ok(())
            },
            show: |options| chosen(&DiskReadsName::from(options.server.storage.disk_reads)),
        },
    ),
    rare(
        Storage,
        "max-disk-reads",
        "Reads that each thread has under way or is about to answer from",
        ServeValue::Count(
            |options| &mut options.server.storage.disk_reads_max,
            DISK_READS_MIN..=DISK_READS_MAX,
        ),
    ),
    rare(
        Storage,
        "disk-queue",
        "Reads that the disk is given at once by all threads together",
        ServeValue::Count(|options| &mut options.server.storage.disk_queue, 1..=16_384),
    ),
    rare(
        Limits,
        "max-connections",
        "Connections open at once; one more is closed as soon as it is accepted",
        ServeValue::Count(|options| &mut options.server.limits.connections_max, SOME),
    ),
    rare(
        Limits,
        "max-output",
        "Answers that wait for one connection; at this many its further requests wait",
        ServeValue::Size(|options| &mut options.server.limits.output_bytes_max, SOME),
    ),
    rare(
        Limits,
        "max-connection-buffered",
        "Requests and answers that wait for one connection; then it is not read from until its peer reads",
        ServeValue::Size(|options| &mut options.server.limits.connection_buffered_bytes_max, SOME),
    )
    .more("A client may send so much before it reads"),
    rare(
        Limits,
        "max-buffered",
        "The same of all connections together; beyond it the one that holds most is closed",
        ServeValue::Size(|options| &mut options.server.limits.buffered_bytes_max, SOME),
    ),
    rare(
        Limits,
        "max-pattern",
        "The pattern of a Redis `SCAN` or `KEYS`",
        ServeValue::Size(|options| &mut options.server.limits.pattern_bytes_max, SOME),
    ),
    rare(
        Limits,
        "http-max-head",
        "The head of an HTTP request",
        ServeValue::Size(|options| &mut options.server.limits.http.head_bytes_max, SOME),
    ),
    rare(
        Limits,
        "http-max-headers",
        "Header lines of an HTTP request",
        ServeValue::Count(|options| &mut options.server.limits.http.headers_max, 0..=HEADERS_MAX as u64),
    ),
    rare(
        Limits,
        "http-max-body",
        "The body of an HTTP request",
        ServeValue::Size(|options| &mut options.server.limits.http.body_bytes_max, ANY),
    ),
    rare(
        Limits,
        "resp-max-args",
        "Arguments of one Redis command",
        ServeValue::Count(|options| &mut options.server.limits.resp.args_max, SOME),
    ),
    rare(
        Limits,
        "resp-max-arg",
        "One argument of a Redis command",
        ServeValue::Size(|options| &mut options.server.limits.resp.arg_bytes_max, SOME),
    ),
    rare(
        Limits,
        "resp-max-request",
        "One Redis command, or all that a MULTI keeps",
        ServeValue::Size(|options| &mut options.server.limits.resp.request_bytes_max, SOME),
    ),
    rare(
        Limits,
        "resp-max-inline",
        "A Redis command that is typed as a line",
        ServeValue::Size(|options| &mut options.server.limits.resp.inline_bytes_max, SOME),
    ),
    rare(
        Limits,
        "memcached-max-line",
        "A line of a memcached command",
        ServeValue::Size(|options| &mut options.server.limits.memcached.line_bytes_max, SOME),
    ),
    rare(
        Limits,
        "memcached-max-keys-line",
        "A line of a memcached `get` of many keys",
        ServeValue::Size(|options| &mut options.server.limits.memcached.keys_line_bytes_max, SOME),
    ),
    rare(
        Limits,
        "memcached-max-data",
        "The data of a memcached write, which is thrown away",
        ServeValue::Size(|options| &mut options.server.limits.memcached.data_bytes_max, ANY),
    ),
    rare(
        Timeouts,
        "http-idle-timeout",
        "How long an HTTP connection may be idle, or `none`",
        ServeValue::TimeOrNone(|options| &mut options.server.timeouts.http_idle),
    ),
    rare(
        Timeouts,
        "idle-timeout",
        "How long a Redis or memcached connection may be idle, or `none`",
        ServeValue::TimeOrNone(|options| &mut options.server.timeouts.idle),
    )
    .more("Clients' pools count on `none`, as those servers have it"),
    rare(
        Timeouts,
        "tcp-keepalive",
        "How long a connection is silent before the kernel asks for its peer, or `none`",
        ServeValue::TimeOrNone(|options| &mut options.server.timeouts.keep_alive),
    )
    .more("It asks three times, a third of this apart, and closes the connection of a peer that is gone"),
    rare(
        Timeouts,
        "request-timeout",
        "How long a request may take from its first byte to its last",
        ServeValue::Time(|options| &mut options.server.timeouts.request, EVER),
    ),
    rare(
        Timeouts,
        "stalled-timeout",
        "How long a peer that sends on may read nothing, once as many requests wait as may",
        ServeValue::Time(|options| &mut options.server.timeouts.stalled, EVER),
    ),
    rare(
        Timeouts,
        "write-timeout",
        "How long a peer may leave its answers unread",
        ServeValue::Time(|options| &mut options.server.timeouts.write, EVER),
    ),
    rare(
        Timeouts,
        "drain-timeout",
        "How long a stop waits for what is in flight",
        ServeValue::Time(|options| &mut options.server.timeouts.drain, EVER),
    ),
    common(
        Logs,
        "log",
        "How much is logged",
        ServeValue::Choice {
            value_name: "LEVEL",
            choices: || ["off", "error", "warn", "info", "debug"].map(Into::into).into(),
            read: |options, text| {
                options.log = text.parse().map_err(|_| format!("`{text}` is not a level"))?;
                Ok(())
            },
            show: |options| options.log.to_string(),
        },
    )
    .more("The log is standard error. No level logs single requests; `--access-log` and `--slow` do"),
    rare(
        Logs,
        "log-format",
        "Lines of the log",
        ServeValue::Choice {
            value_name: "FORMAT",
            choices: choices::<LogFormatName>,
            read: |options, text| {
                options.log_format = choose::<LogFormatName>(text)?.into();
                Ok(())
            },
            show: |options| chosen(&LogFormatName::from(options.log_format)),
        },
    ),
    rare(
        Logs,
        "access-log",
        "A file that a line for each request is added to, or `-` for standard output",
        ServeValue::Text {
            value_name: "FILE",
            read: |options, text| {
                options.access_log = Some(text.into());
                Ok(())
            },
            show: |options| show_path(options.access_log.as_ref()),
        },
    )
    .more(
        "No answer waits for it: what it does not take in time is dropped and counted. SIGHUP has it opened again, as after it \
         was renamed",
    ),
    rare(
        Logs,
        "access-log-format",
        "Lines of the access log",
        ServeValue::Choice {
            value_name: "FORMAT",
            choices: choices::<AccessLogFormatName>,
            read: |options, text| {
                options.server.requests.format = choose::<AccessLogFormatName>(text)?.into();
                Ok(())
            },
            show: |options| chosen(&AccessLogFormatName::from(options.server.requests.format)),
        },
    ),
    rare(
        Logs,
        "access-log-sample",
        "Of how many requests one has a line in the access log, chosen by chance",
        ServeValue::Count(|options| &mut options.server.requests.sample, 1..=u32::MAX as u64),
    ),
    rare(
        Logs,
        "slow",
        "How long a request takes at least that is logged and kept for `SLOWLOG`, or `none`",
        ServeValue::TimeOrNone(|options| &mut options.server.requests.slow),
    )
    .more("With where the time went. The last 128 are kept"),
];

/// The flags of `graven serve` that were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ServeFlags(pub(crate) Written);

impl clap::Args for ServeFlags {
    fn augment_args(command: Command) -> Command {
        augment(command, DECLARED)
    }

    fn augment_args_for_update(command: Command) -> Command {
        augment(command, DECLARED)
    }
}

impl clap::FromArgMatches for ServeFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self(written(matches, DECLARED)))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests;
