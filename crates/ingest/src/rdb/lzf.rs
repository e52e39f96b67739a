//! LZF, in which Redis compresses long strings: runs of bytes as they are, and copies of bytes
//! that were written before.

use super::damage::RdbFault;

const CUT: RdbFault = RdbFault::Lzf { what: "the compressed bytes end within a run" };

/// Appends what `packed` stands for to `out`, which is `expected` bytes. Nothing is reserved for
/// bytes that have not come: what is written follows from `packed`, which is in memory.
pub(super) fn unpack(packed: &[u8], expected: usize, out: &mut Vec<u8>) -> Result<(), RdbFault> {
    let start = out.len();
    let mut rest = packed;
    while let Some((&control, behind)) = rest.split_first() {
        rest = behind;
        let written = out.len() - start;
        let is_within = |len: usize| {
            let found = written + len;
            if found <= expected { Ok(()) } else { Err(RdbFault::LzfLength { expected, found }) }
        };
        if control < 32 {
            let len = usize::from(control) + 1;
            is_within(len)?;
            let (run, behind) = rest.split_at_checked(len).ok_or(CUT)?;
            out.extend_from_slice(run);
            rest = behind;
            continue;
        }
        let mut len = usize::from(control >> 5);
        if len == 7 {
            let (&more, behind) = rest.split_first().ok_or(CUT)?;
            rest = behind;
            len += usize::from(more);
        }
        len += 2;
        let (&low, behind) = rest.split_first().ok_or(CUT)?;
        rest = behind;
        let back = (usize::from(control & 0x1F) << 8 | usize::from(low)) + 1;
        if back > written {
            return Err(RdbFault::Lzf { what: "a copy points before the beginning" });
        }
        is_within(len)?;
        let from = out.len() - back;
        if len <= back {
            out.extend_from_within(from..from + len);
        } else {
            // What is copied is in part what is written here.
            (from..from + len).for_each(|at| out.push(out[at]));
        }
    }
    let found = out.len() - start;
    if found == expected { Ok(()) } else { Err(RdbFault::LzfLength { expected, found }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpacked(packed: &[u8], expected: usize) -> Result<Vec<u8>, RdbFault> {
        let mut out = b"before".to_vec();
        unpack(packed, expected, &mut out)?;
        Ok(out.split_off(6))
    }

    #[test]
    fn runs_and_copies_are_written_in_turn() {
        assert_eq!(unpacked(b"\x02abc", 3).unwrap(), b"abc");
        // Three bytes, then five from three back: the copy reads what it writes.
        assert_eq!(unpacked(b"\x02abc\x60\x02", 8).unwrap(), b"abcabcab");
        // One byte, then 7 + 200 + 2 of it.
        assert_eq!(unpacked(b"\x00a\xE0\xC8\x00", 210).unwrap(), [b'a'; 210]);
        assert_eq!(unpacked(b"", 0).unwrap(), b"");
    }

    #[test]
    fn what_lies_is_refused_with_what_was_expected() {
        let lzf = |what| RdbFault::Lzf { what };
        let cut = "the compressed bytes end within a run";
        assert_eq!(unpacked(b"\x02ab", 3), Err(lzf(cut)));
        assert_eq!(unpacked(b"\x00a\xE0", 300), Err(lzf(cut)));
        assert_eq!(unpacked(b"\x00a\x20", 300), Err(lzf(cut)));
        // One further back than there is; the bytes before are of another string.
        assert_eq!(unpacked(b"\x02abc\x60\x03", 8), Err(lzf("a copy points before the beginning")));
        assert_eq!(unpacked(b"\x20\x00", 3), Err(lzf("a copy points before the beginning")));
        assert_eq!(unpacked(b"\x02abc", 2), Err(RdbFault::LzfLength { expected: 2, found: 3 }));
        assert_eq!(unpacked(b"\x02abc", 4), Err(RdbFault::LzfLength { expected: 4, found: 3 }));
        assert_eq!(
            unpacked(b"\x00a\xE0\xC8\x00", 100),
            Err(RdbFault::LzfLength { expected: 100, found: 210 })
        );
    }
}
