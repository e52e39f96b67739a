//! What is said when the system gives no more memory: a sentence and exit status 2 where Rust would abort. Stable Rust has
//! no other place to say it than the allocator.
//!
//! `unsafe` here hands every call on to the allocator below, and ends the process.
#![allow(unsafe_code)]

#[cfg(not(target_env = "musl"))]
use std::alloc::System as Allocator;
use std::alloc::{GlobalAlloc, Layout};
use std::io::{Cursor, Write};
use std::panic;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// musl's own takes one lock for all threads.
#[cfg(target_env = "musl")]
use mimalloc::MiMalloc as Allocator;

#[global_allocator]
static ALLOCATOR: Explaining = Explaining;

/// Whether an allocation that fails ends the process with a sentence: from its first on. A server goes on where it can.
static ENDS: AtomicBool = AtomicBool::new(true);

/// Says whether an allocation that fails from here on ends the process with a sentence and status 2, as it does from the start
/// on. Otherwise it is the caller's to see, and Rust aborts where nobody does.
pub fn end_without_memory(ends: bool) {
    ENDS.store(ends, Ordering::Relaxed);
}

/// What to do about it, besides raising the limit.
static ADVICE: OnceLock<&str> = OnceLock::new();

/// Has what the system's library and Rust's do where they find no memory for themselves end the process as an allocation does.
/// What is said ends with `advice`, up to 100 bytes as ", or use less with ...". To be called once, at the start.
pub fn explain_aborts(advice: &'static str) {
    let _ = ADVICE.set(advice);
    let handler: extern "C" fn(libc::c_int) = aborted;
    // SAFETY: the handler calls nothing but what may be called in one.
    unsafe { libc::signal(libc::SIGABRT, handler as libc::sighandler_t) };
    let otherwise = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        // Where a new thread gets no stack for its signals, Rust panics before the thread has begun.
        let message = info.payload().downcast_ref::<String>().map(String::as_str);
        let is_for_memory = message.is_some_and(|message| message.contains("allocate an alternative stack"));
        if is_for_memory && ENDS.load(Ordering::Relaxed) {
            end(SIGNAL_STACK_BYTES);
        }
        otherwise(info);
    }));
}

/// About what Rust asks for so that a thread can be told of a signal.
const SIGNAL_STACK_BYTES: usize = 8192;

/// The allocator below, which is the system's, or mimalloc where that is musl's.
struct Explaining;

// SAFETY: every call goes to the allocator below as it came, and what that returns is returned.
unsafe impl GlobalAlloc for Explaining {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those that are asked for.
        given(unsafe { Allocator.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        given(unsafe { Allocator.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        given(unsafe { Allocator.realloc(memory, layout, size) }, size)
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { Allocator.dealloc(memory, layout) }
    }
}

#[inline]
fn given(memory: *mut u8, bytes: usize) -> *mut u8 {
    if memory.is_null() && ENDS.load(Ordering::Relaxed) {
        end(bytes);
    }
    memory
}

/// Whether a thread is saying it already.
static IS_SAID: AtomicBool = AtomicBool::new(false);

/// The system's library aborts where it finds no memory for itself, as for what a thread does at its end. Where another
/// thread has said so already, that is how the process ends.
extern "C" fn aborted(signal: libc::c_int) {
    // SAFETY: all of these may be called in a handler.
    unsafe {
        if IS_SAID.load(Ordering::Relaxed) {
            libc::_exit(2);
        }
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

/// Says it without an allocation, and ends the process without running what might allocate.
#[cold]
fn end(bytes: usize) -> ! {
    let mut text = [0; 256];
    let mut cursor = Cursor::new(&mut text[..]);
    let advice = ADVICE.get().copied().unwrap_or_default();
    // It is shorter than that.
    let _ = writeln!(
        cursor,
        "graven: the system gives no more memory, {bytes} bytes were asked for; raise the limit that `ulimit -v` shows{advice}"
    );
    let len = cursor.position() as usize;
    // SAFETY: the text lives until the call returns; waiting for a signal and ending a process are
    // always allowed.
    unsafe {
        while IS_SAID.swap(true, Ordering::Relaxed) {
            libc::pause();
        }
        libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), len);
        libc::_exit(2)
    }
}
