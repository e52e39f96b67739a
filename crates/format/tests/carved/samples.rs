//! Tables to try things on: keys of every kind and values of every sort, the same for the same
//! seed, and the bytes that are carved of them.

use std::collections::BTreeMap;
use std::path::Path;

use graven_format::{Builder, Error, Options};
use tempfile::TempDir;

/// A splitmix64 generator: what it gives follows from its seed, on every machine.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// The next number.
    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound
    }

    fn bytes(&mut self, len: u64) -> Vec<u8> {
        (0..len).map(|_| self.number() as u8).collect()
    }

    fn of(&mut self, letters: &[u8], len: u64) -> Vec<u8> {
        (0..len).map(|_| letters[self.below(letters.len() as u64) as usize]).collect()
    }
}

/// How the keys of a sample are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    Uuid4,
    /// The first bits count up, as in versions 1 and 7.
    Uuid7,
    PrefixedUuid,
    /// Upper-case among lower-case, which makes them bytes.
    MixedUuid,
    /// One number after the other.
    Dense,
    /// Anywhere below 2^64.
    Sparse,
    PrefixedDecimal,
    Hex8,
    Hex32,
    /// A common beginning as long as a header can say, and longer.
    LongPrefix,
    Urls,
    /// From nothing to hundreds of bytes, of any value.
    Binary,
}

impl Keys {
    pub(crate) const ALL: [Self; 12] = [
        Self::Uuid4,
        Self::Uuid7,
        Self::PrefixedUuid,
        Self::MixedUuid,
        Self::Dense,
        Self::Sparse,
        Self::PrefixedDecimal,
        Self::Hex8,
        Self::Hex32,
        Self::LongPrefix,
        Self::Urls,
        Self::Binary,
    ];

    /// The key that is number `i`; those of most kinds are all different.
    pub(crate) fn key(self, i: u64, random: &mut Random) -> Vec<u8> {
        let wide = |random: &mut Random| u128::from(random.number()) << 64 | u128::from(random.number());
        match self {
            Self::Uuid4 => uuid(wide(random) & !(0xF << 76 | 3 << 62) | 4 << 76 | 2 << 62),
            Self::Uuid7 => {
                let time = u128::from(0x0190_0000_0000 + i / 3) << 80;
                uuid(time | 7 << 76 | 2 << 62 | wide(random) & ((0xFFF << 64) | ((1 << 62) - 1)))
            }
            Self::PrefixedUuid => [b"row/", uuid(wide(random)).as_slice()].concat(),
            Self::MixedUuid => {
                let text = uuid(wide(random));
                if i.is_multiple_of(3) { text.to_ascii_uppercase() } else { text }
            }
            Self::Dense => (1_000_000 + i).to_string().into_bytes(),
            Self::Sparse => (random.number() >> random.below(64)).to_string().into_bytes(),
            Self::PrefixedDecimal => format!("user:{}", i * 7).into_bytes(),
            Self::Hex8 => format!("{:08x}", random.number() as u32).into_bytes(),
            Self::Hex32 => format!("{:032x}", wide(random)).into_bytes(),
            Self::LongPrefix => [&[b'p'; 300][..], &random.bytes(1 + i % 9)].concat(),
            Self::Urls => {
                let len = 3 + random.below(30);
                let path = random.of(b"abcdefghijklmnop/-_", len);
                [b"https://example.com/", path.as_slice(), i.to_string().as_bytes()].concat()
            }
            Self::Binary => {
                let len = if i == 0 { 0 } else { random.below(40) * random.below(10) };
                random.bytes(len)
            }
        }
    }
}

fn uuid(number: u128) -> Vec<u8> {
    let hex = format!("{number:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-").into_bytes()
}

/// What the values of a sample are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Values {
    Empty,
    /// 10 to 50 random letters.
    Letters,
    /// All of twelve bytes.
    Fixed,
    Words,
    Json,
    Binary,
    /// Short ones, and some that are too long for a bucket.
    Long,
    /// As [`Self::Long`], of nothing but words.
    LongText,
    /// Mostly one of a few, some of these long.
    Few,
}

impl Values {
    pub(crate) const ALL: [Self; 9] = [
        Self::Few,
        Self::Empty,
        Self::Letters,
        Self::Fixed,
        Self::Words,
        Self::Json,
        Self::Binary,
        Self::Long,
        Self::LongText,
    ];

    pub(crate) fn value(self, i: u64, random: &mut Random) -> Vec<u8> {
        const WORDS: [&str; 16] = [
            "carve", "stone", "letters", "once", "and", "read", "them", "forever", "the", "of", "a", "table",
            "river", "quick", "brown", "über",
        ];
        let words = |random: &mut Random, count: u64| {
            let words: Vec<&str> = (0..count).map(|_| WORDS[random.below(16) as usize]).collect();
            words.join(" ").into_bytes()
        };
        match self {
            Self::Empty => Vec::new(),
            Self::Letters => {
                let len = 10 + random.below(41);
                random.of(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", len)
            }
            Self::Fixed => random.of(b"0123456789", 12),
            Self::Words => {
                let count = random.below(20);
                words(random, count)
            }
            Self::Json => format!(
                r#"{{"id":{i},"name":"{}","price":{}.99,"tags":["stone","once"]}}"#,
                String::from_utf8(words(random, 2)).unwrap(),
                random.below(100)
            )
            .into_bytes(),
            Self::Binary => {
                let len = random.below(60);
                random.bytes(len)
            }
            Self::Few if i.is_multiple_of(16) => words(random, 6),
            Self::Few => {
                let kind = random.below(12);
                let times = if kind == 11 { 60 } else { 1 + kind as usize };
                format!("category/{kind}/").repeat(times).into_bytes()
            }
            Self::LongText => words(random, if i.is_multiple_of(16) { 3000 } else { i % 16 }),
            Self::Long => match i % 16 {
                0 => {
                    let len = 500 + random.below(30);
                    random.bytes(len)
                }
                1 => words(random, 1000),
                2 => random.bytes(255),
                3 => Vec::new(),
                _ => words(random, 5),
            },
        }
    }
}

/// Pairs with different keys, at most `count` of them.
pub(crate) fn pairs(keys: Keys, values: Values, count: u64, seed: u64) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut random = Random(seed);
    let made = (0..count).map(|i| (keys.key(i, &mut random), values.value(i, &mut random)));
    made.collect::<BTreeMap<_, _>>().into_iter().collect()
}

/// A folder for files that are made or written to very often: in memory where the system has such a place.
pub(crate) fn folder_in_memory() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }.unwrap()
}

/// The file that is carved of the pairs.
pub(crate) fn carve(pairs: &[(Vec<u8>, Vec<u8>)], options: Options, path: &Path) -> Result<Vec<u8>, Error> {
    let mut builder = Builder::new(options);
    pairs.iter().try_for_each(|(key, value)| builder.add(key, value))?;
    let built = builder.write(path)?;
    let bytes = std::fs::read(path).unwrap();
    assert_eq!(bytes.len() as u64, built.carved_bytes);
    Ok(bytes)
}
