//! `table.toml`: the conditions that a version must pass before it is switched to, and how a table is served.

use std::fmt;
use std::sync::Arc;

use graven_format::Store;
use serde::Deserialize;

use crate::root::directory::{CURRENT, SETTINGS, VERSION_SUFFIX};
use crate::root::name::NAME_BYTES_MAX;

/// What publishers and servers hold to for one table; an absent file says nothing.
///
/// ```
/// use graven_catalog::TableSettings;
///
/// let settings: TableSettings = TableSettings::read("min-pairs = 1000\nmax-change = \"20%\"\n").unwrap();
/// assert_eq!((settings.min_pairs, settings.max_change.unwrap().percent()), (Some(1000), 20.0));
/// assert!(TableSettings::read("min-pair = 1000\n").is_err());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct TableSettings {
    /// Pairs that a version has at least.
    pub min_pairs: Option<u64>,
    /// How much a version may differ from the one that answers, in pairs and in bytes of keys and values.
    pub max_change: Option<Share>,
    /// A file beside `table.toml` with a key a line that must be there; behind a space, its value.
    pub probe: Option<String>,
    /// A version `V` is switched to only when there is a file `V.MARKER` beside it.
    pub require_marker: Option<String>,
    /// Where the table's bytes are kept while it is served: `ram`, `mmap` or `disk`.
    pub storage: Option<TableStorage>,
    /// Versions that are kept: older ones are removed when another is published.
    pub keep: Option<usize>,
}

/// Where a table's bytes are kept while it is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TableStorage {
    /// In memory.
    Ram,
    /// In the system's page cache.
    Mmap,
    /// On disk, with its index and a cache in memory.
    Disk,
}

/// A share such as `20%`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub struct Share(f64);

impl Share {
    /// The share in percent.
    pub fn percent(self) -> f64 {
        self.0
    }
}

impl TryFrom<String> for Share {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let number = text.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
        match number.filter(|number| number.is_finite() && *number >= 0.0) {
            Some(percent) => Ok(Self(percent)),
            None => Err(format!("expected a share such as \"20%\", found {text:?}")),
        }
    }
}

impl TableSettings {
    /// As [`Self::read`], of bytes that may be no text.
    pub(crate) fn read_bytes(bytes: &[u8]) -> Result<Self, String> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::read(text),
            Err(_) => Err("expected text, found bytes that are not UTF-8".to_owned()),
        }
    }

    /// Reads a `table.toml`.
    ///
    /// # Errors
    /// What is wrong with it and in which line; an unknown key is wrong.
    pub fn read(text: &str) -> Result<Self, String> {
        let settings: Self = toml::from_str(text).map_err(|error| error.to_string().trim().to_owned())?;
        let wrong = |key, name: &str| {
            Err(format!(
                "expected {key} to name a file beside it, not hidden and no version, found {:?}",
                name.chars().take(80).collect::<String>()
            ))
        };
        if let Some(probe) = settings.probe.as_ref().filter(|probe| !is_beside_name(probe)) {
            return wrong("probe", probe);
        }
        // It comes behind the name of a version and a dot.
        let is_marker = |marker: &&String| {
            !marker.is_empty() && is_beside_name(&format!("{}.{marker}", "v".repeat(NAME_BYTES_MAX)))
        };
        if let Some(marker) = settings.require_marker.as_ref().filter(|marker| !is_marker(marker)) {
            return wrong("require-marker", marker);
        }
        Ok(settings)
    }
}

/// Bytes of a file's name, at most.
const FILE_NAME_BYTES_MAX: usize = 255;

/// Whether a file beside `table.toml` may be named so: what is hidden, `CURRENT`, the settings and
/// versions are other things than probes and markers.
pub(crate) fn is_beside_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && !name.contains(['/', '\0'])
        && !name.ends_with(VERSION_SUFFIX)
        && name != CURRENT
        && name != SETTINGS
        && name.len() <= FILE_NAME_BYTES_MAX
}

/// Why a gate keeps a version out.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum GateRefusal {
    /// It has too few pairs.
    TooFewPairs {
        /// As many are expected at least.
        expected: u64,
        /// As many there are.
        found: u64,
    },
    /// It differs too much from the version that answers.
    TooMuchChange {
        /// What differs: "pairs" or "bytes of keys and values".
        what: &'static str,
        /// In the version that answers.
        before: u64,
        /// In this one.
        found: u64,
        /// The change that may be, in percent.
        percent_max: f64,
    },
    /// A key that must be there is not.
    ProbeMissing {
        /// The key.
        key: Vec<u8>,
    },
    /// A key has another value than it must have.
    ProbeDiffers {
        /// The key.
        key: Vec<u8>,
        /// The value that is expected.
        expected: Vec<u8>,
        /// The value that there is.
        found: Vec<u8>,
    },
    /// The probe could not be made.
    ProbeFailed {
        /// Why.
        reason: String,
    },
    /// The marker is not there.
    NoMarker {
        /// The file that is expected.
        file: String,
    },
}

impl fmt::Display for GateRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |bytes: &[u8]| {
            let text = bytes[..bytes.len().min(60)].escape_ascii().to_string();
            if bytes.len() > 60 { format!("{text}… ({} bytes)", bytes.len()) } else { text }
        };
        match self {
            Self::TooFewPairs { expected, found } => {
                write!(f, "min-pairs: expected at least {expected} pairs, found {found}")
            }
            Self::TooMuchChange { what, before, found, percent_max } => write!(
                f,
                "max-change: expected {what} within {percent_max}% of {before}, found {found}, a change of {:.1}%",
                change_percent(*before, *found)
            ),
            Self::ProbeMissing { key } => write!(f, "probe: the key {} is missing", short(key)),
            Self::ProbeDiffers { key, expected, found } => write!(
                f,
                "probe: expected the value {} of the key {}, found {}",
                short(expected),
                short(key),
                short(found)
            ),
            Self::ProbeFailed { reason } => write!(f, "probe: {reason}"),
            Self::NoMarker { file } => write!(f, "require-marker: there is no {file}"),
        }
    }
}

fn change_percent(before: u64, found: u64) -> f64 {
    if before == found { 0.0 } else { found.abs_diff(before) as f64 * 100.0 / before.max(1) as f64 }
}

/// What the gates look at beside the version itself.
#[derive(Clone, Debug, Default)]
pub struct GateContext {
    /// The version that answers.
    pub current: Option<Arc<Store>>,
    /// The content of the probe, where one is named and could be read.
    pub probe: Option<Result<Vec<u8>, String>>,
    /// The marker's file, and whether it is there, where one is required.
    pub marker: Option<(String, bool)>,
}

/// Every reason to keep `candidate` out; none when it may be switched to.
pub fn refusals(settings: &TableSettings, candidate: &Store, context: &GateContext) -> Vec<GateRefusal> {
    let mut refusals = Vec::new();
    if let Some(expected) = settings.min_pairs.filter(|&expected| candidate.len() < expected) {
        refusals.push(GateRefusal::TooFewPairs { expected, found: candidate.len() });
    }
    if let (Some(share), Some(current)) = (settings.max_change, &context.current) {
        let (before, after) = (current.info(), candidate.info());
        for (what, before, found) in [
            ("pairs", current.len(), candidate.len()),
            (
                "bytes of keys and values",
                before.key_bytes + before.value_bytes,
                after.key_bytes + after.value_bytes,
            ),
        ] {
            if change_percent(before, found) > share.percent() {
                let percent_max = share.percent();
                refusals.push(GateRefusal::TooMuchChange { what, before, found, percent_max });
            }
        }
    }
    match &context.probe {
        Some(Ok(probe)) => refusals.extend(probe_refusal(probe, candidate)),
        Some(Err(reason)) => refusals.push(GateRefusal::ProbeFailed { reason: reason.clone() }),
        None => {}
    }
    if let Some((file, false)) = &context.marker {
        refusals.push(GateRefusal::NoMarker { file: file.clone() });
    }
    refusals
}

/// The first line of a probe that is not answered as it must be.
fn probe_refusal(probe: &[u8], candidate: &Store) -> Option<GateRefusal> {
    let mut value = Vec::new();
    for line in probe.split(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        let (key, expected) = match line.iter().position(|&byte| byte == b' ') {
            Some(at) => (&line[..at], Some(&line[at + 1..])),
            None => (line, None),
        };
        value.clear();
        match candidate.get(key, &mut value) {
            Ok(true) if expected.is_none_or(|expected| expected == value) => {}
            Ok(true) => {
                let expected = expected.unwrap_or_default().to_vec();
                return Some(GateRefusal::ProbeDiffers { key: key.to_vec(), expected, found: value });
            }
            Ok(false) => return Some(GateRefusal::ProbeMissing { key: key.to_vec() }),
            Err(error) => return Some(GateRefusal::ProbeFailed { reason: error.to_string() }),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use graven_format::{Builder, Options};

    use super::*;

    fn store(pairs: u32) -> Arc<Store> {
        let mut builder = Builder::new(Options::default());
        for i in 0..pairs {
            builder.add(format!("k{i}").as_bytes(), format!("value {i}").as_bytes()).unwrap();
        }
        Arc::new(builder.finish().unwrap().0)
    }

    fn refused(settings: &str, candidate: u32, context: &GateContext) -> Vec<String> {
        let settings = TableSettings::read(settings).unwrap();
        refusals(&settings, &store(candidate), context).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_gate_lets_in_what_passes_and_says_why_it_does_not() {
        let after = |pairs| GateContext { current: Some(store(pairs)), ..GateContext::default() };
        assert!(refused("", 0, &after(1_000)).is_empty());
        assert!(refused("min-pairs = 10", 10, &after(10)).is_empty());
        assert_eq!(
            refused("min-pairs = 10", 9, &GateContext::default()),
            ["min-pairs: expected at least 10 pairs, found 9"]
        );
        assert!(refused("max-change = \"10%\"", 1_000, &GateContext::default()).is_empty());
        assert!(refused("max-change = \"10%\"", 1_050, &after(1_000)).is_empty());
        let changed = refused("max-change = \"10%\"", 500, &after(1_000));
        assert_eq!(changed[0], "max-change: expected pairs within 10% of 1000, found 500, a change of 50.0%");
        assert_eq!(changed.len(), 2);
        assert_eq!(refused("max-change = \"0%\"", 11, &after(0)).len(), 2);

        let probe = |text: &str| GateContext { probe: Some(Ok(text.into())), ..GateContext::default() };
        assert!(refused("", 5, &probe("k1\nk2 value 2\r\n\n")).is_empty());
        assert_eq!(refused("", 5, &probe("k1\nk7\n")), ["probe: the key k7 is missing"]);
        assert_eq!(
            refused("", 5, &probe("k1 value 2")),
            ["probe: expected the value value 2 of the key k1, found value 1"]
        );
        let marker = |is_there| GateContext {
            marker: Some(("v1.ready".to_owned(), is_there)),
            ..GateContext::default()
        };
        assert!(refused("", 1, &marker(true)).is_empty());
        assert_eq!(refused("", 1, &marker(false)), ["require-marker: there is no v1.ready"]);
    }

    #[test]
    fn settings_that_are_not_understood_are_refused_with_their_line() {
        for (text, reason) in [
            ("min-pair = 3\n", "unknown field"),
            ("a = 1\nmax-change = 20\n", "unknown field"),
            ("max-change = \"many\"\n", "expected a share"),
            ("probe = \".\"\n", "a file beside it"),
            ("probe = \".v1.fetch\"\n", "a file beside it"),
            ("probe = \"CURRENT\"\n", "a file beside it"),
            ("probe = \"table.toml\"\n", "a file beside it"),
            ("probe = \"v1.graven\"\n", "a file beside it"),
            ("require-marker = \"\"\n", "a file beside it"),
            ("require-marker = \"a/b\"\n", "a file beside it"),
            ("require-marker = \"graven\"\n", "no version"),
            ("require-marker = \"x.graven\"\n", "no version"),
            (&format!("probe = \"{}\"\n", "x".repeat(256)), "a file beside it"),
            (&format!("require-marker = \"{}\"\n", "x".repeat(191)), "a file beside it"),
            ("probe = \"../x\"\n", "a file beside it"),
            ("storage = \"tape\"\n", "tape"),
        ] {
            let error = TableSettings::read(text).unwrap_err();
            assert!(error.contains(reason), "{text:?}: {error}");
        }
    }
}
