//! Requests that are well formed and refused, in the words that Redis uses and that its clients look for.

use super::{Args, reply};

/// Why a command is refused. The connection goes on after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal<'b> {
    /// No such command; clients recognise the text.
    UnknownCommand {
        /// Its name as it was sent.
        name: &'b [u8],
        /// What was sent after it.
        args: Args<'b>,
    },
    /// No such subcommand of `container`, which is in capitals.
    UnknownSubcommand {
        /// The command before it, in capitals.
        container: &'static str,
        /// Its name as it was sent.
        name: &'b [u8],
    },
    /// Too few or too many arguments.
    WrongArity {
        /// The command in lower case, with its subcommand behind a bar.
        command: &'static str,
    },
    /// The subcommand's arguments are too few or too many, where Redis counts them itself.
    SubcommandArguments {
        /// The command before it, in capitals.
        container: &'static str,
        /// The subcommand, in capitals.
        name: &'static str,
    },
    /// More arguments behind the name of a command that asks about the server than it may have.
    TooManyArguments {
        /// How many it may have.
        most: usize,
        /// How many it has.
        found: usize,
    },
    /// A pattern for names of commands or settings has more bytes than it may have.
    PatternTooLong {
        /// How many it may have.
        most: usize,
        /// How many it has.
        found: usize,
    },
    /// The command would change data.
    ReadOnly,
    /// The value of the key is of another type than the command reads.
    WrongType,
    /// `CLUSTER` and its like, on a server that is none.
    NoCluster,
    /// `SUBSCRIBE` and its like.
    NothingIsPublished {
        /// The command in lower case.
        command: &'static str,
    },
    /// `MONITOR`.
    NoMonitor,
    /// What `ZDIFF` and its like say when no key is asked for.
    NoKeys {
        /// The command in lower case.
        command: &'static str,
    },
    /// A stream has no such group.
    NoGroup {
        /// The stream's key.
        key: &'b [u8],
        /// The group's name.
        group: &'b [u8],
    },
    /// There is no such user.
    NoUser(&'b [u8]),
    /// What Redis says of one option of one command, in these words.
    Fixed(&'static str),
    /// An option that the command does not know, or one without its value.
    Syntax,
    /// An argument is no integer, or does not fit one.
    NotAnInteger,
    /// The cursor of `SCAN` is no number.
    InvalidCursor,
    /// `SELECT` of a number that no table has.
    DatabaseIndex,
    /// `SELECT` where one table alone is asked.
    OtherTable,
    /// `HELLO` with a version that is no integer.
    VersionNotAnInteger,
    /// `HELLO` with a version other than 2 and 3.
    VersionUnsupported,
    /// An option that `HELLO` does not know, or one without its values.
    HelloOption(&'b [u8]),
    /// A name of a connection that is not all printable ASCII without blanks.
    ClientName,
    /// A name of a connection or a value of `CLIENT SETINFO` that has more bytes than it may have.
    ClientTextTooLong {
        /// How many it may have.
        most: usize,
        /// How many it has.
        found: usize,
    },
    /// `CLIENT SETINFO` of something else than `LIB-NAME` and `LIB-VER`.
    ClientInfoOption(&'b [u8]),
    /// `CLIENT SETINFO` with a value that is not all printable ASCII without blanks.
    ClientInfoValue(&'b [u8]),
    /// `CLIENT LIST TYPE` with a type that does not exist.
    ClientType(&'b [u8]),
    /// `CLIENT LIST ID` with something that is no id.
    ClientId,
    /// `MULTI` or `WATCH`, in capitals, after `MULTI`.
    InsideMulti {
        /// The command, in capitals.
        command: &'static str,
    },
    /// `EXEC` or `DISCARD`, in capitals, without `MULTI`.
    WithoutMulti {
        /// The command, in capitals.
        command: &'static str,
    },
    /// `EXEC` after a command that was refused.
    Aborted,
    /// A transaction of more bytes than a request may have.
    TransactionTooBig,
    /// `AUTH` with a password alone, where none is set.
    NoPasswordIsSet,
    /// `AUTH` or `HELLO AUTH` with a name and password that are not those of a user.
    WrongPassword,
    /// A command before the client has said who it is.
    NoAuth,
    /// `HELLO` without `AUTH` before that.
    HelloNoAuth,
    /// The user may not run this command, whose name is in lower case.
    NoPermission {
        /// The command, with its subcommand.
        command: &'static str,
    },
    /// The user may not ask this table.
    TableNotPermitted,
    /// Too many logins of this address have failed.
    TooManyLogins,
}

/// Redis shows this much of a name, and of all arguments together.
const SHOWN_BYTES_MAX: usize = 128;

impl Refusal<'_> {
    /// Appends the error reply.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::UnknownCommand { name, args } => {
                let mut text = b"ERR unknown command '".to_vec();
                text.extend_from_slice(&name[..name.len().min(SHOWN_BYTES_MAX)]);
                text.extend_from_slice(b"', with args beginning with: ");
                let mut shown = 0;
                for arg in *args {
                    if shown >= SHOWN_BYTES_MAX {
                        break;
                    }
                    let part = &arg[..arg.len().min(SHOWN_BYTES_MAX - shown)];
                    shown += part.len() + 3;
                    text.push(b'\'');
                    text.extend_from_slice(part);
                    text.extend_from_slice(b"' ");
                }
                reply::error(out, &text);
            }
            Self::UnknownSubcommand { container, name } => {
                let name = &name[..name.len().min(SHOWN_BYTES_MAX)];
                let help = format!("'. Try {container} HELP.");
                reply::error(out, &[b"ERR unknown subcommand '", name, help.as_bytes()].concat());
            }
            Self::WrongArity { command } => {
                reply::error(
                    out,
                    format!("ERR wrong number of arguments for '{command}' command").as_bytes(),
                );
            }
            Self::HelloOption(option) => {
                reply::error(out, &[b"ERR Syntax error in HELLO option '", *option, b"'"].concat());
            }
            Self::ClientInfoOption(option) => {
                reply::error(out, &[b"ERR Unrecognized option '", *option, b"'"].concat());
            }
            Self::ClientInfoValue(option) => {
                let rest = b" cannot contain spaces, newlines or special characters.";
                reply::error(out, &[b"ERR ", &option.to_ascii_lowercase()[..], rest].concat());
            }
            Self::ClientType(kind) => {
                reply::error(out, &[b"ERR Unknown client type '", *kind, b"'"].concat());
            }
            Self::SubcommandArguments { container, name } => reply::error(
                out,
                format!(
                    "ERR unknown subcommand or wrong number of arguments for '{name}'. Try {container} HELP."
                )
                .as_bytes(),
            ),
            Self::TooManyArguments { most, found } => reply::error(
                out,
                format!("ERR this command may have {most} arguments, this one has {found}").as_bytes(),
            ),
            Self::PatternTooLong { most, found } => reply::error(
                out,
                format!("ERR a pattern may have {most} bytes, this one has {found}").as_bytes(),
            ),
            Self::ClientTextTooLong { most, found } => reply::error(
                out,
                format!("ERR what a client says of itself may have {most} bytes, this has {found}").as_bytes(),
            ),
            Self::NothingIsPublished { command } => reply::error(
                out,
                format!("ERR {command} is refused: nothing is ever published here").as_bytes(),
            ),
            Self::NoMonitor => {
                reply::error(out, b"ERR monitor is refused: commands of other clients are not shown here")
            }
            Self::NoKeys { command } => reply::error(
                out,
                format!("ERR at least 1 input key is needed for '{command}' command").as_bytes(),
            ),
            Self::NoGroup { key, group } => {
                let text = [b"NOGROUP No such key '", *key, b"' or consumer group '", *group, b"'"];
                reply::error(out, &text.concat());
            }
            Self::NoUser(name) => reply::error(out, &[b"ERR No such user '", *name, b"'"].concat()),
            Self::Fixed(text) => reply::error(out, text.as_bytes()),
            Self::WrongType => {
                reply::error(out, b"WRONGTYPE Operation against a key holding the wrong kind of value");
            }
            Self::NoCluster => reply::error(out, b"ERR This instance has cluster support disabled"),
            Self::ReadOnly => reply::error(out, b"READONLY You can't write against a read only replica."),
            Self::Syntax => reply::error(out, b"ERR syntax error"),
            Self::NotAnInteger => reply::error(out, b"ERR value is not an integer or out of range"),
            Self::InvalidCursor => reply::error(out, b"ERR invalid cursor"),
            Self::DatabaseIndex => reply::error(out, b"ERR DB index is out of range"),
            Self::OtherTable => reply::error(out, b"ERR this address answers for one table alone"),
            Self::VersionNotAnInteger => {
                reply::error(out, b"ERR Protocol version is not an integer or out of range");
            }
            Self::VersionUnsupported => reply::error(out, b"NOPROTO unsupported protocol version"),
            Self::ClientName => {
                reply::error(out, b"ERR Client names cannot contain spaces, newlines or special characters.")
            }
            Self::ClientId => reply::error(out, b"ERR Invalid client ID"),
            Self::InsideMulti { command: "MULTI" } => reply::error(out, b"ERR MULTI calls can not be nested"),
            Self::InsideMulti { command } => {
                reply::error(out, format!("ERR {command} inside MULTI is not allowed").as_bytes());
            }
            Self::WithoutMulti { command } => {
                reply::error(out, format!("ERR {command} without MULTI").as_bytes());
            }
            Self::Aborted => {
                reply::error(out, b"EXECABORT Transaction discarded because of previous errors.");
            }
            Self::TransactionTooBig => {
                reply::error(out, b"ERR the transaction is larger than a request may be");
            }
            Self::NoPasswordIsSet => reply::error(
                out,
                b"ERR AUTH <password> called without any password configured for the default user. \
                  Are you sure your configuration is correct?",
            ),
            Self::WrongPassword => {
                reply::error(out, b"WRONGPASS invalid username-password pair or user is disabled.");
            }
            Self::NoAuth => reply::error(out, b"NOAUTH Authentication required."),
            Self::HelloNoAuth => reply::error(
                out,
                b"NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> \
                  AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol \
                  version at the same time",
            ),
            Self::NoPermission { command } => reply::error(
                out,
                format!("NOPERM this user has no permissions to run the '{command}' command").as_bytes(),
            ),
            Self::TableNotPermitted => {
                reply::error(out, b"NOPERM this user has no permissions to ask this table");
            }
            Self::TooManyLogins => reply::error(
                out,
                b"WRONGPASS too many logins of this address have failed, ask again in a second",
            ),
        }
    }
}
