//! `CURRENT`: which version answers, and how that came about.
//!
//! The first line names the version, so that a person can write it with `echo`. Every further line is an entry of the history,
//! the newest first: version, time, verb, note. It is written in the same step as the first line. Lines of another form are
//! kept as they are, as long as there is room for them.

use std::collections::BTreeSet;
use std::fmt;
use std::time::SystemTime;

use crate::root::name::{NAME_BYTES_MAX, NotAName, VersionName};

/// Entries of the history that are kept, at most.
pub const HISTORY_MAX: usize = 100;

/// Bytes of a `CURRENT`, at most: a hundred entries with long notes take an eighth.
pub(crate) const CURRENT_BYTES_MAX: usize = 1 << 20;

/// Bytes of a note, at most.
pub const NOTE_BYTES_MAX: usize = 1024;

/// What made a version the one that answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verb {
    /// It was published.
    Publish,
    /// It was switched to.
    Switch,
    /// It was gone back to; the note names the version that was found bad.
    Rollback,
    /// Nothing was switched: the table may be switched again after a rollback.
    Resume,
}

impl Verb {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Publish, "publish"),
        (Self::Switch, "switch"),
        (Self::Rollback, "rollback"),
        (Self::Resume, "resume"),
    ];

    /// The verb as it is written.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(verb, _)| *verb == self).map_or("", |(_, text)| text)
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == text).map(|(verb, _)| *verb)
    }
}

/// An entry of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The version that answered from then on.
    pub version: VersionName,
    /// When, to the second.
    pub time: SystemTime,
    /// How that came about.
    pub verb: Verb,
    /// For a rollback, the version that was rolled back from.
    pub from: Option<VersionName>,
    /// The gates were not asked.
    pub forced: bool,
    /// What whoever did it had to say; without line breaks.
    pub note: String,
}

/// A line behind the first.
#[derive(Clone, Debug, PartialEq, Eq)]
enum CurrentLine {
    Entry(HistoryEntry),
    Other(String),
}

impl CurrentLine {
    /// Whether it says of a version that it is bad.
    fn is_of_bad(&self) -> bool {
        matches!(self, Self::Entry(HistoryEntry { from: Some(_), .. }))
    }

    fn bytes(&self) -> usize {
        let text = match self {
            Self::Entry(entry) => entry.to_string().len(),
            Self::Other(other) => other.len(),
        };
        text + "\n".len()
    }
}

/// What `CURRENT` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Current {
    version: VersionName,
    lines: Vec<CurrentLine>,
}

/// What is wrong with a `CURRENT`, which then changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotCurrent {
    /// It is empty.
    Empty,
    /// Its first line is no version's name.
    Name {
        /// The line.
        line: String,
        /// What is wrong with it.
        reason: NotAName,
    },
    /// It is not text.
    NotText,
    /// It has more bytes than are read.
    TooLarge {
        /// Bytes that it may have.
        bytes_max: usize,
    },
}

impl fmt::Display for NotCurrent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("expected the name of a version in its first line, found nothing"),
            Self::Name { line, reason } => {
                write!(f, "expected the name of a version in its first line, found {line:?}: {reason}")
            }
            Self::NotText => f.write_str("expected text, found bytes that are not UTF-8"),
            Self::TooLarge { bytes_max } => write!(f, "expected at most {bytes_max} bytes, found more"),
        }
    }
}

impl std::error::Error for NotCurrent {}

impl Current {
    /// Reads the bytes of a `CURRENT`.
    ///
    /// # Errors
    /// When its first line is no version's name, or there are too many bytes. Nothing else in it can be wrong.
    ///
    /// ```
    /// use graven_catalog::Current;
    ///
    /// let current = Current::read(b"20261126T020000Z\n").unwrap();
    /// assert_eq!(current.version().as_str(), "20261126T020000Z");
    /// assert!(Current::read(b"\n").is_err());
    /// ```
    pub fn read(bytes: &[u8]) -> Result<Self, NotCurrent> {
        if bytes.len() > CURRENT_BYTES_MAX {
            return Err(NotCurrent::TooLarge { bytes_max: CURRENT_BYTES_MAX });
        }
        let text = std::str::from_utf8(bytes).map_err(|_| NotCurrent::NotText)?;
        let mut lines = text.lines();
        let first = lines.next().unwrap_or_default().trim();
        if first.is_empty() {
            return Err(NotCurrent::Empty);
        }
        let version = first.parse().map_err(|reason| {
            let line: String = first.chars().take(80).collect();
            NotCurrent::Name { line, reason }
        })?;
        let lines = lines.map(|line| match HistoryEntry::parse(line) {
            Some(entry) => CurrentLine::Entry(entry),
            None => CurrentLine::Other(line.to_owned()),
        });
        Ok(Self { version, lines: lines.collect() })
    }

    /// The bytes to be written.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\n", self.version);
        for line in &self.lines {
            match line {
                CurrentLine::Entry(entry) => text.push_str(&entry.to_string()),
                CurrentLine::Other(other) => text.push_str(other),
            }
            text.push('\n');
        }
        text.into_bytes()
    }

    /// The version that answers.
    pub fn version(&self) -> &VersionName {
        &self.version
    }

    /// The history, the newest entry first.
    pub fn history(&self) -> impl Iterator<Item = &HistoryEntry> {
        self.lines.iter().filter_map(|line| match line {
            CurrentLine::Entry(entry) => Some(entry),
            CurrentLine::Other(_) => None,
        })
    }

    /// Whether the table was rolled back and not resumed since: nothing is switched to until then.
    pub fn is_frozen(&self) -> bool {
        // Nothing but a resume follows upon a rollback, so older entries, which may be forgotten one by one, do not matter.
        self.history().next().is_some_and(|newest| newest.verb == Verb::Rollback)
    }

    /// Whether the version that answers has to pass the gates of its table: not one that was switched to by force, nor one
    /// that was gone back to, which may differ from the bad one as much as it has to.
    pub fn asks_gates(&self) -> bool {
        self.how().is_none_or(|how| !(how.forced || how.verb == Verb::Rollback))
    }

    /// Whether the version that answers was gone back to. It has answered before, and the one that it took the place of is
    /// bad: it answers at once, and is verified while it does.
    pub fn was_gone_back_to(&self) -> bool {
        self.how().is_some_and(|how| how.verb == Verb::Rollback)
    }

    /// What made the version the one that answers; `None` where a person wrote its name alone.
    fn how(&self) -> Option<&HistoryEntry> {
        let how = self.history().find(|entry| entry.verb != Verb::Resume);
        how.filter(|how| how.version == self.version)
    }

    /// Whether what `before` named may still come to answer: it is named still, or others were
    /// published since and nothing else has happened. It answers until they are loaded, so that
    /// versions that are published faster than they are loaded do not keep each other out.
    pub(crate) fn stands_by(&self, before: &Self) -> bool {
        if self.version == before.version {
            return before.asks_gates() || !self.asks_gates();
        }
        let mut since =
            self.history().skip_while(|entry| entry.verb == Verb::Publish && entry.version != before.version);
        since.next().is_some_and(|entry| entry.version == before.version)
            && !self.bad().contains(&before.version)
    }

    /// Versions that were rolled back from: none of them is gone back to.
    pub fn bad(&self) -> BTreeSet<&VersionName> {
        self.history().filter_map(|entry| entry.from.as_ref()).collect()
    }

    /// The version that a rollback goes back to: of those that `is_there` says are there, the newest that answered before the
    /// present one and was not rolled back from.
    pub fn rollback_target(&self, is_there: impl Fn(&VersionName) -> bool) -> Option<&VersionName> {
        let bad = self.bad();
        let mut earlier = self.history().map(|entry| &entry.version);
        earlier.find(|version| **version != self.version && !bad.contains(*version) && is_there(version))
    }

    /// What follows upon `before` when `entry` happens: its version answers, and it is the newest of the history.
    ///
    /// Of more entries than are kept, the oldest go, and so do the last of the lines of another form where there is no room
    /// for all bytes; those that say which versions are bad go last.
    pub fn after(before: Option<&Self>, entry: HistoryEntry) -> Self {
        let version = entry.version.clone();
        let mut lines = vec![CurrentLine::Entry(entry)];
        if let Some(before) = before {
            // A person may have written the first line alone: what answered then is not in the history.
            let known = before.history().next().is_some_and(|newest| newest.version == before.version);
            if !known {
                lines.push(CurrentLine::Entry(HistoryEntry {
                    version: before.version.clone(),
                    time: SystemTime::UNIX_EPOCH,
                    verb: Verb::Switch,
                    from: None,
                    forced: false,
                    note: "written by hand".to_owned(),
                }));
            }
            lines.extend(before.lines.iter().cloned());
        }
        Self::forget(&mut lines);
        Self { version, lines }
    }

    /// Leaves as many lines as are kept. The first, which is the newest entry, always is.
    fn forget(lines: &mut Vec<CurrentLine>) {
        let is_entry = |line: &&CurrentLine| matches!(line, CurrentLine::Entry(_));
        let mut excess = lines.iter().filter(is_entry).count().saturating_sub(HISTORY_MAX);
        let mut bytes = NAME_BYTES_MAX + "\n".len() + lines.iter().map(CurrentLine::bytes).sum::<usize>();
        let mut stays = vec![true; lines.len()];
        // From the last line to the second, twice: what is bad is spared the first time.
        for spares_bad in [true, false] {
            for (line, stays) in lines.iter().zip(&mut stays).skip(1).rev().filter(|(_, stays)| **stays) {
                let is_entry = is_entry(&line);
                let is_spared = spares_bad && line.is_of_bad();
                if !is_spared && (bytes > CURRENT_BYTES_MAX || (is_entry && excess > 0)) {
                    *stays = false;
                    bytes -= line.bytes();
                    excess = excess.saturating_sub(usize::from(is_entry));
                }
            }
        }
        let mut stays = stays.into_iter();
        lines.retain(|_| stays.next().unwrap_or(true));
    }
}

/// What stands before the note of a rollback, with the name of the bad version.
const FROM: &str = "from=";

/// What stands behind a verb when the gates were not asked.
const FORCED: &str = "-forced";

impl HistoryEntry {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.splitn(4, ' ');
        let version = words.next()?.parse().ok()?;
        let time = humantime::parse_rfc3339(words.next()?).ok()?;
        let verb = words.next()?;
        let (verb, forced) = match verb.strip_suffix(FORCED) {
            Some(verb) => (verb, true),
            None => (verb, false),
        };
        let verb = Verb::parse(verb)?;
        let mut note = words.next().unwrap_or_default();
        let mut from = None;
        // Only here: the notes of others are anybody's words.
        if verb == Verb::Rollback {
            let (word, rest) = note.split_once(' ').unwrap_or((note, ""));
            from = Some(word.strip_prefix(FROM)?.parse().ok()?);
            note = rest;
        }
        Some(Self { version, time, verb, from, forced, note: note.to_owned() })
    }
}

impl fmt::Display for HistoryEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, time, verb, from, forced, note } = self;
        write!(f, "{version} {} {}", humantime::format_rfc3339_seconds(*time), verb.as_str())?;
        if *forced {
            f.write_str(FORCED)?;
        }
        if let Some(from) = from {
            write!(f, " {FROM}{from}")?;
        }
        if note.is_empty() { Ok(()) } else { write!(f, " {note}") }
    }
}

/// A note as it is kept: one line of bounded length.
pub(crate) fn one_line(note: &str) -> String {
    let mut line: String = note.chars().map(|found| if found.is_control() { ' ' } else { found }).collect();
    while line.len() > NOTE_BYTES_MAX {
        line.pop();
    }
    line.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn name(text: &str) -> VersionName {
        text.parse().unwrap()
    }

    fn entry(version: &str, verb: Verb, from: Option<&str>) -> HistoryEntry {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_658_400);
        HistoryEntry {
            version: name(version),
            time,
            verb,
            from: from.map(name),
            forced: false,
            note: String::new(),
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut noted = entry("b", Verb::Publish, None);
        noted.note = "from the nightly job".to_owned();
        let mut forced = entry("c", Verb::Switch, None);
        forced.forced = true;
        forced.note = "from=now on".to_owned();
        let mut current = None;
        for entry in [entry("a", Verb::Publish, None), noted, forced, entry("b", Verb::Rollback, Some("c"))] {
            let next = Current::after(current.as_ref(), entry);
            assert_eq!(Current::read(&next.to_bytes()).unwrap(), next);
            current = Some(next);
        }
        let text = String::from_utf8(current.unwrap().to_bytes()).unwrap();
        assert_eq!(
            text,
            "b\n\
             b 2026-11-26T02:00:00Z rollback from=c\n\
             c 2026-11-26T02:00:00Z switch-forced from=now on\n\
             b 2026-11-26T02:00:00Z publish from the nightly job\n\
             a 2026-11-26T02:00:00Z publish\n"
        );
    }

    #[test]
    fn a_first_line_that_a_person_wrote_is_enough_and_becomes_part_of_the_history() {
        for text in ["v1", "v1\n", "  v1 \r\n"] {
            assert_eq!(Current::read(text.as_bytes()).unwrap().version(), &name("v1"));
        }
        for text in ["", "\n", " \nv1\n", "../v1\n", "v1 v2\n", "v1/\n"] {
            assert!(Current::read(text.as_bytes()).is_err(), "{text:?}");
        }
        assert_eq!(Current::read(b"\xff\n"), Err(NotCurrent::NotText));
        let by_hand = Current::read(b"v1\nfree words of a person\n").unwrap();
        let next = Current::after(Some(&by_hand), entry("v2", Verb::Publish, None));
        assert_eq!(next.rollback_target(|_| true), Some(&name("v1")));
        assert!(String::from_utf8(next.to_bytes()).unwrap().contains("\nfree words of a person\n"));
    }

    #[test]
    fn a_rollback_freezes_until_it_is_resumed_and_its_version_stays_bad() {
        let mut current = Current::after(None, entry("a", Verb::Publish, None));
        assert_eq!((current.is_frozen(), current.rollback_target(|_| true)), (false, None));
        for version in ["b", "c"] {
            current = Current::after(Some(&current), entry(version, Verb::Publish, None));
        }
        assert_eq!(current.rollback_target(|_| true), Some(&name("b")));
        current = Current::after(Some(&current), entry("b", Verb::Rollback, Some("c")));
        assert!(current.is_frozen());
        assert_eq!(current.rollback_target(|_| true), Some(&name("a")));
        current = Current::after(Some(&current), entry("a", Verb::Rollback, Some("b")));
        assert_eq!(current.rollback_target(|_| true), None);
        current = Current::after(Some(&current), entry("a", Verb::Resume, None));
        assert!(!current.is_frozen());
        assert_eq!(current.bad(), BTreeSet::from([&name("b"), &name("c")]));
    }

    #[test]
    fn what_was_named_may_still_come_to_answer_where_others_were_published_since_and_nowhere_else() {
        let first = Current::after(None, entry("a", Verb::Publish, None));
        let second = Current::after(Some(&first), entry("b", Verb::Publish, None));
        let third = Current::after(Some(&second), entry("c", Verb::Publish, None));
        assert!(second.stands_by(&first) && third.stands_by(&first) && third.stands_by(&second));
        assert!(!first.stands_by(&second) && !second.stands_by(&third));

        let switched = Current::after(Some(&third), entry("a", Verb::Switch, None));
        assert!(!switched.stands_by(&third));
        let back = Current::after(Some(&third), entry("b", Verb::Rollback, Some("c")));
        assert!(back.stands_by(&second) && !back.stands_by(&third) && !back.stands_by(&first));
        let resumed = Current::after(Some(&back), entry("b", Verb::Resume, None));
        assert!(resumed.stands_by(&back) && !resumed.stands_by(&third));
        let on = Current::after(Some(&resumed), entry("d", Verb::Publish, None));
        assert!(on.stands_by(&resumed) && !on.stands_by(&third));

        // The gates are asked by now, and were not.
        let by_hand = Current::read(b"b\n").unwrap();
        assert!(back.stands_by(&by_hand) && !by_hand.stands_by(&back));
    }

    #[test]
    fn a_long_history_forgets_the_oldest_but_not_what_was_bad() {
        let mut current = Current::after(None, entry("first", Verb::Publish, None));
        current = Current::after(Some(&current), entry("bad", Verb::Publish, None));
        current = Current::after(Some(&current), entry("first", Verb::Rollback, Some("bad")));
        for i in 0..300 {
            current = Current::after(Some(&current), entry(&format!("v{i}"), Verb::Publish, None));
        }
        assert_eq!(current.history().count(), HISTORY_MAX);
        assert!(current.bad().contains(&name("bad")));
        assert_eq!(current.rollback_target(|_| true), Some(&name("v298")));
    }

    #[test]
    fn a_table_that_was_resumed_does_not_freeze_when_its_history_forgets_that() {
        let mut current = Current::after(None, entry("good", Verb::Publish, None));
        current = Current::after(Some(&current), entry("good", Verb::Rollback, Some("bad")));
        current = Current::after(Some(&current), entry("good", Verb::Resume, None));
        for i in 0..3 * HISTORY_MAX {
            current = Current::after(Some(&current), entry(&format!("v{i}"), Verb::Publish, None));
            assert!(!current.is_frozen(), "after {i} versions");
        }
        assert!(current.bad().contains(&name("bad")));
    }

    #[test]
    fn what_is_written_can_be_read_whatever_it_follows_upon() {
        let other = "a line of somebody else\n".repeat(CURRENT_BYTES_MAX / 24 - 1);
        let entries = "v1 2026-11-26T02:00:00Z rollback from=v2\n".repeat(CURRENT_BYTES_MAX / 42 - 1);
        let note = format!("v1 2026-11-26T02:00:00Z publish {}\n", "x".repeat(CURRENT_BYTES_MAX - 100));
        for lines in
            [&other, &entries, &note, &(note[..note.len() / 2].to_owned() + &other[..other.len() / 2])]
        {
            let mut current = Current::read(format!("v1\n{lines}").as_bytes()).unwrap();
            for i in 0..120 {
                let mut next = entry(&format!("w{i}"), Verb::Publish, None);
                next.note = "y".repeat(NOTE_BYTES_MAX);
                current = Current::after(Some(&current), next);
                let bytes = current.to_bytes();
                assert!(bytes.len() <= CURRENT_BYTES_MAX, "{} bytes", bytes.len());
            }
            assert_eq!(Current::read(&current.to_bytes()).unwrap(), current);
            assert_eq!(current.history().count(), HISTORY_MAX);
        }
        let kept = Current::read(format!("v1\n{}", &other[..24_000]).as_bytes()).unwrap();
        let kept = Current::after(Some(&kept), entry("v2", Verb::Publish, None)).to_bytes();
        assert_eq!(String::from_utf8(kept).unwrap().matches("somebody else").count(), 1_000);
    }

    #[test]
    fn whatever_an_editor_or_a_shell_makes_of_the_first_line_is_read_or_refused() {
        let history = "v1 2026-11-26T02:00:00Z publish";
        for text in [
            format!("v1\r\n{history}\r\n"),
            format!("v1   \n{history}"),
            format!("\tv1\n\n\n{history}\n\n"),
            format!("v1\n{history} \nv9 yesterday publish\nv9 2026-11-26T02:00:00Z decree\n"),
        ] {
            let current = Current::read(text.as_bytes()).unwrap();
            let versions: Vec<&VersionName> = current.history().map(|entry| &entry.version).collect();
            assert_eq!((current.version(), versions), (&name("v1"), vec![&name("v1")]), "{text:?}");
        }
        for bytes in [
            &b"\xef\xbb\xbfv1\n"[..],
            b"v1\0\n",
            b"v1.graven/\n",
            b"v 1\n",
            &[0; 4096],
            b"\x7fELF\x02\x01\x01",
            "v\u{ff11}\n".as_bytes(),
            &[b'v'; 65],
            &[b'v'; CURRENT_BYTES_MAX],
        ] {
            let error = Current::read(bytes).unwrap_err().to_string();
            assert!(error.len() < 1_000 && !error.contains('\0'), "{error}");
        }
        let large = [&b"v1\n"[..], &vec![b'\n'; 10 << 20]].concat();
        assert_eq!(Current::read(&large), Err(NotCurrent::TooLarge { bytes_max: CURRENT_BYTES_MAX }));
    }

    #[test]
    fn notes_are_one_line() {
        assert_eq!(one_line(" a\nb\r\0c "), "a b  c");
        assert_eq!(one_line(&"é".repeat(2_000)).len(), NOTE_BYTES_MAX);
    }
}
