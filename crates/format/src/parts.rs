//! Values too long for their buckets: found without being read, how long they are, and read or
//! decoded part by part, so that nobody who asks has to wait for the whole of one, nor to keep it.

use std::ops::Range;

use crate::bucket::{Bucket, Form, ValuePlace};
use crate::cpu::Portable;
use crate::error::{Error, Problem};
use crate::index::Line;
use crate::key::Place;
use crate::layout::{PART_BYTES, Section};
use crate::lookup::with_scratch;
use crate::piece::{Block, Piece};
use crate::store::{Store, damaged};
use crate::stored::Large;

/// A value that is too long for its bucket, and was neither read nor decoded. It belongs to the
/// store that found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LargeValue {
    large: Large,
    encoding: Encoding,
}

/// How the bytes of a large value are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encoding {
    /// As they are.
    Identity,
    /// As frames of zstd that any decoder reads, one behind the other: what HTTP calls `zstd`.
    Zstd,
    /// Through a codec that needs the table.
    Own,
}

impl LargeValue {
    /// Bytes of the value.
    pub fn len(&self) -> usize {
        self.large.reference.len as usize
    }

    /// Whether it has none, which no builder stores so.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that are stored for it.
    pub fn stored_bytes(&self) -> usize {
        self.large.reference.stored as usize
    }

    /// How it is stored.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }
}

/// Where the value of a key is.
#[derive(Clone, Copy, Debug)]
pub enum Located {
    /// The table does not hold the key.
    Missing,
    /// In its bucket or among the shared values, and so long.
    Short(usize),
    /// Elsewhere.
    Large(LargeValue),
}

impl Store {
    /// Says where the value of `key` is and how long, without bringing it anywhere.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn locate(&self, key: &[u8]) -> Result<Located, Error> {
        let found = self.with_record(key, |bucket, i, line, start| {
            let at = |problem| damaged(Section::Records, start, problem);
            self.located(bucket, bucket.value(i).map_err(at)?, line, start)
        })?;
        Ok(found.unwrap_or(Located::Missing))
    }

    /// As [`Self::locate`], by what the block of the key's piece says.
    ///
    /// # Errors
    /// As [`Self::look`].
    pub fn locate_in(&self, key: &[u8], piece: &Piece, block: &Block) -> Result<Located, Error> {
        let Some((bucket, i, line)) = self.record_in(key, piece, block)? else { return Ok(Located::Missing) };
        let start = piece.start() as usize;
        let at = |problem| damaged(Section::Records, start, problem);
        self.located(&bucket, bucket.value(i).map_err(at)?, &line, start)
    }

    /// Appends the bytes of `value` in `range`, as far as it has them, to `room`. Reads, checks and
    /// decodes the parts of 128 KiB alone that they lie in.
    ///
    /// # Errors
    /// As [`Self::get`]; nothing is appended then.
    ///
    /// ```
    /// use graven_format::{Builder, CodecChoice, Located, Options};
    ///
    /// let text = "carved once, read forever; ".repeat(20_000);
    /// let mut builder = Builder::new(Options { codec: CodecChoice::Smallest, ..Options::default() });
    /// builder.add(b"text", text.as_bytes())?;
    /// let (store, _) = builder.finish()?;
    ///
    /// let Located::Large(value) = store.locate(b"text")? else { unreachable!() };
    /// assert_eq!(value.len(), text.len());
    /// let mut room = Vec::new();
    /// store.read_part(&value, 270_000..270_011, &mut room)?;
    /// assert_eq!(room, b"carved once");
    /// # Ok::<(), graven_format::Error>(())
    /// ```
    pub fn read_part(
        &self,
        value: &LargeValue,
        range: Range<usize>,
        room: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let large = &value.large;
        let mut table = vec![0; large.table_bytes()];
        self.home.read_into(large.start, &mut table)?;
        if !self.is_loaded() && !table.is_empty() {
            large.check(&table).map_err(|problem| damaged(Section::Records, large.start, problem))?;
        }
        let mut scratch = Vec::new();
        self.each_part(large, &table, range, room, |part, room| {
            let start = large.start + part.start;
            let stored = self.home.read(start..start + part.len(), &mut scratch)?;
            room(stored, !self.is_loaded())
        })
    }

    /// As [`Self::read_part`], of the value that `piece` is, whose block is `block`, read and
    /// checked: nothing is read.
    ///
    /// # Errors
    /// As [`Self::look`]; nothing is appended then. A piece that is a bucket has no bytes.
    pub fn part_of(
        &self,
        piece: &Piece,
        block: &Block,
        range: Range<usize>,
        room: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let Some(reference) = piece.reference() else { return Ok(()) };
        let large = Large { start: piece.start() as usize, reference };
        let bytes = block.bytes();
        self.each_part(&large, bytes, range, room, |part, room| {
            room(bytes.get(part.start..).unwrap_or_default(), false)
        })
    }

    /// Calls `read` with each part that `range` touches, for it to hand on the part's stored bytes
    /// and whether they are to be checked.
    fn each_part(
        &self,
        large: &Large,
        table: &[u8],
        range: Range<usize>,
        room: &mut Vec<u8>,
        mut read: impl FnMut(Range<usize>, &mut dyn FnMut(&[u8], bool) -> Result<(), Error>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let len = large.reference.len as usize;
        let range = range.start.min(len)..range.end.min(len);
        if range.is_empty() {
            return Ok(());
        }
        let before = room.len();
        let at = |problem| damaged(Section::Records, large.start, problem);
        let (first, end) = (range.start / PART_BYTES, range.end.div_ceil(PART_BYTES));
        let mut decoded = Vec::new();
        for (i, part) in large.parts(table).map_err(at)?.into_iter().enumerate().take(end).skip(first) {
            let wanted =
                range.start.saturating_sub(i * PART_BYTES)..(range.end - i * PART_BYTES).min(part.len);
            let stored_len = part.stored.len();
            let done = read(part.stored.clone(), &mut |stored, check| {
                let whole = stored.get(..stored_len).ok_or_else(|| at(Problem::Codec))?;
                if check {
                    part.check(whole).map_err(at)?;
                }
                if self.values.is_raw(large.reference.form) {
                    room.extend_from_slice(whole.get(wanted.clone()).ok_or_else(|| at(Problem::Codec))?);
                    return Ok(());
                }
                let form = large.reference.form;
                if wanted == (0..part.len) {
                    return self.values.append_part(form, stored, stored_len, part.len, room).map_err(at);
                }
                decoded.clear();
                self.values.append_part(form, stored, stored_len, part.len, &mut decoded).map_err(at)?;
                room.extend_from_slice(&decoded[wanted.clone()]);
                Ok(())
            });
            if done.is_err() {
                room.truncate(before);
                return done;
            }
        }
        Ok(())
    }

    /// Where the stored frames of `value` lie in [`Self::memory`], for as long as the store lives:
    /// what any decoder of zstd makes the value of, also one that refuses windows of more than 8 MiB
    /// as those of browsers do. `None` unless the table [is loaded](Self::is_loaded) and the value
    /// is stored so.
    pub fn frames(&self, value: &LargeValue) -> Option<Range<usize>> {
        if value.encoding != Encoding::Zstd {
            return None;
        }
        let Large { start, reference } = value.large;
        let stored = self.home.memory()?.bytes().get(start..start + reference.stored as usize)?;
        let frames = value.large.frames(stored)?;
        Some(start + frames.start..start + frames.end)
    }

    /// As [`Self::frames`], of a table that need not be in memory: the stored bytes of the value are
    /// read, checked and appended to `room`, of which the frames are the range that is returned.
    ///
    /// # Errors
    /// As [`Self::get`]; nothing is appended then.
    pub fn read_frames(&self, value: &LargeValue, room: &mut Vec<u8>) -> Result<Option<Range<usize>>, Error> {
        if value.encoding != Encoding::Zstd {
            return Ok(None);
        }
        let Large { start, reference } = value.large;
        let before = room.len();
        room.resize(before + reference.stored as usize, 0);
        let read = self.home.read_into(start, &mut room[before..]).and_then(|()| {
            let problem = value.large.check_all(&room[before..]);
            problem.map_err(|problem| damaged(Section::Records, start, problem))
        });
        if read.is_err() {
            room.truncate(before);
        }
        read?;
        let frames = value.large.frames(&room[before..]);
        if frames.is_none() {
            room.truncate(before);
        }
        Ok(frames.map(|frames| before + frames.start..before + frames.end))
    }

    /// As [`Self::frames`], in the block of the piece that is the value.
    pub fn frames_in<'b>(&self, piece: &Piece, block: &'b Block) -> Option<&'b [u8]> {
        let large = Large { start: 0, reference: piece.reference()? };
        if self.encoding(large.reference.form) != Encoding::Zstd {
            return None;
        }
        let stored = block.bytes().get(..large.reference.stored as usize)?;
        stored.get(large.frames(stored)?)
    }

    /// The piece that `value` is, to be read whole.
    pub fn piece_of_value(&self, value: &LargeValue) -> Piece {
        Piece::of_value(value.large)
    }

    fn encoding(&self, form: Form) -> Encoding {
        match form {
            form if self.values.is_raw(form) => Encoding::Identity,
            Form::Apart => Encoding::Zstd,
            _ => Encoding::Own,
        }
    }

    pub(crate) fn large_value(&self, large: Large) -> LargeValue {
        LargeValue { large, encoding: self.encoding(large.reference.form) }
    }

    fn located(
        &self,
        bucket: &Bucket<'_, Portable>,
        value: ValuePlace,
        line: &Line,
        start: usize,
    ) -> Result<Located, Error> {
        let at = |problem| damaged(Section::Records, start, problem);
        Ok(match value {
            ValuePlace::Large(reference) => Located::Large(self.large_value(self.large(line, reference)?)),
            ValuePlace::Inline(inside) if self.values.are_raw() => Located::Short(inside.len()),
            ValuePlace::Packed { len, .. } => Located::Short(len),
            ValuePlace::Shared(number) => {
                let range = self.values.shared.range(number).ok_or_else(|| at(Problem::Codec))?;
                Located::Short(range.len())
            }
            ValuePlace::Other(Form::Raw, inside) => Located::Short(inside.len()),
            ValuePlace::Other(Form::Long, inside) => {
                let stored = bucket.bytes_from(inside.start).get(..inside.len());
                let len = stored.and_then(|stored| self.values.long.as_ref()?.length(stored));
                Located::Short(len.ok_or_else(|| at(Problem::Codec))?)
            }
            other => {
                // How long it is, its bits alone say.
                let mut decoded = Vec::new();
                self.append_inside(Portable, bucket, other, &mut decoded).map_err(at)?;
                Located::Short(decoded.len())
            }
        })
    }

    /// Calls `each` with the record of `key`, where there is one: its bucket, its number there,
    /// the line, and where the bucket lies in the file.
    fn with_record<T>(
        &self,
        key: &[u8],
        each: impl FnOnce(&Bucket<'_, Portable>, usize, &Line, usize) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let Some(order) = self.keys.order(Portable, key) else { return Ok(None) };
        let place: Place = self.keys.place(order);
        let line = self.line(place.bucket)?;
        if let Some(region) = self.home.memory() {
            let range = self.range_by(&line, place.bucket)?;
            let at = |problem| damaged(Section::Records, range.start, problem);
            let bucket =
                self.buckets.open(Portable, region.bytes_from(range.start), range.len()).map_err(at)?;
            let found = self.find_record(&bucket, range.start, place, key)?;
            return found.map(|i| each(&bucket, i, &line, range.start)).transpose();
        }
        with_scratch(|scratch| {
            let (bucket, start) = self.bucket(Portable, place.bucket, &line, scratch)?;
            let found = self.find_record(&bucket, start, place, key)?;
            found.map(|i| each(&bucket, i, &line, start)).transpose()
        })
    }
}
