//! Reads and writes at a place of a file that is shared, by one name on every system.

#[cfg(unix)]
pub use std::os::unix::fs::FileExt as PositionalFile;

#[cfg(windows)]
pub use windows::PositionalFile;

#[cfg(windows)]
mod windows {
    use std::fs::File;
    use std::io::{self, ErrorKind};
    use std::os::windows::fs::FileExt;

    /// What [`File`] has of the trait `FileExt` of Unix. Here each call also moves the place at which the next plain read or
    /// write goes on, so that a file which is read in both ways has to be sought before.
    pub trait PositionalFile {
        /// Reads bytes from `offset` on; how many.
        ///
        /// # Errors
        /// What the system says.
        fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;

        /// Fills `bytes` with those from `offset` on.
        ///
        /// # Errors
        /// What the system says, and [`ErrorKind::UnexpectedEof`].
        fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;

        /// Writes all of `bytes` at `offset`.
        ///
        /// # Errors
        /// What the system says, and [`ErrorKind::WriteZero`].
        fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    }

    impl PositionalFile for File {
        fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
            self.seek_read(bytes, offset)
        }

        fn read_exact_at(&self, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
            while !bytes.is_empty() {
                match self.seek_read(bytes, offset) {
                    Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                    Ok(read) => {
                        bytes = &mut bytes[read..];
                        offset += read as u64;
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        }

        fn write_all_at(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
            while !bytes.is_empty() {
                match self.seek_write(bytes, offset) {
                    Ok(0) => return Err(ErrorKind::WriteZero.into()),
                    Ok(written) => {
                        bytes = &bytes[written..];
                        offset += written as u64;
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::PositionalFile;

    #[test]
    fn what_is_written_at_a_place_is_read_there() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(b"behind", 5).unwrap();
        file.write_all_at(b"front", 0).unwrap();
        let mut bytes = [0; 8];
        file.read_exact_at(&mut bytes, 2).unwrap();
        assert_eq!(&bytes, b"ontbehin");
        assert_eq!(file.read_at(&mut bytes, 9).unwrap(), 2);
        assert_eq!(file.read_at(&mut bytes, 11).unwrap(), 0);
        assert_eq!(file.read_exact_at(&mut bytes, 4).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }
}
