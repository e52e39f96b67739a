//! The main thread's stack is given back below the caller, and nothing else is. Without a harness, whose tests have threads.

use std::{fs, hint, thread};

use graven_process::give_back_stack;

/// KiB of the main thread's stack that are resident.
fn resident() -> u64 {
    let maps = fs::read_to_string("/proc/self/smaps").unwrap();
    let line =
        maps.lines().skip_while(|line| !line.ends_with("[stack]")).find_map(|line| line.strip_prefix("Rss:"));
    line.unwrap().trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

fn deep(levels: usize) -> usize {
    let room = hint::black_box([levels; 1024]);
    if levels == 0 { 0 } else { deep(levels - 1) + room[levels % 1024] }
}

fn main() {
    // Other systems do not tell.
    if !cfg!(target_os = "linux") {
        return;
    }
    let held = hint::black_box([7_usize; 4096]);
    for _ in 0..3 {
        assert_eq!(deep(100), 5050);
        let before = resident();
        thread::spawn(give_back_stack).join().unwrap();
        assert!(resident() >= before, "another thread gives nothing back");
        give_back_stack();
        let after = resident();
        assert!(before > 800 && after < before / 2, "{before} and {after} KiB");
        assert_eq!(held, [7; 4096]);
    }
}
