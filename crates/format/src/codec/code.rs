//! Lengths and codes of a length-limited Huffman code: package-merge (Larmore and Hirschberg,
//! 1990), canonical codes.

/// The lengths of an optimal prefix code for `weights` with no code longer than `limit` bits.
///
/// There must be at least two weights and at most `1 << limit`. Of symbols that weigh the same,
/// the last has the longest code.
pub(crate) fn code_lengths(weights: &[u64], limit: u32) -> Vec<u8> {
    debug_assert!(weights.len() >= 2 && weights.len() <= 1 << limit);
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|&symbol| (weights[symbol], std::cmp::Reverse(symbol)));

    // Each level holds the leaves merged with the pairs of the level below; what counts of an
    // entry is its weight and whether it is a leaf.
    let mut levels: Vec<Vec<bool>> = Vec::new();
    let mut below: Vec<u64> = Vec::new();
    for _ in 0..limit {
        let mut leaves = order.iter().map(|&symbol| weights[symbol]).peekable();
        let mut packages = below.chunks_exact(2).map(|pair| pair[0] + pair[1]).peekable();
        let (mut level, mut sums) = (Vec::new(), Vec::new());
        loop {
            let leaf_first = match (leaves.peek(), packages.peek()) {
                (Some(leaf), Some(package)) => leaf <= package,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (None, None) => break,
            };
            sums.extend(if leaf_first { leaves.next() } else { packages.next() });
            level.push(leaf_first);
        }
        levels.push(level);
        below = sums;
    }

    let mut lengths = vec![0_u8; weights.len()];
    let mut taken = 2 * weights.len() - 2;
    for level in levels.iter().rev() {
        let leaves = level[..taken].iter().filter(|&&leaf| leaf).count();
        for &symbol in &order[..leaves] {
            lengths[symbol] += 1;
        }
        taken = 2 * (taken - leaves);
    }
    lengths
}

/// The canonical codes that go with `lengths`, first bit lowest; `None` when the lengths leave
/// codes unused or use some twice.
pub(crate) fn canonical_codes(lengths: &[u8], limit: u32) -> Option<Vec<u32>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&symbol| (lengths[symbol], symbol));
    let mut codes = vec![0; lengths.len()];
    let mut next = 0_u64;
    for &symbol in &order {
        let bits = u32::from(lengths[symbol]);
        if bits == 0 || bits > limit || next >= 1 << limit {
            return None;
        }
        let code = (next >> (limit - bits)) as u32;
        codes[symbol] = code.reverse_bits() >> (32 - bits);
        next += 1 << (limit - bits);
    }
    (next == 1 << limit).then_some(codes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(weights: &[u64], lengths: &[u8]) -> u64 {
        weights.iter().zip(lengths).map(|(weight, &bits)| weight * u64::from(bits)).sum()
    }

    #[test]
    fn lengths_are_huffmans_where_the_limit_does_not_bind() {
        let weights = [5, 9, 12, 13, 16, 45];
        let lengths = code_lengths(&weights, 12);
        assert_eq!(cost(&weights, &lengths), 224);
        assert!(canonical_codes(&lengths, 12).is_some());
    }

    #[test]
    fn lengths_keep_the_limit_and_use_every_code() {
        let weights: Vec<u64> = (0..30).map(|i| 1 << i).collect();
        for limit in 5..=12 {
            let lengths = code_lengths(&weights, limit);
            assert!(lengths.iter().all(|&bits| u32::from(bits) <= limit));
            assert!(canonical_codes(&lengths, limit).is_some(), "limit {limit}");
        }
        assert_eq!(code_lengths(&[0, 0], 12), [1, 1]);
        assert_eq!(code_lengths(&[7; 4096], 12), [12; 4096]);
    }

    #[test]
    fn lengths_that_are_no_code_are_refused() {
        assert_eq!(canonical_codes(&[1, 2], 12), None);
        assert_eq!(canonical_codes(&[1, 1, 1], 12), None);
        assert_eq!(canonical_codes(&[1, 0], 12), None);
        assert_eq!(canonical_codes(&[1, 13], 12), None);
    }
}
