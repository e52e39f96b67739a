//! Requests that memcached does not take, and the words that it has for them.

use std::fmt;

/// A line that is refused; the next line is a new request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mistake {
    /// No such command, or too few or too many words after it.
    Unknown,
    /// A key longer than [`KEY_BYTES_MAX`](super::KEY_BYTES_MAX), or a number that is none.
    BadFormat,
    /// The data block of a login does not end where its line says.
    BadData,
    /// The expiry of `gat` is no number.
    Exptime,
    /// A flag that `mg` does not know.
    FlagInvalid,
    /// A flag twice.
    FlagTwice,
    /// A flag's number is none.
    FlagToken,
    /// An opaque token (`O`) of more than 31 bytes.
    OpaqueTooLong,
    /// The key is not base64, as `b` says it is.
    KeyEncoding,
    /// `stats cachedump` without a class and a number of keys.
    BadLine,
    /// `stats cachedump` of a class that memcached cannot have.
    SlabClass,
    /// `lru_crawler metadump` of something that is no class.
    Class,
    /// `stats detail` of something else than `on`, `off` and `dump`.
    StatsDetail,
    /// `lru_crawler` that is to do something else than tell keys. Nothing is crawled here.
    NoCrawler,
    /// `slabs` that are to be moved. There are none here.
    NoReassignment,
    /// `watch`: no log is sent to clients.
    NoWatch,
    /// `shutdown`, which no client may do.
    NoShutdown,
}

impl Mistake {
    /// The answer, line end included.
    pub fn answer(self) -> &'static [u8] {
        match self {
            Self::Unknown => b"ERROR\r\n",
            Self::BadFormat => b"CLIENT_ERROR bad command line format\r\n",
            Self::BadData => b"CLIENT_ERROR bad data chunk\r\n",
            Self::Exptime => b"CLIENT_ERROR invalid exptime argument\r\n",
            Self::FlagInvalid => b"CLIENT_ERROR invalid flag\r\n",
            Self::FlagTwice => b"CLIENT_ERROR duplicate flag\r\n",
            Self::FlagToken => b"CLIENT_ERROR bad token in command line format\r\n",
            Self::OpaqueTooLong => b"CLIENT_ERROR opaque token too long\r\n",
            Self::KeyEncoding => b"CLIENT_ERROR error decoding key\r\n",
            Self::BadLine => b"CLIENT_ERROR bad command line\r\n",
            Self::SlabClass => b"CLIENT_ERROR Illegal slab id\r\n",
            Self::Class => b"BADCLASS invalid class id\r\n",
            Self::StatsDetail => b"CLIENT_ERROR usage: stats detail on|off|dump\r\n",
            Self::NoCrawler => b"CLIENT_ERROR lru crawler disabled\r\n",
            Self::NoReassignment => b"CLIENT_ERROR slab reassignment disabled\r\n",
            Self::NoWatch => b"CLIENT_ERROR watch commands not allowed\r\n",
            Self::NoShutdown => b"ERROR: shutdown not enabled\r\n",
        }
    }
}

/// Bytes after which the connection cannot go on. The answer is [`Invalid::answer`], then it is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Invalid {
    /// The first byte is 0x80: the binary protocol, which memcached itself has given up. There is no answer to it.
    BinaryProtocol,
    /// A line is longer than its limit in [`Limits`](super::Limits).
    LineTooLong,
    /// A write announces more than [`Limits::data_bytes_max`](super::Limits::data_bytes_max).
    DataTooLarge,
    /// A line is `POST` or `Host:`, from an HTTP client whose body would be taken for commands. There is no answer to it.
    HttpRequest,
}

impl Invalid {
    /// The answer, line end included; empty when there is none to give.
    pub fn answer(self) -> &'static [u8] {
        match self {
            Self::BinaryProtocol | Self::HttpRequest => b"",
            Self::LineTooLong => b"CLIENT_ERROR line too long\r\n",
            Self::DataTooLarge => b"SERVER_ERROR object too large for cache\r\n",
        }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BinaryProtocol => "the binary protocol is not spoken here",
            Self::LineTooLong => "a line is longer than the limit",
            Self::DataTooLarge => "a write announces more bytes than the limit",
            Self::HttpRequest => "an HTTP request is no command",
        })
    }
}

impl std::error::Error for Invalid {}
