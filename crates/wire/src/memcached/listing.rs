//! `lru_crawler metadump` and `stats cachedump`: all keys, in the two forms that memcached has for them.

use super::Mistake;
use super::decode::Keys;
use crate::decimal;
use crate::http::escape;

/// A request for the keys of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyListing {
    /// How each key is told.
    pub form: ListingForm,
    /// How many keys are told at most.
    pub keys_max: u64,
}

/// How a key is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListingForm {
    /// `lru_crawler metadump`: a line of words such as `key=a%20b`.
    Metadump,
    /// `stats cachedump`: an `ITEM`.
    Cachedump,
}

/// The one class of values. memcached sorts values into classes by their size, and lists them class by class.
pub const CLASS: u64 = 1;

/// memcached has no class with this number or a higher one.
const CLASSES: u64 = 64;

impl KeyListing {
    fn of_class(form: ListingForm, class: bool, limit: u64) -> Self {
        let keys_max = match (class, limit) {
            (false, _) => 0,
            (true, 0) => u64::MAX,
            (true, limit) => limit,
        };
        Self { form, keys_max }
    }

    /// Appends one key, which has `len` bytes of value: whether it is told. One that no `get` could ask for (longer than 250 bytes, or with a
    /// blank or control character) is left out; `metadump` escapes such characters, and tells those keys, too.
    pub fn tell(&self, key: &[u8], len: usize, cas: u64, out: &mut Vec<u8>) -> bool {
        if key.len() > super::KEY_BYTES_MAX {
            return false;
        }
        match self.form {
            ListingForm::Metadump => {
                out.extend_from_slice(b"key=");
                escape(key, out);
                // Nothing expires, and nobody keeps count of who asked.
                out.extend_from_slice(b" exp=-1 la=0 cas=");
                decimal::push(out, cas);
                out.extend_from_slice(b" fetch=no cls=");
                decimal::push(out, CLASS);
                out.extend_from_slice(b" size=");
                decimal::push_len(out, key.len() + len);
                out.push(b'\n');
            }
            ListingForm::Cachedump if key.iter().any(|&byte| byte <= b' ' || byte == 0x7F) => return false,
            ListingForm::Cachedump => {
                out.extend_from_slice(b"ITEM ");
                out.extend_from_slice(key);
                out.extend_from_slice(b" [");
                decimal::push_len(out, len);
                out.extend_from_slice(b" b; 0 s]\r\n");
            }
        }
        true
    }
}

/// What follows `lru_crawler`.
pub(super) fn lru_crawler(mut words: Keys<'_>) -> Result<KeyListing, Mistake> {
    match (words.next(), words.next()) {
        (Some(b"metadump"), Some(b"all" | b"hash")) => {
            Ok(KeyListing::of_class(ListingForm::Metadump, true, 0))
        }
        (Some(b"metadump"), Some(classes)) => {
            let mut is_asked = false;
            for class in classes.split(|&byte| byte == b',') {
                match decimal::unsigned(class) {
                    Some(class @ 1..CLASSES) => is_asked |= class == CLASS,
                    _ => return Err(Mistake::Class),
                }
            }
            Ok(KeyListing::of_class(ListingForm::Metadump, is_asked, 0))
        }
        (Some(b"enable" | b"disable"), _) | (Some(b"sleep" | b"tocrawl" | b"crawl"), Some(_)) => {
            Err(Mistake::NoCrawler)
        }
        _ => Err(Mistake::Unknown),
    }
}

/// What follows `stats cachedump`: a class, and how many keys at most, 0 for all.
pub(super) fn cachedump(mut words: Keys<'_>) -> Result<KeyListing, Mistake> {
    let (Some(class), Some(limit)) = (words.next(), words.next()) else { return Err(Mistake::BadLine) };
    match (decimal::unsigned(class), decimal::unsigned(limit)) {
        (Some(class @ 0..CLASSES), Some(limit)) => {
            Ok(KeyListing::of_class(ListingForm::Cachedump, class == CLASS, limit))
        }
        (Some(_), Some(_)) => Err(Mistake::SlabClass),
        _ => Err(Mistake::BadFormat),
    }
}
