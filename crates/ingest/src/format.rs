//! The forms that pairs come in.

use std::fmt;
use std::path::Path;

/// The form of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// A line is a key, one space or tab, and a value: [`graven_format::text`].
    Data,
    /// A line is a key, a tab and a value, which may hold more tabs; or columns, where they are
    /// asked for.
    Tsv,
    /// Rows of separated columns, quoted where need be.
    Csv,
    /// A line is a JSON object.
    Jsonl,
    /// One JSON document, an object or an array: a member or an element is a pair.
    Json,
    /// Stanzas of fields, as Debian's package indexes have: lines of a name, a colon and a text.
    Deb822,
    /// Columns with names and types, of one file or several.
    Parquet,
}

impl Format {
    /// Every form.
    pub const ALL: [Self; 7] =
        [Self::Data, Self::Tsv, Self::Csv, Self::Jsonl, Self::Json, Self::Deb822, Self::Parquet];

    /// The short name, which is also the usual extension of such a file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Tsv => "tsv",
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::Json => "json",
            Self::Deb822 => "deb822",
            Self::Parquet => "parquet",
        }
    }

    /// What the name of a file says of what is in it, or nothing. The extension of a compression
    /// is passed over.
    ///
    /// ```
    /// use graven_ingest::Format;
    ///
    /// assert_eq!(Format::of("prices.csv.gz".as_ref()), Some(Format::Csv));
    /// assert_eq!(Format::of("UnicodeData.txt".as_ref()), None);
    /// ```
    pub fn of(path: &Path) -> Option<Self> {
        let extension = |path: &Path| {
            path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase)
        };
        match extension(path)?.as_str() {
            "data" => Some(Self::Data),
            "tsv" | "tab" => Some(Self::Tsv),
            "csv" => Some(Self::Csv),
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            "json" => Some(Self::Json),
            "parquet" | "parq" => Some(Self::Parquet),
            "gz" | "zst" => Self::of(Path::new(path.file_stem()?)),
            _ => None,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
