//! Gives back the pages of the program that only its start needed, and those of its stack: arguments, configuration and
//! the loading of tables are more than half of the program, and are not needed again. Linux counts
//! them as resident for as long as the process lives, because it maps sixteen at a time.
//!
//! `unsafe` here asks for that.
#![allow(unsafe_code)]

use std::ops::Range;
use std::time::Duration;
use std::{fs, thread};

/// How long after a server says that it listens its start is surely over.
const START: Duration = Duration::from_secs(1);

/// Gives the pages back that the start of a server needed, on a thread that ends then, once the
/// event loops run: before, they would bring 2 MB of them back.
pub fn give_back_after_start() {
    let give_back = || {
        thread::sleep(START);
        give_back();
    };
    // Where no thread can be had the server is in need of more than these pages, and says so itself.
    let _ = thread::Builder::new().name("start-pages".into()).spawn(give_back);
}

/// Gives back the pages of instructions and constants, the program's and its libraries'. Those that
/// are needed again come back from the page cache, some thirty times half a microsecond. Where the
/// system does not tell where they are mapped, nothing happens.
fn give_back() {
    for mapped in mapped() {
        // SAFETY: the range is one private mapping of a file that cannot be written to, and in which the linker
        // relocates nothing, as its line said. Nobody has changed its pages, so what comes back is what was there.
        unsafe { libc::madvise(mapped.start as *mut libc::c_void, mapped.len(), libc::MADV_DONTNEED) };
    }
}

/// How the system calls the main thread's stack. Those of others may be one mapping with what lies beside them.
const MAIN_STACK: &str = "[stack]";

/// What is left as it is of a stack below the caller's frames.
const STACK_KEPT_BYTES: usize = 64 * 1024;

/// Gives back the pages of the main thread's stack that calls before this one needed and that lie 64 KiB or more below it.
/// In another thread, or where the system does not tell where the stack is mapped, nothing happens.
pub fn give_back_stack() {
    let here = 0_u8;
    let here = &raw const here as usize;
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let of_main = maps.lines().filter(|line| line.ends_with(MAIN_STACK));
    let stack = of_main.filter_map(range).find(|range| range.contains(&here));
    let Some(start) = stack.map(|stack| stack.start) else { return };
    // Pages are up to 64 KiB.
    let end = (here - STACK_KEPT_BYTES) & !0xFFFF;
    if start < end {
        // SAFETY: the range is part of the main thread's stack, which grows downwards, which the system joins with no other
        // mapping, and which is this thread's; it lies below all frames that there are. The call needs less than what is kept.
        unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_DONTNEED) };
    }
}

/// Where the instructions and constants of the program and its libraries are mapped.
fn mapped() -> Vec<Range<usize>> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    maps.lines().filter_map(unchanged_part_of_a_file).collect()
}

/// The range of a line of `/proc/PID/maps`, where it is a private mapping of a file whose pages are as they are there:
/// instructions, or what can only be read and stands at the beginning of the file. What can only be read and stands
/// behind the instructions was written to when the program was linked, and does not come back.
fn unchanged_part_of_a_file(line: &str) -> Option<Range<usize>> {
    let mut words = line.split_ascii_whitespace();
    let (access, offset) = (words.nth(1)?, words.next()?);
    let path = words.nth(2)?;
    let is_unchanged = access == "r-xp" || (access == "r--p" && number(offset)? == 0);
    (is_unchanged && path.starts_with('/')).then(|| range(line))?
}

/// The addresses that a line of `/proc/PID/maps` is about.
fn range(line: &str) -> Option<Range<usize>> {
    let (start, end) = line.split_ascii_whitespace().next()?.split_once('-')?;
    Some(number(start)?..number(end)?)
}

fn number(digits: &str) -> Option<usize> {
    usize::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_has_changed_of_a_file_is_given_back() {
        let read = unchanged_part_of_a_file;
        assert_eq!(read("1000-3000 r-xp 00001000 fe:00 77    /usr/bin/graven"), Some(0x1000..0x3000));
        assert_eq!(read("1000-3000 r--p 00000000 fe:00 77    /usr/bin/graven"), Some(0x1000..0x3000));
        assert_eq!(read("1000-3000 r--p 00001000 fe:00 77    /usr/bin/graven"), None);
        assert_eq!(read("1000-3000 rw-p 00000000 fe:00 77    /usr/bin/graven"), None);
        assert_eq!(read("1000-3000 r--p 00000000 00:00 0"), None);
        assert_eq!(read("1000-3000 rwxp 00001000 fe:00 77    /usr/bin/graven"), None);
        assert_eq!(read("1000-3000 r-xs 00001000 fe:00 77    /usr/bin/graven"), None);
        assert_eq!(read("1000-3000 r-xp 00000000 00:00 0     [vdso]"), None);
        assert_eq!(read("1000-3000 r-xp 00000000 00:00 0"), None);
        assert_eq!(read(""), None);
    }

    /// Fails where no range is found, or where what comes back is not what was there.
    #[test]
    fn the_program_goes_on_after_its_pages_are_given_back() {
        let here = mapped();
        let address = give_back as fn() as usize;
        assert!(here.iter().any(|range| range.contains(&address)), "{here:x?}");
        for _ in 0..3 {
            give_back();
            assert_eq!(mapped(), here);
        }
    }
}
