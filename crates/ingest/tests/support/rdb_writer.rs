//! Writes dumps of a Redis, of any version and with any encoding, as the tests want them. For the
//! tests of the reader, and for those of the binary, which take this file by its path.
#![allow(dead_code, reason = "every test program takes from here what it needs")]

/// A dump that is being written.
#[derive(Clone, Debug)]
pub(crate) struct RdbWriter(pub(crate) Vec<u8>);

/// An element of a listpack or ziplist.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Packed<'a> {
    Text(&'a [u8]),
    Number(i64),
}

impl RdbWriter {
    pub(crate) fn new(version: u32) -> Self {
        Self(format!("REDIS{version:04}").into_bytes())
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn about(&mut self, name: &str, text: &str) -> &mut Self {
        self.bytes(&[250]).bytes(&raw(name.as_bytes())).bytes(&raw(text.as_bytes()))
    }

    pub(crate) fn database(&mut self, number: u64) -> &mut Self {
        self.bytes(&[254]).bytes(&length(number))
    }

    pub(crate) fn expires_ms(&mut self, time: i64) -> &mut Self {
        self.bytes(&[252]).bytes(&time.to_le_bytes())
    }

    pub(crate) fn expires_s(&mut self, time: i32) -> &mut Self {
        self.bytes(&[253]).bytes(&time.to_le_bytes())
    }

    pub(crate) fn string(&mut self, key: &str, value: &str) -> &mut Self {
        self.value(0, key, &raw(value.as_bytes()))
    }

    /// A key with a value of any type, which is written already.
    pub(crate) fn value(&mut self, value_type: u8, key: &str, value: &[u8]) -> &mut Self {
        self.bytes(&[value_type]).bytes(&raw(key.as_bytes())).bytes(value)
    }

    /// The end, with the checksum.
    pub(crate) fn end(&self) -> Vec<u8> {
        let mut bytes = self.0.clone();
        bytes.push(255);
        let crc = checksum(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The end of a dump for which no checksum was wanted.
    pub(crate) fn end_without_checksum(&self) -> Vec<u8> {
        let mut bytes = self.0.clone();
        bytes.push(255);
        bytes.extend_from_slice(&[0; 8]);
        bytes
    }
}

/// The checksum, bit by bit.
pub(crate) fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |crc, &byte| {
        (0..8).fold(crc ^ u64::from(byte), |crc, _| {
            if crc & 1 == 1 { crc >> 1 ^ 0x95AC_9329_AC4B_C9B5 } else { crc >> 1 }
        })
    })
}

/// A length in the fewest bytes.
pub(crate) fn length(number: u64) -> Vec<u8> {
    match number {
        0..64 => vec![number as u8],
        64..16384 => vec![0x40 | (number >> 8) as u8, number as u8],
        _ if number <= u32::MAX.into() => [&[0x80][..], &(number as u32).to_be_bytes()].concat(),
        _ => [&[0x81][..], &number.to_be_bytes()].concat(),
    }
}

/// A string byte for byte.
pub(crate) fn raw(bytes: &[u8]) -> Vec<u8> {
    [&length(bytes.len() as u64), bytes].concat()
}

/// Strings behind their number; of a hash, half of it.
pub(crate) fn strings(number: u64, strings: &[&str]) -> Vec<u8> {
    let strings = strings.iter().flat_map(|string| raw(string.as_bytes()));
    length(number).into_iter().chain(strings).collect()
}

pub(crate) fn listpack(elements: &[Packed<'_>]) -> Vec<u8> {
    let mut body = Vec::new();
    for element in elements {
        let entry = match *element {
            Packed::Number(number @ 0..=127) => vec![number.to_le_bytes()[0]],
            Packed::Number(number @ -4096..=4095) => {
                let bits = number.cast_unsigned() & 0x1FFF;
                vec![0xC0 | (bits >> 8) as u8, bits as u8]
            }
            Packed::Number(number @ -0x8000..=0x7FFF) => wide(0xF1, number, 2),
            Packed::Number(number @ -0x80_0000..=0x7F_FFFF) => wide(0xF2, number, 3),
            Packed::Number(number @ -0x8000_0000..=0x7FFF_FFFF) => wide(0xF3, number, 4),
            Packed::Number(number) => wide(0xF4, number, 8),
            Packed::Text(text) if text.len() < 64 => [&[0x80 | text.len() as u8][..], text].concat(),
            Packed::Text(text) if text.len() < 4096 => {
                [&[0xE0 | (text.len() >> 8) as u8, text.len() as u8][..], text].concat()
            }
            Packed::Text(text) => [&[0xF0][..], &(text.len() as u32).to_le_bytes(), text].concat(),
        };
        let len = entry.len();
        body.extend_from_slice(&entry);
        let seven = |shift: u32| (len >> shift) as u8 & 0x7F;
        match len {
            0..=127 => body.push(len as u8),
            128..16_383 => body.extend_from_slice(&[seven(7), seven(0) | 128]),
            _ => body.extend_from_slice(&[seven(14), seven(7) | 128, seven(0) | 128]),
        }
    }
    body.push(0xFF);
    let total = (body.len() + 6) as u32;
    [&total.to_le_bytes()[..], &(elements.len() as u16).to_le_bytes(), &body].concat()
}

pub(crate) fn ziplist(elements: &[Packed<'_>]) -> Vec<u8> {
    let (mut body, mut last, mut before) = (Vec::new(), 10, 0);
    for element in elements {
        let entry = match *element {
            Packed::Number(number @ 0..=12) => vec![0xF1 + number.to_le_bytes()[0]],
            Packed::Number(number @ -0x80..=0x7F) => wide(0xFE, number, 1),
            Packed::Number(number @ -0x8000..=0x7FFF) => wide(0xC0, number, 2),
            Packed::Number(number @ -0x80_0000..=0x7F_FFFF) => wide(0xF0, number, 3),
            Packed::Number(number @ -0x8000_0000..=0x7FFF_FFFF) => wide(0xD0, number, 4),
            Packed::Number(number) => wide(0xE0, number, 8),
            Packed::Text(text) if text.len() < 64 => [&[text.len() as u8][..], text].concat(),
            Packed::Text(text) if text.len() < 16384 => {
                [&[0x40 | (text.len() >> 8) as u8, text.len() as u8][..], text].concat()
            }
            Packed::Text(text) => [&[0x80][..], &(text.len() as u32).to_be_bytes(), text].concat(),
        };
        last = 10 + body.len();
        let previous = match before {
            0..254 => vec![before as u8],
            _ => [&[254][..], &(before as u32).to_le_bytes()].concat(),
        };
        before = previous.len() + entry.len();
        body.extend(previous);
        body.extend(entry);
    }
    body.push(0xFF);
    let total = (body.len() + 10) as u32;
    let count = (elements.len() as u16).to_le_bytes();
    [&total.to_le_bytes()[..], &(last as u32).to_le_bytes(), &count, &body].concat()
}

fn wide(kind: u8, number: i64, bytes: usize) -> Vec<u8> {
    [&[kind][..], &number.to_le_bytes()[..bytes]].concat()
}

/// A zipmap; every value has `room` bytes behind it that are not its own.
pub(crate) fn zipmap(fields: &[(&str, &str)], room: u8) -> Vec<u8> {
    let len = |text: &str| match text.len() {
        len @ 0..254 => vec![len as u8],
        len => [&[254][..], &(len as u32).to_le_bytes()].concat(),
    };
    let mut bytes = vec![fields.len() as u8];
    for (name, value) in fields {
        bytes.extend(len(name));
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend(len(value));
        bytes.push(room);
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend(vec![b'x'; room.into()]);
    }
    bytes.push(0xFF);
    bytes
}
