//! How many lengths a page of delta-encoded byte arrays says that it has. The `parquet` crate makes
//! room for as many as the page says, and the process ends where that much memory is not to be had: so
//! it is compared with the values of the page before the crate sees it.

use crate::parquet_problem::ParquetProblem;

/// The number of `Encoding::DELTA_LENGTH_BYTE_ARRAY` in a file.
const LENGTHS: i32 = 6;
/// That of `Encoding::DELTA_BYTE_ARRAY`.
const PREFIXES: i32 = 7;

/// Checks `data`, what stands behind the levels of a page of `values` values.
pub(super) fn check_lengths(encoding: i32, data: &[u8], values: u32) -> Result<(), ParquetProblem> {
    // A page of nulls alone may have none.
    if !matches!(encoding, LENGTHS | PREFIXES) || data.is_empty() {
        return Ok(());
    }
    let mut stream = DeltaStream(data);
    let cut = || ParquetProblem::Damaged("a page ends inside of the lengths of its values".into());
    let prefixes = stream.header().ok_or_else(cut)?;
    prefixes.check(values)?;
    if encoding == PREFIXES {
        stream.pass_over(prefixes).ok_or_else(cut)?;
        stream.header().ok_or_else(cut)?.check(values)?;
    }
    Ok(())
}

/// The header of numbers in blocks of differences, as
/// <https://parquet.apache.org/docs/file-format/data-pages/encodings/#DELTAENC> has it.
#[derive(Clone, Copy)]
struct DeltaHeader {
    block_values: u64,
    mini_blocks: u64,
    count: u64,
}

impl DeltaHeader {
    fn check(self, values: u32) -> Result<(), ParquetProblem> {
        let Self { mini_blocks, count, .. } = self;
        if count > values.into() || mini_blocks == 0 {
            return Err(ParquetProblem::Damaged(format!(
                "a page of {values} values says that it has {count} lengths, in {mini_blocks} parts a block"
            )));
        }
        Ok(())
    }
}

/// What is left of a page.
struct DeltaStream<'a>(&'a [u8]);

impl DeltaStream<'_> {
    fn varint(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn header(&mut self) -> Option<DeltaHeader> {
        let (block_values, mini_blocks, count) = (self.varint()?, self.varint()?, self.varint()?);
        self.varint()?;
        Some(DeltaHeader { block_values, mini_blocks, count })
    }

    /// Passes over the blocks: parts behind the last number have a width, and no bytes.
    fn pass_over(&mut self, header: DeltaHeader) -> Option<()> {
        let part_values = header.block_values / header.mini_blocks;
        if part_values == 0 && header.count > 1 {
            return None;
        }
        let mut left = header.count.saturating_sub(1);
        while left > 0 {
            self.varint()?;
            let (widths, rest) = self.0.split_at_checked(usize::try_from(header.mini_blocks).ok()?)?;
            self.0 = rest;
            for &width in widths {
                if left == 0 {
                    break;
                }
                let bytes = u64::from(width).checked_mul(part_values)? / 8;
                self.0 = self.0.get(usize::try_from(bytes).ok()?..)?;
                left = left.saturating_sub(part_values);
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks of 128 numbers in four parts.
    fn header(count: u8) -> Vec<u8> {
        vec![0x80, 0x01, 4, count, 0]
    }

    /// `header` with one block whose first part has numbers of two bits.
    fn with_block(count: u8) -> Vec<u8> {
        [header(count), vec![0, 2, 9, 9, 9], vec![0; 8]].concat()
    }

    #[test]
    fn more_lengths_than_values_are_damage() {
        let check = |encoding, data: &[u8], values| {
            check_lengths(encoding, data, values).err().map(|problem| problem.to_string())
        };
        assert_eq!(check(LENGTHS, &with_block(3), 3), None);
        assert_eq!(check(LENGTHS, &[], 3), None);
        assert_eq!(check(5, &header(100), 3), None);
        let said =
            "the Parquet data is damaged: a page of 2 values says that it has 3 lengths, in 4 parts a block";
        assert_eq!(check(LENGTHS, &with_block(3), 2).as_deref(), Some(said));
        assert_eq!(check(PREFIXES, &with_block(3), 2).as_deref(), Some(said));

        // The lengths of what follows the prefixes stand behind the part of the block that has bytes.
        for (first, second) in
            [(with_block(3), with_block(3)), (header(1), header(1)), (header(0), header(0))]
        {
            assert_eq!(check(PREFIXES, &[first, second].concat(), 3), None);
        }
        let hidden = [with_block(3), vec![0x80, 0x01, 4, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 0]].concat();
        assert!(check(PREFIXES, &hidden, 3).unwrap().contains("says that it has 4398046511103 lengths"));
        let cut = "the Parquet data is damaged: a page ends inside of the lengths of its values";
        for data in [&with_block(3)[..], &with_block(3)[..9], &header(1)[..3], &[0xFF; 40]] {
            assert_eq!(check(PREFIXES, data, 3).as_deref(), Some(cut), "{data:?}");
        }
        let no_parts = [0x80, 0x01, 0, 1, 0];
        assert!(check(PREFIXES, &no_parts, 3).unwrap().contains("in 0 parts a block"));
    }
}
