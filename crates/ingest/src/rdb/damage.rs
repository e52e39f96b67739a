//! What can be wrong with a dump.

use std::fmt;

/// The versions of the format that are read.
pub(super) const VERSIONS: std::ops::RangeInclusive<u32> = 1..=12;

/// What is wrong with a dump, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RdbDamage {
    /// How many bytes of the dump stand before it.
    pub offset: u64,
    /// The key whose value is damaged; none where it is not known, or not one key's.
    pub key: Option<Vec<u8>>,
    /// What is wrong.
    pub fault: RdbFault,
}

/// What is wrong at a place of a dump.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RdbFault {
    /// It does not begin as a dump does.
    Magic {
        /// Its first nine bytes, or fewer.
        found: Vec<u8>,
    },
    /// A version that is not read.
    Version {
        /// The version.
        found: u32,
    },
    /// A dump of Valkey 9 or newer, which has a format of its own.
    Valkey {
        /// Its version.
        found: u32,
    },
    /// It ends where more must follow.
    Ends {
        /// Bytes that must follow.
        expected: u64,
    },
    /// Something is longer than a table holds.
    TooLong {
        /// What.
        what: &'static str,
        /// The most bytes.
        most: u64,
        /// The bytes that it says it has.
        found: u64,
    },
    /// A length is written as none is.
    Length {
        /// Its first byte.
        found: u8,
    },
    /// A string is stored in a way that no version has.
    Encoding {
        /// The number of the way.
        found: u8,
    },
    /// A compressed string is damaged.
    Lzf {
        /// How.
        what: &'static str,
    },
    /// A compressed string has another length than it says.
    LzfLength {
        /// What it says.
        expected: usize,
        /// What it has, at least.
        found: usize,
    },
    /// No value of a version that is read has this type.
    Type {
        /// The number of the type.
        found: u8,
    },
    /// A value of a module of Redis 4 before its release, whose length nothing says.
    OldModule,
    /// A part of a module's value of an unknown kind.
    ModulePart {
        /// The number of the kind.
        found: u64,
    },
    /// A part of a list in 'quicklist' form of an unknown kind.
    ListPart {
        /// The number of the kind.
        found: u64,
    },
    /// A hash that is packed into one string is damaged.
    Packed {
        /// The form: ziplist, listpack or zipmap.
        form: &'static str,
        /// The byte of it.
        at: usize,
        /// What is wrong.
        what: &'static str,
        /// What was expected.
        expected: u64,
        /// What was found.
        found: u64,
    },
    /// A hash has one field twice.
    RepeatedField {
        /// Its name.
        name: Vec<u8>,
    },
    /// The checksum at the end is not that of the bytes.
    Checksum {
        /// What the dump says.
        expected: u64,
        /// What its bytes have.
        found: u64,
    },
    /// Something follows the end.
    Trailing,
}

impl fmt::Display for RdbDamage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}", self.offset)?;
        if let Some(key) = &self.key {
            write!(f, ", key {}", super::shown(key))?;
        }
        write!(f, ": {}", self.fault)
    }
}

impl fmt::Display for RdbFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic { found } => write!(
                f,
                "expected a dump, which begins with REDIS and four digits, found \"{}\"",
                found.escape_ascii()
            ),
            Self::Version { found } => write!(
                f,
                "expected a dump of version {} to {}, found version {found}",
                VERSIONS.start(),
                VERSIONS.end()
            ),
            Self::Valkey { found } => write!(
                f,
                "expected a dump of Redis, or of Valkey before 9, found version {found} of Valkey's own format"
            ),
            Self::Ends { expected } => {
                write!(f, "expected {} more, found the end", bytes(*expected))
            }
            Self::TooLong { what, most, found } => {
                write!(f, "expected {what} of at most {}, found {}", bytes(*most), bytes(*found))
            }
            Self::Length { found } => write!(f, "expected a length, found the byte 0x{found:02X}"),
            Self::Encoding { found } => {
                write!(f, "expected a string in encoding 0 to 3, found encoding {found}")
            }
            Self::Lzf { what } => write!(f, "the string cannot be unpacked: {what}"),
            Self::LzfLength { expected, found } => {
                write!(f, "expected a string that unpacks to {expected} bytes, found {found}")
            }
            Self::Type { found } => {
                write!(f, "expected the type of a value or the end, found the byte {found}")
            }
            Self::OldModule => f.write_str(
                "the value is of a module of Redis 4 before its release: its length is written nowhere",
            ),
            Self::ModulePart { found } => {
                write!(f, "expected a part of a module's value of kind 0 to 5, found {found}")
            }
            Self::ListPart { found } => write!(f, "expected a part of a list of kind 1 or 2, found {found}"),
            Self::Packed { form, at, what, expected, found } => {
                write!(f, "the {form} is damaged at its byte {at}: expected {what} {expected}, found {found}")
            }
            Self::RepeatedField { name } => {
                write!(f, "expected different fields, found the field {} twice", super::shown(name))
            }
            Self::Checksum { expected, found } => {
                write!(f, "expected the checksum {expected:016x}, found {found:016x}: the dump is damaged")
            }
            Self::Trailing => {
                f.write_str("expected the end of the file behind the end of the dump, found more bytes")
            }
        }
    }
}

fn bytes(number: u64) -> String {
    if number == 1 { "1 byte".to_owned() } else { format!("{number} bytes") }
}
