//! A queue between a thread that decodes and the one that takes rows, bounded by the bytes in it.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// The state that both ends share.
#[derive(Debug)]
struct Belt<T> {
    items: VecDeque<(T, usize)>,
    bytes: usize,
    /// Whether one of the ends is gone.
    is_closed: bool,
}

#[derive(Debug)]
struct BeltShare<T> {
    belt: Mutex<Belt<T>>,
    changed: Condvar,
}

/// Both ends of a queue; dropping one ends the other.
#[derive(Debug)]
pub(super) struct Conveyor<T>(Arc<BeltShare<T>>);

impl<T> BeltShare<T> {
    fn lock(&self) -> MutexGuard<'_, Belt<T>> {
        self.belt.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Two ends of a new queue.
pub(super) fn conveyor<T>() -> (Conveyor<T>, Conveyor<T>) {
    let belt = Belt { items: VecDeque::new(), bytes: 0, is_closed: false };
    let shared = Arc::new(BeltShare { belt: Mutex::new(belt), changed: Condvar::new() });
    (Conveyor(Arc::clone(&shared)), Conveyor(shared))
}

impl<T> Conveyor<T> {
    /// Puts an item of so many bytes into the queue, once those in it and this one are no more than
    /// `most`, or it is empty; `false` where nobody takes it any more.
    pub(super) fn put(&self, item: T, bytes: usize, most: usize) -> bool {
        let mut belt = self.0.lock();
        while !belt.is_closed && !belt.items.is_empty() && belt.bytes.saturating_add(bytes) > most {
            belt = self.0.changed.wait(belt).unwrap_or_else(PoisonError::into_inner);
        }
        if belt.is_closed {
            return false;
        }
        belt.items.push_back((item, bytes));
        belt.bytes += bytes;
        self.0.changed.notify_all();
        true
    }

    /// Takes the next item, and waits for it; none once the other end is gone and all was taken.
    pub(super) fn take(&self) -> Option<T> {
        let mut belt = self.0.lock();
        loop {
            if let Some((item, bytes)) = belt.items.pop_front() {
                belt.bytes -= bytes;
                self.0.changed.notify_all();
                return Some(item);
            }
            if belt.is_closed {
                return None;
            }
            belt = self.0.changed.wait(belt).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<T> Drop for Conveyor<T> {
    fn drop(&mut self) {
        self.0.lock().is_closed = true;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_in_order_and_an_item_above_the_bound_alone() {
        let (put, take) = conveyor();
        let thread = std::thread::spawn(move || (0..1000).all(|i| put.put(i, 10 + i % 50 * 10, 100)));
        let taken: Vec<usize> = std::iter::from_fn(|| take.take()).collect();
        assert!(taken.into_iter().eq(0..1000));
        assert!(thread.join().unwrap());
    }

    #[test]
    fn a_put_ends_when_nobody_takes() {
        let (put, take) = conveyor();
        let thread = std::thread::spawn(move || (0..).take_while(|&i| put.put(i, 1, 2)).count());
        assert_eq!(take.take(), Some(0));
        drop(take);
        assert!(thread.join().unwrap() <= 3);
    }
}
