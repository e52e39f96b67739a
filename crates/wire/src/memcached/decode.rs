//! The server's direction: bytes in, one request out, its keys still lying where they arrived.

use super::listing::{KeyListing, cachedump, lru_crawler};
use super::meta::{self, MetaGet};
use super::{Invalid, KEY_BYTES_MAX, Limits, Mistake};
use crate::http::is_sent_by_browser;
use crate::{Decoded, decimal};

/// One request, borrowed from the bytes it was decoded from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request<'b> {
    /// `get`, `gets`, `gat` and `gats`: a `VALUE` for every key that is there, then `END`.
    Get {
        /// Whether every `VALUE` carries a CAS number: `gets`, `gats`.
        with_cas: bool,
        /// The keys, none too long. `gat` may come without any.
        keys: Keys<'b>,
    },
    /// `mg`.
    MetaGet(MetaGet<'b>),
    /// `mn`: `MN`, which tells a client that everything before it has been answered.
    MetaNoop,
    /// `version`.
    Version,
    /// `verbosity`: `OK`, unless `noreply`.
    Verbosity {
        /// Nothing is to be answered.
        noreply: bool,
    },
    /// `stats`, with what was asked after it, or nothing.
    Stats {
        /// `settings`, `items`, `reset`… as it was sent.
        topic: &'b [u8],
    },
    /// `lru_crawler metadump` and `stats cachedump`: the keys of the table.
    ListKeys(KeyListing),
    /// `quit`: the connection is closed without an answer.
    Quit,
    /// Something that would change data: [`reply::READ_ONLY`](super::reply::READ_ONLY), unless `noreply`. Its data block, if
    /// it has one, follows as [`Request::Discarded`].
    Write {
        /// Nothing is to be answered.
        noreply: bool,
    },
    /// `set` as a client says with it who it is, where [logins are read](RequestDecoder::read_logins).
    Login {
        /// What it says: a name, a blank and a token.
        data: &'b [u8],
    },
    /// Bytes of a refused write's data block: nothing is to be answered.
    Discarded,
    /// A line that is refused with [`Mistake::answer`].
    Mistake(Mistake),
}

/// Decodes requests, and remembers how far it has looked for the end of a line and what it has to throw away.
#[derive(Clone, Debug)]
pub struct RequestDecoder {
    limits: Limits,
    /// Bytes of the unfinished line that hold no LF.
    searched: usize,
    /// Bytes still to come of a data block that nobody wants.
    discard: usize,
    logins: LoginSets,
}

/// Which `set` is no write but says who the client is, as memcached has it where users are required.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoginSets {
    /// None.
    #[default]
    None,
    /// That of this key.
    Key(&'static [u8]),
    /// That of any key.
    Any,
}

/// The longest data of a [`Request::Login`], in bytes. A longer `set` is a write.
pub const LOGIN_BYTES_MAX: usize = 1_024;

impl RequestDecoder {
    /// A decoder at the beginning of a connection.
    pub fn new(limits: Limits) -> Self {
        Self { limits, searched: 0, discard: 0, logins: LoginSets::None }
    }

    /// What is read next begins with an earlier request than where the last ended.
    pub fn rewind(&mut self) {
        (self.searched, self.discard) = (0, 0);
    }

    /// Reads `logins` as [`Request::Login`] from now on, instead of as [`Request::Write`].
    pub fn read_logins(&mut self, logins: LoginSets) {
        self.logins = logins;
    }

    /// Decodes the request that `bytes` begin with.
    ///
    /// After [`Decoded::NeedMore`] call again with the same bytes and more behind them. After a message call with what
    /// follows the consumed bytes. After [`Decoded::Invalid`] the connection is lost. To go back to an earlier request, go
    /// on there with a clone of the decoder as it was before that request.
    #[inline]
    pub fn decode<'b>(&mut self, bytes: &'b [u8]) -> Decoded<Request<'b>, Invalid> {
        if self.discard > 0 {
            return self.discard(bytes);
        }
        if let Some((request, consumed)) = self.get_of_one(bytes) {
            self.searched = 0;
            return Decoded::Message(request, consumed);
        }
        if bytes.first() == Some(&0x80) {
            return Decoded::Invalid(Invalid::BinaryProtocol);
        }
        let found = memchr::memchr(b'\n', &bytes[self.searched..]);
        let end = found.map_or(bytes.len(), |at| self.searched + at);
        if end > self.limits.line_bytes_max && self.is_too_long(bytes, end) {
            return Decoded::Invalid(Invalid::LineTooLong);
        }
        if found.is_none() {
            self.searched = end;
            return Decoded::NeedMore;
        }
        let line = &bytes[..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.searched = 0;
        let request = match line {
            [b'g', b'e', b't', b' ', keys @ ..] => get(false, Keys::of(keys)),
            [b'm', b'g', b' ', rest @ ..] => meta::read(rest),
            _ => {
                if self.logins != LoginSets::None
                    && let Some(data_bytes) = self.login_bytes(line)
                {
                    // Its line is looked at again when more has come: it is short.
                    return self.login(bytes, end + 1, data_bytes);
                }
                match self.other(line) {
                    Ok(request) => request,
                    Err(invalid) => return Decoded::Invalid(invalid),
                }
            }
        };
        Decoded::Message(request, end + 1)
    }

    /// A `get` of one key, which is most of what clients send: the key's end is the line's, and is looked for once.
    #[inline]
    fn get_of_one<'b>(&self, bytes: &'b [u8]) -> Option<(Request<'b>, usize)> {
        let rest = bytes.strip_prefix(b"get ")?;
        // No farther than a key may reach, so that a long line costs its length once however many pieces it arrives in.
        let end = memchr::memchr2(b' ', b'\n', &rest[..rest.len().min(KEY_BYTES_MAX + 2)])?;
        let key = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        let line_bytes = b"get ".len() + end;
        let is_one = rest[end] == b'\n' && (1..=KEY_BYTES_MAX).contains(&key.len());
        let request = Request::Get { with_cas: false, keys: Keys { rest: key, one: true } };
        (is_one && line_bytes <= self.limits.line_bytes_max).then_some((request, line_bytes + 1))
    }

    /// How long the data of a login is, if that is what `line` begins.
    #[cold]
    fn login_bytes(&self, line: &[u8]) -> Option<usize> {
        let mut words = Keys::of(line.strip_prefix(b"set ")?);
        let count = words.count();
        let (key, _, _, len) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let is_meant = match self.logins {
            LoginSets::None => false,
            LoginSets::Key(meant) => key == meant,
            LoginSets::Any => key.len() <= KEY_BYTES_MAX,
        };
        let len = usize::try_from(decimal::unsigned(len)?).ok()?;
        (is_meant && (4..=5).contains(&count) && len <= LOGIN_BYTES_MAX).then_some(len)
    }

    #[cold]
    fn login<'b>(
        &mut self,
        bytes: &'b [u8],
        start: usize,
        data_bytes: usize,
    ) -> Decoded<Request<'b>, Invalid> {
        let Some(block) = bytes.get(start..start + data_bytes + 2) else {
            self.searched = start - 1;
            return Decoded::NeedMore;
        };
        self.searched = 0;
        match block.strip_suffix(b"\r\n") {
            Some(data) => Decoded::Message(Request::Login { data }, start + data_bytes + 2),
            None => Decoded::Message(Request::Mistake(Mistake::BadData), start + data_bytes + 2),
        }
    }

    #[cold]
    fn discard<'b>(&mut self, bytes: &'b [u8]) -> Decoded<Request<'b>, Invalid> {
        if bytes.is_empty() {
            return Decoded::NeedMore;
        }
        let consumed = self.discard.min(bytes.len());
        self.discard -= consumed;
        Decoded::Message(Request::Discarded, consumed)
    }

    /// Only the first bytes decide which limit holds, so that it does not matter in how many pieces a line arrives.
    #[cold]
    fn is_too_long(&self, bytes: &[u8], len: usize) -> bool {
        let mut words = Keys::of(&bytes[..self.limits.line_bytes_max]);
        let many_keys =
            matches!(words.next(), Some(b"get" | b"gets" | b"gat" | b"gats")) && !words.rest.is_empty();
        !many_keys || len > self.limits.keys_line_bytes_max
    }

    fn other<'b>(&mut self, line: &'b [u8]) -> Result<Request<'b>, Invalid> {
        let mut words = Keys::of(line);
        let command = words.next().unwrap_or_default();
        Ok(match command {
            b"get" => get(false, words),
            b"gets" => get(true, words),
            b"gat" => get_and_touch(false, words),
            b"gats" => get_and_touch(true, words),
            b"mg" => meta::read(words.rest),
            b"mn" => Request::MetaNoop,
            b"version" => Request::Version,
            b"verbosity" => verbosity(words),
            b"stats" => stats(words),
            b"lru_crawler" => lru_crawler(words).map_or_else(Request::Mistake, Request::ListKeys),
            b"slabs" => slabs(words),
            b"watch" => Request::Mistake(Mistake::NoWatch),
            b"shutdown" => Request::Mistake(Mistake::NoShutdown),
            b"quit" => Request::Quit,
            b"set" | b"add" | b"replace" | b"append" | b"prepend" => return self.storage(words, 4),
            b"cas" => return self.storage(words, 5),
            b"ms" => return self.meta_set(words),
            b"md" | b"ma" => write(words, 1, 64),
            b"delete" => write(words, 1, 3),
            b"incr" | b"decr" | b"touch" => write(words, 2, 3),
            b"flush_all" => Request::Write { noreply: words.last() == Some(b"noreply") },
            _ if is_sent_by_browser(line) => return Err(Invalid::HttpRequest),
            _ => Request::Mistake(Mistake::Unknown),
        })
    }

    /// `set key flags exptime bytes [noreply]` and its like; `cas` has one number more.
    fn storage<'b>(&mut self, mut words: Keys<'b>, fixed: usize) -> Result<Request<'b>, Invalid> {
        let count = words.count();
        if count != fixed && count != fixed + 1 {
            return Ok(Request::Mistake(Mistake::Unknown));
        }
        let key = words.next().unwrap_or_default();
        let flags = words.next().and_then(decimal::unsigned);
        let exptime = words.next().and_then(decimal::signed);
        let len = words.next().and_then(decimal::unsigned);
        let (Some(_), Some(_), Some(len), true) = (flags, exptime, len, key.len() <= KEY_BYTES_MAX) else {
            return Ok(Request::Mistake(Mistake::BadFormat));
        };
        if fixed == 5 && words.next().and_then(decimal::unsigned).is_none() {
            return Ok(Request::Mistake(Mistake::BadFormat));
        }
        self.announce(len)?;
        Ok(Request::Write { noreply: words.next() == Some(b"noreply") })
    }

    /// `ms key datalen flag*`. Its `q` hides success alone, so a refusal is always answered.
    fn meta_set<'b>(&mut self, mut words: Keys<'b>) -> Result<Request<'b>, Invalid> {
        let Some(key) = words.next() else { return Ok(Request::Mistake(Mistake::Unknown)) };
        match words.next().and_then(decimal::unsigned) {
            Some(len) if key.len() <= KEY_BYTES_MAX => self.announce(len)?,
            _ => return Ok(Request::Mistake(Mistake::BadFormat)),
        }
        Ok(Request::Write { noreply: false })
    }

    fn announce(&mut self, len: u64) -> Result<(), Invalid> {
        match usize::try_from(len) {
            Ok(len) if len <= self.limits.data_bytes_max => {
                self.discard = len.saturating_add(2);
                Ok(())
            }
            _ => Err(Invalid::DataTooLarge),
        }
    }
}

#[inline]
fn get(with_cas: bool, keys: Keys<'_>) -> Request<'_> {
    match keys.check() {
        Ok(0) => Request::Mistake(Mistake::Unknown),
        Ok(_) => Request::Get { with_cas, keys },
        Err(mistake) => Request::Mistake(mistake),
    }
}

/// Nothing here expires, so the new expiry has only to be a number.
fn get_and_touch(with_cas: bool, mut words: Keys<'_>) -> Request<'_> {
    let Some(exptime) = words.next() else { return Request::Mistake(Mistake::Unknown) };
    if decimal::signed(exptime).is_none() {
        return Request::Mistake(Mistake::Exptime);
    }
    match words.check() {
        Ok(_) => Request::Get { with_cas, keys: words },
        Err(mistake) => Request::Mistake(mistake),
    }
}

fn verbosity(mut words: Keys<'_>) -> Request<'_> {
    let noreply = words.last() == Some(b"noreply");
    match words.next() {
        None => Request::Mistake(Mistake::Unknown),
        Some(level) if noreply || decimal::unsigned(level).is_some() => Request::Verbosity { noreply },
        Some(_) => Request::Mistake(Mistake::BadFormat),
    }
}

fn stats(mut words: Keys<'_>) -> Request<'_> {
    let topic = words.rest.trim_ascii();
    match words.next() {
        Some(b"cachedump") => cachedump(words).map_or_else(Request::Mistake, Request::ListKeys),
        Some(b"detail") if !matches!(words.next(), Some(b"on" | b"off" | b"dump")) => {
            Request::Mistake(Mistake::StatsDetail)
        }
        _ => Request::Stats { topic },
    }
}

/// Memory is not in slabs here, so nothing is moved between them.
fn slabs(mut words: Keys<'_>) -> Request<'_> {
    Request::Mistake(match (words.next(), words.count()) {
        (Some(b"reassign"), 2) | (Some(b"automove"), 1) => Mistake::NoReassignment,
        _ => Mistake::Unknown,
    })
}

/// A write without a data block: a key and a few words more.
fn write(words: Keys<'_>, words_min: usize, words_max: usize) -> Request<'_> {
    let mut keys = words;
    if !(words_min..=words_max).contains(&words.count()) {
        return Request::Mistake(Mistake::Unknown);
    }
    match keys.next() {
        Some(key) if key.len() <= KEY_BYTES_MAX => {
            Request::Write { noreply: words.last() == Some(b"noreply") }
        }
        _ => Request::Mistake(Mistake::BadFormat),
    }
}

/// Words with blanks between them, such as the keys of `get`, found as they are asked for.
///
/// It is an iterator, and a cheap copy of it starts again where the original stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Keys<'b> {
    pub(super) rest: &'b [u8],
    /// `rest` is known to be one word.
    one: bool,
}

impl<'b> Keys<'b> {
    pub(super) fn of(rest: &'b [u8]) -> Self {
        Self { rest, one: false }
    }

    /// How many there are, when none is too long.
    #[inline]
    fn check(self) -> Result<usize, Mistake> {
        let mut count = 0;
        for key in self {
            if key.len() > KEY_BYTES_MAX {
                return Err(Mistake::BadFormat);
            }
            count += 1;
        }
        Ok(count)
    }
}

impl<'b> Iterator for Keys<'b> {
    type Item = &'b [u8];

    #[inline]
    fn next(&mut self) -> Option<&'b [u8]> {
        if self.one {
            self.one = false;
            return Some(std::mem::take(&mut self.rest));
        }
        while let [b' ', rest @ ..] = self.rest {
            self.rest = rest;
        }
        let end = match self.rest {
            [] => return None,
            // A letter, as most flags are.
            [_] | [_, b' ', ..] => 1,
            rest => memchr::memchr(b' ', rest).unwrap_or(rest.len()),
        };
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(word)
    }
}

impl std::fmt::Debug for Keys<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.map(|key| key.escape_ascii().to_string())).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of the `get` of one key that `bytes` begin with, where it is found without reading the line word by word.
    fn key_at_once(bytes: &[u8], limits: Limits) -> Option<Vec<u8>> {
        let mut decoder = RequestDecoder::new(limits);
        let (request, consumed) = decoder.get_of_one(bytes)?;
        assert_eq!(decoder.decode(bytes), Decoded::Message(request, consumed));
        assert_eq!(bytes.get(consumed - 1), Some(&b'\n'));
        let Request::Get { with_cas: false, keys } = request else { panic!("{request:?}") };
        assert_eq!(keys.count(), 1);
        keys.last().map(<[u8]>::to_vec)
    }

    #[test]
    fn a_get_of_one_key_is_read_at_once_whatever_its_length() {
        let limits = Limits::default();
        for len in [1, 2, 100, KEY_BYTES_MAX - 1, KEY_BYTES_MAX] {
            for line_end in ["\n", "\r\n"] {
                let key = "k".repeat(len);
                let line = format!("get {key}{line_end}");
                let pipelined = format!("{line}get other\r\n");
                assert_eq!(
                    key_at_once(pipelined.as_bytes(), limits).as_deref(),
                    Some(key.as_bytes()),
                    "{len}"
                );
                assert_eq!(key_at_once(&line.as_bytes()[..line.len() - 1], limits), None, "{len}");
                // A line of just the length that is allowed, and one that is longer.
                let line_bytes = line.len() - 1;
                let shorter = |line_bytes_max| Limits { line_bytes_max, ..limits };
                assert!(key_at_once(line.as_bytes(), shorter(line_bytes)).is_some());
                assert_eq!(key_at_once(line.as_bytes(), shorter(line_bytes - 1)), None);
            }
        }
        let too_long = format!("get {}\r\n", "k".repeat(KEY_BYTES_MAX + 1));
        for line in ["get a b\r\n", "get  a\r\n", "get \r\n", "get\r\n", "gets a\r\n", &too_long] {
            assert_eq!(key_at_once(line.as_bytes(), limits), None, "{line}");
        }
    }
}
