//! What a file is, by its first bytes. Nothing that has a name here holds pairs that are read
//! here, so that a file of another kind is named and not taken for text with strange keys.

use std::fmt;

use graven_format::layout::MAGIC;

use crate::error::LikelyColumns;
use crate::lines::BYTE_ORDER_MARK;

/// What is in a file that holds no pairs, or none that are read here.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// A table that [`graven_format`] has written.
    Carved,
    /// The same content compressed twice.
    CompressedTwice,
    /// Compressed in a way that is not read here; its usual name.
    OtherCompression(&'static str),
    /// Several files in one; its usual name.
    Archive(&'static str),
    /// Apache Parquet.
    Parquet,
    /// An SQLite database.
    Sqlite,
    /// A dump of a Redis or Valkey: [`RedisDump`](crate::RedisDump) reads it.
    RedisDump,
    /// Another kind of file; its usual name.
    OtherKind(&'static str),
    /// Text in UTF-16.
    Utf16,
    /// Text in UTF-32.
    Utf32,
    /// One JSON array, where it was said to be something else.
    JsonArray,
    /// One JSON object of which it does not follow where its pairs are.
    JsonObject {
        /// The name of the first member that may hold them.
        member: Option<String>,
        /// The name of the first field of the first pair, where these are objects in an array.
        field: Option<String>,
    },
    /// A JSON object a line.
    JsonLines,
    /// Bytes that no text has.
    NulBytes,
    /// Lines that end in `\r` alone.
    LoneCarriageReturns,
    /// Columns that are separated by a byte which no separator of the form is.
    Columns {
        /// The byte.
        delimiter: u8,
        /// Which columns may be key and value.
        likely: LikelyColumns,
    },
    /// Lines at the beginning that look like a comment.
    Comment {
        /// What they begin with.
        prefix: &'static str,
    },
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Carved => f.write_str("a carved file"),
            Self::CompressedTwice => f.write_str("data that was compressed twice"),
            Self::OtherCompression(name) => write!(f, "{name} data"),
            Self::Archive(name) => write!(f, "an archive ({name})"),
            Self::Parquet => f.write_str("a Parquet file"),
            Self::Sqlite => f.write_str("an SQLite database"),
            Self::RedisDump => f.write_str("a Redis dump"),
            Self::OtherKind(name) => f.write_str(name),
            Self::Utf16 => f.write_str("text in UTF-16"),
            Self::Utf32 => f.write_str("text in UTF-32"),
            Self::JsonArray => f.write_str("a JSON array"),
            Self::JsonObject { .. } => f.write_str("one JSON object"),
            Self::JsonLines => f.write_str("a JSON object a line"),
            Self::NulBytes => f.write_str("zero bytes"),
            Self::LoneCarriageReturns => f.write_str("lines that end in a carriage return alone"),
            Self::Columns { delimiter, .. } => {
                write!(f, "columns separated by `{}`", delimiter.escape_ascii())
            }
            Self::Comment { prefix } => write!(f, "lines that begin with `{prefix}`"),
        }
    }
}

/// The first bytes of a kind of file, and where they stand.
type Magic = (usize, &'static [u8], Content);

/// Those that no text begins with.
const STRONG_MAGICS: [Magic; 26] = [
    (0, &MAGIC, Content::Carved),
    (0, b"BZh91AY&SY", Content::OtherCompression("bzip2")),
    (0, b"\xFD7zXZ\0", Content::OtherCompression("xz")),
    (0, b"\x04\x22\x4D\x18", Content::OtherCompression("lz4")),
    (0, b"\x02\x21\x4C\x18", Content::OtherCompression("lz4")),
    (0, b"LZIP\x01", Content::OtherCompression("lzip")),
    (0, b"\xFF\x06\0\0sNaPpY", Content::OtherCompression("snappy")),
    (0, b"PK\x03\x04", Content::Archive("zip")),
    (0, b"PK\x05\x06", Content::Archive("zip")),
    (0, b"!<arch>\n", Content::Archive("ar")),
    (0, b"7z\xBC\xAF\x27\x1C", Content::Archive("7z")),
    (0, b"Rar!\x1A\x07", Content::Archive("rar")),
    (257, b"ustar", Content::Archive("tar")),
    (0, b"SQLite format 3\0", Content::Sqlite),
    (0, b"ARROW1\0", Content::OtherKind("an Arrow file")),
    (0, b"Obj\x01", Content::OtherKind("an Avro file")),
    (0, b"\x89HDF\r\n\x1A\n", Content::OtherKind("an HDF5 file")),
    (0, b"\x93NUMPY", Content::OtherKind("a NumPy array")),
    (0, b"\x7FELF", Content::OtherKind("a program")),
    (0, b"\x89PNG\r\n\x1A\n", Content::OtherKind("a PNG image")),
    (0, b"<?xml ", Content::OtherKind("an XML document")),
    (0, b"<!DOCTYPE ", Content::OtherKind("an XML or HTML document")),
    (0, b"<!doctype html", Content::OtherKind("an HTML document")),
    (0, b"%PDF-1.", Content::OtherKind("a PDF document")),
    (0, b"\xFF\xFE\0\0", Content::Utf32),
    (0, b"\0\0\xFE\xFF", Content::Utf32),
];

/// Those that a text may begin with: a key may be `ORC`. They count where bytes that no text has
/// stand behind them.
const WEAK_MAGICS: [Magic; 10] = [
    (0, b"\x1F\x9D", Content::OtherCompression("compress (.Z)")),
    (0, b"PAR1", Content::Parquet),
    (0, b"PARE", Content::Parquet),
    (0, b"REDIS0", Content::RedisDump),
    (0, b"VALKEY0", Content::RedisDump),
    (0, b"ORC", Content::OtherKind("an ORC file")),
    (0, b"FEA1", Content::OtherKind("a Feather file")),
    (8, b"DUCK", Content::OtherKind("a DuckDB database")),
    (0, b"\xFF\xFE", Content::Utf16),
    (0, b"\xFE\xFF", Content::Utf16),
];

/// Bytes behind a weak magic in which one is looked for that no text has.
const NEAR_BYTES: usize = 1024;

impl Content {
    /// What a file that begins with `head` is, where its first bytes leave no doubt.
    ///
    /// ```
    /// use graven_ingest::Content;
    ///
    /// assert_eq!(Content::of(b"SQLite format 3\0\x10\0"), Some(Content::Sqlite));
    /// assert_eq!(Content::of(b"SQLite is a database"), None);
    /// ```
    pub fn of(head: &[u8]) -> Option<Self> {
        let head = head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(head);
        let rest = |(at, magic, _): &Magic| head.get(*at..)?.strip_prefix(*magic);
        let is_binary_behind = |rest: &[u8]| rest.iter().take(NEAR_BYTES).any(|&byte| is_binary(byte));
        let strong = STRONG_MAGICS.iter().find(|magic| rest(magic).is_some());
        let found =
            strong.or_else(|| WEAK_MAGICS.iter().find(|magic| rest(magic).is_some_and(is_binary_behind)));
        found.map(|(.., content)| content.clone()).or_else(|| utf16_without_mark(head).then_some(Self::Utf16))
    }
}

/// Whether no text has this byte.
fn is_binary(byte: u8) -> bool {
    matches!(byte, 0..=8 | 0x0E..=0x1A | 0x1C..=0x1F | 0x7F)
}

/// Whether every other byte of some is zero, and only those: text of one language in UTF-16.
fn utf16_without_mark(head: &[u8]) -> bool {
    const BYTES: usize = 256;
    let pairs = head[..head.len().min(BYTES)].as_chunks::<2>().0;
    let zeros = |i: usize| pairs.iter().filter(|pair| pair[i] == 0).count() * 10;
    let (first, second) = (zeros(0), zeros(1));
    pairs.len() >= 4 && (first == 0 && second >= 9 * pairs.len() || second == 0 && first >= 9 * pairs.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_nothing_else_though_it_begins_like_it() {
        for text in [
            &b""[..],
            b"ORC an orc\nELF an elf\n",
            b"PAR1 a\n",
            b"REDIS0 b\n",
            b"SQLite format 3\n",
            b"PK a\n",
            b"%PDF a\n",
            b"BZh a\n",
            b"DUCK DUCK DUCK\n",
            b"caf\xC3\xA9 1\n",
            b"\xFEkey value\n",
            b"\xFF\xFEkey value\n",
            b"\x1F\x9D value\n",
            b"key\x1B[1m value\n",
        ] {
            assert_eq!(Content::of(text), None, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn a_foreign_file_is_named() {
        let mut tar = vec![0; 512];
        tar[..6].copy_from_slice(b"a.data");
        tar[257..262].copy_from_slice(b"ustar");
        for (head, content) in [
            (&tar[..], Content::Archive("tar")),
            (b"PAR1\x15\x04\x15", Content::Parquet),
            (b"ORC\x0a\x03\x00\x00", Content::OtherKind("an ORC file")),
            (b"REDIS0011\xFA\x09redis-ver\x057.2.0", Content::RedisDump),
            (b"graven\r\n", Content::Carved),
            (b"k\0e\0y\0 \0v\0\n\0", Content::Utf16),
            (b"\0k\0e\0y\0 \0v\0\n", Content::Utf16),
            (b"\xFF\xFEk\0", Content::Utf16),
            (b"\xFF\xFE\0\0k\0\0\0", Content::Utf32),
        ] {
            assert_eq!(Content::of(head), Some(content), "{}", head.escape_ascii());
        }
    }
}
