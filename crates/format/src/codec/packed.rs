//! Values of few different bytes: each byte takes as many bits as tell those apart, and a whole
//! vector of them is unpacked at a time.

use super::bits::load;
use super::spread::Spread;
use super::{BLOCK_BYTES, append_block};
use crate::cpu::Cpu;

/// The most different bytes.
pub(crate) const ALPHABET_MAX: usize = 64;

/// Bytes that are unpacked at a time.
pub(crate) const UNPACKED: usize = 32;
const _: () = assert!(BLOCK_BYTES == 2 * UNPACKED);

/// The bytes that packed values are made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alphabet {
    bits: u32,
    len: usize,
    /// The bytes in ascending order, and zeros behind them.
    pub(crate) bytes: [u8; ALPHABET_MAX],
    /// How eight packed bytes are moved apart.
    pub(crate) spread: Spread,
}

impl Alphabet {
    /// The alphabet of these bytes, which ascend; `None` where there are none, or too many.
    pub(crate) fn new(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() || bytes.len() > ALPHABET_MAX || !bytes.is_sorted_by(|a, b| a < b) {
            return None;
        }
        let bits = (bytes.len() - 1).max(1).ilog2() + 1;
        let mut all = [0; ALPHABET_MAX];
        all[..bytes.len()].copy_from_slice(bytes);
        Some(Self { bits, len: bytes.len(), bytes: all, spread: Spread::new(bits) })
    }

    /// The bytes, as the file has them.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Bits of a packed byte: 1 to 6.
    #[inline(always)]
    pub(crate) fn bits(&self) -> u32 {
        self.bits
    }

    /// Appends `value` packed; `false`, and nothing appended, where it has another byte.
    pub(crate) fn pack(&self, value: &[u8], out: &mut Vec<u8>) -> bool {
        let start = out.len();
        let (mut pending, mut bits) = (0_u32, 0);
        for byte in value {
            let Ok(number) = self.bytes().binary_search(byte) else {
                out.truncate(start);
                return false;
            };
            pending |= (number as u32) << bits;
            bits += self.bits;
            if bits >= 8 {
                out.push(pending as u8);
                pending >>= 8;
                bits -= 8;
            }
        }
        if bits > 0 {
            out.push(pending as u8);
        }
        true
    }

    /// The eight bytes that are packed from bit `bit` of `bytes` on.
    #[inline(always)]
    pub(crate) fn eight(&self, bytes: &[u8], bit: usize) -> [u8; 8] {
        let numbers = self.spread.apply(load(bytes, bit / 8) >> (bit % 8));
        numbers.to_le_bytes().map(|number| self.bytes[usize::from(number) % ALPHABET_MAX])
    }

    /// Appends the `len` bytes that are packed from bit `bit` of `bytes` on; zeros stand for what
    /// is behind its end.
    #[inline(always)]
    pub(crate) fn unpack(&self, cpu: impl Cpu, bytes: &[u8], bit: usize, len: usize, out: &mut Vec<u8>) {
        let bits = self.bits as usize;
        // Most values take two vectors at most, and those are filled without a branch on the
        // length.
        let mut block = [0; BLOCK_BYTES];
        block[..UNPACKED].copy_from_slice(&cpu.unpack(self, bytes, bit));
        block[UNPACKED..].copy_from_slice(&cpu.unpack(self, bytes, bit + UNPACKED * bits));
        append_block(out, &block, len);
        for at in (BLOCK_BYTES..len).step_by(UNPACKED) {
            append_block(out, &cpu.unpack(self, bytes, bit + at * bits), len - at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::{Baseline, Portable};

    #[test]
    fn values_of_every_alphabet_come_back_from_every_bit() {
        for len in 1..=ALPHABET_MAX {
            let bytes: Vec<u8> = (0..len).map(|i| (i * 4 + i / 40) as u8).collect();
            let alphabet = Alphabet::new(&bytes).unwrap();
            assert!(1 << alphabet.bits() >= len && (len < 3 || 1 << (alphabet.bits() - 1) < len));
            for value_len in [0, 1, 7, 31, 32, 33, 64, 65, 200] {
                let value: Vec<u8> = (0..value_len).map(|i| bytes[(i * i + i / 3) % len]).collect();
                let mut packed = Vec::new();
                assert!(alphabet.pack(&value, &mut packed));
                assert_eq!(packed.len(), (value_len * alphabet.bits() as usize).div_ceil(8));
                for bit in 0..16 {
                    let mut moved = vec![0; packed.len() + 3];
                    for (i, &byte) in packed.iter().enumerate() {
                        let word = u32::from(byte) << (bit % 8);
                        moved[i + bit / 8] |= word as u8;
                        moved[i + bit / 8 + 1] |= (word >> 8) as u8;
                    }
                    for behind in [0, 40] {
                        moved.resize(packed.len() + 3 + behind, 0);
                        let mut out = b"before".to_vec();
                        alphabet.unpack(Portable, &moved, bit, value_len, &mut out);
                        assert_eq!(&out[6..], value, "{len} bytes, bit {bit}");
                        out.truncate(6);
                        alphabet.unpack(Baseline, &moved, bit, value_len, &mut out);
                        assert_eq!(&out[6..], value, "{len} bytes, bit {bit}");
                        #[cfg(target_arch = "x86_64")]
                        if let Some(cpu) = crate::cpu::X86::detect() {
                            out.truncate(6);
                            alphabet.unpack(cpu, &moved, bit, value_len, &mut out);
                            assert_eq!(&out[6..], value, "{len} bytes, bit {bit}");
                        }
                    }
                }
            }
        }
        assert!(!Alphabet::new(b"ab").unwrap().pack(b"abc", &mut Vec::new()));
        for none in [&b""[..], b"ba", b"aa", &[0; 65]] {
            assert_eq!(Alphabet::new(none), None);
        }
    }
}
