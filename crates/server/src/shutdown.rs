//! The handle by which a caller ends a server.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::system::Wake;

/// Ends every server that it was given to. Clones are the same handle; any thread may hold one.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    triggered: AtomicBool,
    wakers: Mutex<Vec<Arc<dyn Wake>>>,
}

impl Shutdown {
    /// A handle that was not triggered yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells the servers to stop accepting, finish what is under way, and return. Further calls do nothing.
    pub fn trigger(&self) {
        self.0.triggered.store(true, Ordering::SeqCst);
        for waker in self.0.wakers.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            waker.wake();
        }
    }

    /// Whether [`trigger`](Self::trigger) was called.
    pub fn is_triggered(&self) -> bool {
        self.0.triggered.load(Ordering::SeqCst)
    }

    /// Has `waker` woken by [`trigger`](Self::trigger). The caller looks at [`is_triggered`](Self::is_triggered) before it
    /// sleeps for the first time.
    pub(crate) fn subscribe(&self, waker: Arc<dyn Wake>) {
        self.0.wakers.lock().unwrap_or_else(PoisonError::into_inner).push(waker);
    }

    pub(crate) fn unsubscribe(&self, waker: &Arc<dyn Wake>) {
        let mut wakers = self.0.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        wakers.retain(|known| !Arc::ptr_eq(known, waker));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Debug, Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn those_that_have_ended_are_woken_no_more_and_the_others_are() {
        let woken: [Arc<Woken>; 3] = std::array::from_fn(|_| Arc::default());
        let wakers = woken.each_ref().map(|woken| Arc::clone(woken) as Arc<dyn Wake>);
        let shutdown = Shutdown::new();
        wakers.iter().for_each(|waker| shutdown.subscribe(Arc::clone(waker)));
        shutdown.unsubscribe(&wakers[1]);
        assert!(!shutdown.is_triggered());
        shutdown.clone().trigger();
        assert!(shutdown.is_triggered());
        assert_eq!(woken.each_ref().map(|woken| woken.0.load(Ordering::Relaxed)), [1, 0, 1]);
    }
}
