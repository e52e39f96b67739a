//! The users of a server, as their file has them; and that no table is open to a network by accident.

use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use graven_access::{Access, USERS_BYTES_MAX, Users, UsersError};
use graven_catalog::TableName;
use graven_server::{ClientCertificates, Endpoint, Location, TlsMode};

use crate::failure::{Failure, Outcome, reason};
use crate::options::serve::ServeOptions;

/// Who may ask, and the file that says so.
#[derive(Clone, Debug)]
pub(crate) struct ServedUsers {
    pub(crate) access: Arc<Access>,
    file: Option<PathBuf>,
}

impl ServedUsers {
    /// Those of the file that `options` name; without one everybody.
    pub(crate) fn new(options: &ServeOptions) -> Outcome<Self> {
        let file = options.users.clone();
        let access = match &file {
            Some(path) => Access::new(read(path)?),
            None => Access::open(),
        };
        Ok(Self { access, file })
    }

    /// Whether a file names them.
    pub(crate) fn has_file(&self) -> bool {
        self.file.is_some()
    }

    /// Reads the file again, where there is one: how many users it has. They are as they were where it cannot be read.
    pub(crate) fn reload(&self) -> Outcome<Option<usize>> {
        let Some(path) = &self.file else { return Ok(None) };
        let users = read(path)?;
        let count = users.iter().len();
        self.access.replace(users);
        Ok(Some(count))
    }
}

fn read(path: &Path) -> Outcome<Users> {
    let place = path.display();
    let cannot = |error| Failure::new(format!("{place}: cannot read the users: {}", reason(&error)));
    let mut text = String::new();
    let bytes = File::open(path)
        .and_then(|file| file.take(USERS_BYTES_MAX as u64 + 1).read_to_string(&mut text))
        .map_err(cannot)?;
    let wrong = |error: UsersError| {
        let advice = match &error {
            UsersError::User { problem: graven_access::UserProblem::Token(_), .. } => {
                "; `graven token` makes one, and `graven token -` reads one that you have"
            }
            _ => "",
        };
        Failure::new(format!("{place}: {error}{advice}"))
    };
    if bytes > USERS_BYTES_MAX {
        return Err(wrong(UsersError::TooLong { found: bytes }));
    }
    let users = Users::from_toml(&text).map_err(wrong)?;
    for user in users.iter() {
        let tables = user.tables().into_iter().flatten().chain(user.default_table());
        for table in tables {
            table.parse::<TableName>().map_err(|error| {
                let (name, table) = (user.name(), table.escape_debug());
                Failure::new(format!("{place}: user `{name}`: `{table}` is the name of no table: {error}"))
            })?;
        }
    }
    Ok(users)
}

/// Refuses to listen where other machines may ask, unless there are users or `--open` says that everybody may.
pub(crate) fn check_reach<'e>(
    endpoints: impl Iterator<Item = &'e Endpoint>,
    options: &ServeOptions,
) -> Outcome<()> {
    if options.open || options.users.is_some() {
        return Ok(());
    }
    let is_open =
        |endpoint: &&Endpoint| is_reached_by_others(&endpoint.location) && !asks_for_certificates(endpoint);
    let Some(endpoint) = endpoints.into_iter().find(is_open) else {
        return Ok(());
    };
    Err(Failure::new(format!(
        "{endpoint} can be reached from other machines, where everybody could read the tables; name who may with \
         `--users FILE`, or with `--tls-client-ca FILE`, or say `--open` if everybody may"
    )))
}

/// Whether nobody comes in without a certificate of a known authority.
fn asks_for_certificates(endpoint: &Endpoint) -> bool {
    endpoint.tls == Some(TlsMode::On) && endpoint.client == Some(ClientCertificates::Required)
}

/// Whether other machines can reach a place that is listened on. Who may ask a Unix socket is said by the rights of its file.
fn is_reached_by_others(location: &Location) -> bool {
    match location {
        Location::Unix(_) => false,
        Location::Tcp { host, .. } => {
            !host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
        }
    }
}
