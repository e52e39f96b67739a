//! What the processor's own instructions answer, beside plain Rust.

use super::*;

/// The implementation under test; `None` where this processor has no other than the portable one.
#[cfg(target_arch = "x86_64")]
fn fast() -> Option<X86> {
    X86::detect()
}

#[cfg(not(target_arch = "x86_64"))]
fn fast() -> Option<Baseline> {
    Some(Baseline)
}

#[test]
fn both_parse_the_same_uuids() {
    let Some(fast) = fast() else { return };
    let text = *b"8a35eb59-62b3-481c-8875-1f248df4c952";
    assert_eq!(fast.parse_uuid(&text), Portable.parse_uuid(&text));
    assert_eq!(fast.parse_uuid(&text), Some(0x8a35_eb59_62b3_481c_8875_1f24_8df4_c952));
    for at in 0..text.len() {
        for byte in 0..=255 {
            let mut other = text;
            other[at] = byte;
            assert_eq!(fast.parse_uuid(&other), Portable.parse_uuid(&other), "{at} {byte}");
        }
    }
    assert_eq!(fast.parse_uuid(&text[1..]), None);
}

#[test]
fn both_gather_and_compare_alike() {
    let Some(fast) = fast() else { return };
    let number = 0x8a35_eb59_62b3_481c;
    for mask in [0, 1, u64::MAX, 0xFFFF_FFFF_FFFF_0FFF, 0x5555 << 40, 1 << 63] {
        assert_eq!(fast.gather(number, mask), Portable.gather(number, mask));
    }
    let lanes: [u8; LANES] = std::array::from_fn(|i| [3, 255, 0, 254, 17, 255, 3][i % 7]);
    for tag in [0, 3, 17, 255, 9] {
        assert_eq!(fast.equal(lanes, tag), Portable.equal(lanes, tag));
    }
    for at in 0..LANES {
        let lanes = std::array::from_fn(|i| if i == at { 9 } else { 8 });
        assert_eq!(fast.equal(lanes, 9), 1 << at);
    }
}

#[test]
fn both_unpack_alike_from_every_bit_to_the_end_of_the_bytes() {
    let Some(fast) = fast() else { return };
    let bytes: Vec<u8> = (0..80_u8).map(|i| i.wrapping_mul(37) ^ i >> 2).collect();
    for len in 1..=64 {
        let spelling: Vec<u8> = (0..len).map(|i| 3 * i + 1).collect();
        let alphabet = Alphabet::new(&spelling).unwrap();
        for bit in 0..8 * bytes.len() {
            let (found, expected) =
                (fast.unpack(&alphabet, &bytes, bit), Portable.unpack(&alphabet, &bytes, bit));
            assert_eq!(found, expected, "{len} bytes from bit {bit}");
        }
    }
}

#[test]
fn both_have_the_same_check_of_every_length() {
    #[cfg(target_arch = "x86_64")]
    let checked = x86::checked;
    #[cfg(all(target_arch = "aarch64", target_feature = "neon", target_endian = "little"))]
    let checked = neon::checked;
    #[cfg(not(any(
        target_arch = "x86_64",
        all(target_arch = "aarch64", target_feature = "neon", target_endian = "little")
    )))]
    let checked = |seed, head: &_, bytes: &_| Some(portable::check(seed, head, bytes));
    let bytes: Vec<u8> = (0..200_u8).map(|i| i.wrapping_mul(7)).collect();
    if checked(9, &[], &bytes).is_none() {
        return;
    }
    for len in 0..=bytes.len() {
        for head in [&bytes[..0], &bytes[..32], &bytes[..64]] {
            let found = checked(9, head, &bytes[..len]);
            let expected = portable::check(9, head, &bytes[..len]);
            assert_eq!(found, Some(expected), "{len}");
            assert_ne!(found, checked(10, head, &bytes[..len]), "{len}");
        }
    }
}
