//! A file that is mapped, and stays readable when it is cut short or cannot be read: the pages that are gone read as zeros.
//!
//! The system tells a reader of such a page by SIGBUS, which ends a process that does not expect it. The handler here puts a
//! page of zeros in the place of the one that is gone, and only in mappings of this room; every other SIGBUS goes where it
//! went before. Who reads checks what was read, and zeros have no bucket's checksum.
//!
//! The bytes of a mapped file may change under the reader, by whoever may write to the file. Readers copy them before they
//! look at them, and trust no two looks to agree.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use memmap2::{Advice, Mmap, MmapOptions};

/// Mappings that there may be at once in a process.
const MAPPINGS_MAX: usize = 64;

/// Where the mappings are, for the handler, which may take no lock: start and end, zeros where there is none.
static MAPPINGS: [(AtomicUsize, AtomicUsize); MAPPINGS_MAX] =
    [const { (AtomicUsize::new(0), AtomicUsize::new(0)) }; MAPPINGS_MAX];

/// Bytes of a page; 0 before the handler is there.
static PAGE_BYTES: AtomicUsize = AtomicUsize::new(0);

/// What became of SIGBUS before there was a handler here.
static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();

/// A file in memory, as far as the system keeps it there.
#[derive(Debug)]
pub(crate) struct Mapping {
    map: Mmap,
    /// Its place among [`MAPPINGS`].
    slot: usize,
}

impl Mapping {
    /// Maps the first `len` bytes of `file`.
    pub(crate) fn of(file: &File, len: usize) -> io::Result<Self> {
        watch_for_faults()?;
        // SAFETY: whatever happens to the file, its pages stay readable: see above. That their bytes may change is told to
        // whoever calls `bytes`.
        let map = unsafe { MmapOptions::new().len(len.max(1)).map(file)? };
        // Only advice: lookups come everywhere.
        let _ = map.advise(Advice::Random);
        let start = map.as_ptr().addr();
        let end = start + map.len();
        for (slot, (slot_start, slot_end)) in MAPPINGS.iter().enumerate() {
            let is_free = slot_start.compare_exchange(0, start, Ordering::SeqCst, Ordering::SeqCst).is_ok();
            if is_free {
                slot_end.store(end, Ordering::SeqCst);
                return Ok(Self { map, slot });
            }
        }
        Err(io::Error::other(format!("{MAPPINGS_MAX} files are mapped already")))
    }

    /// The bytes of the file, zeros where it is gone. They may change at any time: copy first, then check.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.map
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let (start, end) = &MAPPINGS[self.slot];
        end.store(0, Ordering::SeqCst);
        start.store(0, Ordering::SeqCst);
    }
}

/// Sees to it, once, that SIGBUS comes here.
fn watch_for_faults() -> io::Result<()> {
    static WATCHING: OnceLock<Result<(), i32>> = OnceLock::new();
    WATCHING
        .get_or_init(|| install().map_err(|error| error.raw_os_error().unwrap_or(libc::EINVAL)))
        .map_err(io::Error::from_raw_os_error)
}

fn install() -> io::Result<()> {
    PAGE_BYTES.store(rustix::param::page_size(), Ordering::SeqCst);
    let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = on_fault;
    // SAFETY: `sigaction` is plain data for which zeros are a value; the calls get addresses of such data.
    unsafe {
        let mut before = MaybeUninit::<libc::sigaction>::zeroed();
        if libc::sigaction(libc::SIGBUS, ptr::null(), before.as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
        // Known before the handler can be called.
        let _ = BEFORE.set(before.assume_init());
        let mut action = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        if libc::sigaction(libc::SIGBUS, &raw const action, ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Called by the system in the middle of whatever read the page. It touches atomics and makes system calls, nothing else.
extern "C" fn on_fault(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the system hands a valid `info` to a handler that asked for it, and for SIGBUS it holds an address.
    let address = unsafe { (*info).si_addr() }.addr();
    let page_bytes = PAGE_BYTES.load(Ordering::SeqCst);
    let is_ours = MAPPINGS.iter().any(|(start, end)| {
        let (start, end) = (start.load(Ordering::SeqCst), end.load(Ordering::SeqCst));
        start != 0 && (start..end).contains(&address)
    });
    if is_ours {
        let page = ptr::without_provenance_mut(address - address % page_bytes);
        let (access, kind) = (libc::PROT_READ, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED);
        // SAFETY: the page lies in a mapping of ours, of which nobody expects its bytes to stay; `errno` is put back.
        let is_mended = unsafe {
            let errno = *libc::__errno_location();
            let mended = libc::mmap(page, page_bytes, access, kind, -1, 0);
            *libc::__errno_location() = errno;
            mended != libc::MAP_FAILED
        };
        if is_mended {
            return;
        }
    }
    hand_on(signal, info, context);
}

/// Does with a fault what would have been done without this room.
fn hand_on(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let Some(before) = BEFORE.get() else { return };
    match before.sa_sigaction {
        libc::SIG_DFL | libc::SIG_IGN => {
            // SAFETY: as in `install`. Back in the code that faulted it faults again, and ends the process.
            unsafe {
                let default = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
                libc::sigaction(signal, &raw const default, ptr::null_mut());
            }
        }
        handler if before.sa_flags & libc::SA_SIGINFO != 0 => {
            // SAFETY: whoever installed the address said that it is such a function.
            let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
                unsafe { std::mem::transmute(handler) };
            handler(signal, info, context);
        }
        handler => {
            // SAFETY: as above.
            let handler: extern "C" fn(libc::c_int) = unsafe { std::mem::transmute(handler) };
            handler(signal);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;
    use std::sync::atomic::AtomicBool;

    use super::*;

    const MIB: usize = 1 << 20;

    fn file_of(bytes: &[u8]) -> File {
        let file = tempfile::tempfile().unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, bytes, 0).unwrap();
        file
    }

    #[test]
    fn a_file_cut_short_reads_as_zeros_behind_its_end_while_threads_read_it() {
        let file = file_of(&vec![7; MIB]);
        let mapping = Mapping::of(&file, MIB).unwrap();
        let cut = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !cut.load(Ordering::SeqCst) {
                        assert!(mapping.bytes().to_vec().iter().all(|&byte| byte == 7 || byte == 0));
                    }
                });
            }
            file.set_len(MIB as u64 / 2).unwrap();
            cut.store(true, Ordering::SeqCst);
        });
        assert!(mapping.bytes()[..MIB / 2].iter().all(|&byte| byte == 7));
        assert!(mapping.bytes()[MIB / 2..].iter().all(|&byte| byte == 0));
    }

    #[test]
    fn places_of_mappings_that_are_gone_are_used_again() {
        let file = file_of(b"bytes");
        for _ in 0..10 * MAPPINGS_MAX {
            assert_eq!(Mapping::of(&file, 5).unwrap().bytes(), b"bytes");
        }
    }

    /// What this test does in a process of its own must end it.
    const FAULT: &str = "GRAVEN_TEST_FAULT";

    #[test]
    fn a_fault_elsewhere_still_ends_the_process() {
        if std::env::var_os(FAULT).is_some() {
            let (file, other) = (file_of(b"bytes"), file_of(&[1; 8192]));
            let _mapping = Mapping::of(&file, 5).unwrap();
            // SAFETY: nothing relies on its bytes.
            let foreign = unsafe { Mmap::map(&other).unwrap() };
            other.set_len(0).unwrap();
            println!("read {}", foreign[5000]);
            return;
        }
        let name = "mapping::tests::a_fault_elsewhere_still_ends_the_process";
        let ended = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(FAULT, "1")
            .output()
            .unwrap();
        assert_eq!(ended.status.signal(), Some(libc::SIGBUS), "{ended:?}");
    }
}
