//! A record between the readings and the file: its order, its stored key, its stored value.

use crate::bucket::Form;
use crate::key::{KeyMap, Order};

/// The bit of a record's form that says that its value is large.
const LARGE: u8 = 4;

/// A record in the bytes of a partition.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unplaced<'a> {
    pub(crate) order: Order,
    /// Stored bytes of the key; empty for numeric keys.
    pub(crate) key: &'a [u8],
    /// Stored bytes of the value.
    pub(crate) value: &'a [u8],
    pub(crate) form: Form,
    /// Whether the value is too long for a bucket, and stored in parts if it is longer than one.
    pub(crate) is_large: bool,
    /// Lengths of key and value as they were given.
    pub(crate) given: (usize, usize),
}

fn write_length(len: usize, out: &mut Vec<u8>) {
    match u8::try_from(len) {
        Ok(short) if short < 255 => out.push(short),
        _ => {
            out.push(255);
            out.extend_from_slice(&(len as u32).to_le_bytes());
        }
    }
}

fn read_length(bytes: &[u8], at: &mut usize) -> usize {
    let short = bytes[*at];
    *at += 1;
    if short < 255 {
        return short.into();
    }
    let len = u32::from_le_bytes([bytes[*at], bytes[*at + 1], bytes[*at + 2], bytes[*at + 3]]);
    *at += 4;
    len as usize
}

fn read_word(bytes: &[u8], at: &mut usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[*at..*at + 8]);
    *at += 8;
    u64::from_le_bytes(word)
}

/// Appends a record.
#[inline]
pub(crate) fn write(keys: &KeyMap, record: Unplaced<'_>, out: &mut Vec<u8>) {
    let Unplaced { order, key, value, form, is_large, given } = record;
    out.push(form as u8 | if is_large { LARGE } else { 0 });
    write_length(given.0, out);
    write_length(given.1, out);
    out.extend_from_slice(&order.high.to_le_bytes());
    if keys.is_numeric() {
        out.extend_from_slice(&order.low.to_le_bytes());
    }
    if !keys.is_numeric() {
        write_length(key.len(), out);
        out.extend_from_slice(key);
    }
    write_length(value.len(), out);
    out.extend_from_slice(value);
}

/// Reads the record at `at` and moves `at` behind it.
#[inline]
pub(crate) fn read<'a>(keys: &KeyMap, bytes: &'a [u8], at: &mut usize) -> Unplaced<'a> {
    let form = bytes[*at];
    *at += 1;
    let given = (read_length(bytes, at), read_length(bytes, at));
    let high = read_word(bytes, at);
    let low = if keys.is_numeric() { read_word(bytes, at) } else { 0 };
    let mut key: &[u8] = &[];
    if !keys.is_numeric() {
        let len = read_length(bytes, at);
        key = &bytes[*at..*at + len];
        *at += len;
    }
    let len = read_length(bytes, at);
    let value = &bytes[*at..*at + len];
    *at += len;
    let (form, is_large) = (Form::of(form), form & LARGE != 0);
    Unplaced { order: Order { high, low }, key, value, form, is_large, given }
}
