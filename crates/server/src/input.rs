//! What a connection has received and not answered yet.

/// Received bytes, of which those at the front are let go as requests are answered.
#[derive(Debug, Default)]
pub(crate) struct InputBuffer {
    bytes: Vec<u8>,
    /// Where the bytes that are left begin.
    start: usize,
}

impl InputBuffer {
    /// The bytes that are left.
    pub(crate) fn left(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }

    /// Bytes that are left.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Memory that it takes.
    pub(crate) fn held_bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn extend(&mut self, more: &[u8]) {
        // Moving what is left once it is the smaller part costs each byte one move at most.
        if self.start > self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(more);
    }

    /// Lets go of the first `bytes` of what is left; of the memory, too, once there is nothing left or little of much.
    pub(crate) fn consume(&mut self, bytes: usize) {
        self.start += bytes;
        debug_assert!(self.start <= self.bytes.len());
        if self.is_empty() {
            *self = Self::default();
        } else if self.len() < self.bytes.capacity() / 4 {
            *self = Self { bytes: self.left().to_vec(), start: 0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_in_the_order_in_which_they_came_in() {
        let mut input = InputBuffer::default();
        let (mut put, mut taken) = (0_u32, 0_u32);
        for round in 0..1_000_u32 {
            let more: Vec<u8> = (0..round % 37)
                .flat_map(|_| {
                    put += 1;
                    put.to_le_bytes()
                })
                .collect();
            input.extend(&more);
            let whole = input.len() / 4;
            let take = whole.min(round as usize % 41);
            for number in input.left().chunks_exact(4).take(take) {
                taken += 1;
                assert_eq!(number, taken.to_le_bytes());
            }
            input.consume(take * 4);
            assert_eq!(input.len(), (put - taken) as usize * 4);
        }
        assert!(taken > 10_000);
    }

    #[test]
    fn memory_is_given_back_with_the_bytes() {
        let mut input = InputBuffer::default();
        input.extend(&[1; 1_000_000]);
        assert_eq!(input.held_bytes(), 1_000_000);
        input.consume(999_999);
        assert_eq!((input.left(), input.held_bytes()), (&[1][..], 1));
        input.consume(1);
        assert!(input.is_empty() && input.bytes.capacity() == 0);
    }
}
