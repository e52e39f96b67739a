//! Waiting for readers, or only looking whether their reads have ended.

use anyhow::Result;
use graven_blocks::{BlockReader, FileReader};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How long who does not sleep waits.
const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// Hands over what `readers` were asked for, each of which has reads under way; with `sleeps` it waits until a read has ended.
///
/// Without, it still goes through the kernel, which is when reads that have ended are told of.
pub(crate) fn hear(readers: &mut [&mut FileReader], sleeps: bool) -> Result<()> {
    if let ([reader], true) = (&mut *readers, sleeps) {
        return Ok(reader.wait()?);
    }
    let mut bells = Vec::with_capacity(readers.len());
    for reader in readers {
        reader.flush();
        bells.push(reader.listen()?);
    }
    let mut bells: Vec<_> = bells.iter().map(|bell| PollFd::new(bell, PollFlags::IN)).collect();
    match poll(&mut bells, (!sleeps).then_some(&AT_ONCE)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
