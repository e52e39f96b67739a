//! The checksum at the end of a dump: CRC-64 with the polynomial that Redis took from David Jones,
//! bits reflected, begun with zero and not inverted.

/// The polynomial, its bits reflected.
const POLYNOMIAL: u64 = 0x95AC_9329_AC4B_C9B5;

/// What a byte does, for each of the eight places that it may have in a word.
static TABLES: [[u64; 256]; 8] = tables();

const fn tables() -> [[u64; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut place = 1;
    while place < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[place - 1][byte];
            tables[place][byte] = before >> 8 ^ tables[0][(before & 0xFF) as usize];
            byte += 1;
        }
        place += 1;
    }
    tables
}

/// The checksum of what had `crc`, with `bytes` behind it.
pub(super) fn update(mut crc: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        let mixed = (crc ^ u64::from_le_bytes(*word)).to_le_bytes();
        crc = 0;
        for (table, byte) in TABLES.iter().rev().zip(mixed) {
            crc ^= table[usize::from(byte)];
        }
    }
    for &byte in rest {
        crc = crc >> 8 ^ TABLES[0][usize::from(crc as u8 ^ byte)];
    }
    crc
}

#[cfg(test)]
mod tests {
    use super::update;

    #[test]
    fn the_checksum_is_that_of_redis() {
        // The value that Redis' own test of it expects.
        assert_eq!(update(0, b"123456789"), 0xE9C6_D914_C4B8_D9CA);
        let text = b"This is a test of the emergency broadcast system, and it is longer than a word.";
        for cut in 0..text.len() {
            assert_eq!(update(update(0, &text[..cut]), &text[cut..]), update(0, text));
        }
    }
}
