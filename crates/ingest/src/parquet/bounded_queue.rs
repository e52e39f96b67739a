//! A queue between a thread that decodes and the one that takes rows, bounded by the bytes in it.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// The state that both ends share.
#[derive(Debug)]
struct QueueState<T> {
    items: VecDeque<(T, usize)>,
    bytes: usize,
    /// Whether one of the ends is gone.
    is_closed: bool,
}

#[derive(Debug)]
struct QueueShared<T> {
    state: Mutex<QueueState<T>>,
    changed: Condvar,
}

/// Both ends of a queue; dropping one ends the other.
#[derive(Debug)]
pub(super) struct BoundedQueue<T>(Arc<QueueShared<T>>);

impl<T> QueueShared<T> {
    fn lock(&self) -> MutexGuard<'_, QueueState<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Two ends of a new queue.
pub(super) fn bounded_queue<T>() -> (BoundedQueue<T>, BoundedQueue<T>) {
    let state = QueueState { items: VecDeque::new(), bytes: 0, is_closed: false };
    let shared = Arc::new(QueueShared { state: Mutex::new(state), changed: Condvar::new() });
    (BoundedQueue(Arc::clone(&shared)), BoundedQueue(shared))
}

impl<T> BoundedQueue<T> {
    /// Puts an item of so many bytes into the queue, once those in it and this one are no more than
    /// `most`, or it is empty; `false` where nobody takes it any more.
    pub(super) fn put(&self, item: T, bytes: usize, most: usize) -> bool {
        let mut state = self.0.lock();
        while !state.is_closed && !state.items.is_empty() && state.bytes.saturating_add(bytes) > most {
            state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.is_closed {
            return false;
        }
        state.items.push_back((item, bytes));
        state.bytes += bytes;
        self.0.changed.notify_all();
        true
    }

    /// Takes the next item, and waits for it; none once the other end is gone and all was taken.
    pub(super) fn take(&self) -> Option<T> {
        let mut state = self.0.lock();
        loop {
            if let Some((item, bytes)) = state.items.pop_front() {
                state.bytes -= bytes;
                self.0.changed.notify_all();
                return Some(item);
            }
            if state.is_closed {
                return None;
            }
            state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<T> Drop for BoundedQueue<T> {
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
        let (put, take) = bounded_queue();
        let thread = std::thread::spawn(move || (0..1000).all(|i| put.put(i, 10 + i % 50 * 10, 100)));
        let taken: Vec<usize> = std::iter::from_fn(|| take.take()).collect();
        assert!(taken.into_iter().eq(0..1000));
        assert!(thread.join().unwrap());
    }

    #[test]
    fn a_put_ends_when_nobody_takes() {
        let (put, take) = bounded_queue();
        let thread = std::thread::spawn(move || (0..).take_while(|&i| put.put(i, 1, 2)).count());
        assert_eq!(take.take(), Some(0));
        drop(take);
        assert!(thread.join().unwrap() <= 3);
    }
}
