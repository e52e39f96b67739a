//! The table, its current version, and those that are still in use.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use graven_format::Store;

use crate::version::Version;

/// A table and the version that answers for it.
#[derive(Debug)]
pub struct Catalog {
    state: Mutex<State>,
    /// How many switches there were. Written after the version, so that whoever sees a new number finds the new version.
    generation: AtomicU64,
}

#[derive(Debug)]
struct State {
    current: Arc<Version>,
    /// Former versions, held here so that no thread that answers is ever the one that gives back their memory.
    former: Vec<Arc<Version>>,
    subscribers: Vec<Weak<Subscriber>>,
}

struct Subscriber {
    wake: Box<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber").finish_non_exhaustive()
    }
}

/// Being told of switches, until it is dropped.
#[derive(Debug)]
#[must_use = "dropped, it ends"]
pub struct Subscription(#[expect(dead_code, reason = "its life is what counts")] Arc<Subscriber>);

impl Catalog {
    /// A catalog of the one table `table`, for which `store`, the version `version`, answers.
    pub fn new(table: &str, version: &str, store: impl Into<Arc<Store>>) -> Arc<Self> {
        let current = Arc::new(Version::new(table.to_owned(), version.to_owned(), store.into()));
        let state = State { current, former: Vec::new(), subscribers: Vec::new() };
        Arc::new(Self { state: Mutex::new(state), generation: AtomicU64::new(0) })
    }

    /// A number that changes with every switch. One relaxed load: a thread that looks now and then sees a switch with its
    /// next look, and before that answers as it did.
    #[inline]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    /// The version that answers.
    pub fn current(&self) -> Arc<Version> {
        Arc::clone(&self.state().current)
    }

    /// Makes `store` the version that answers, as `version`, and tells the subscribers. The former one lives until
    /// [`Self::drop_unused`] finds that nothing holds it any longer.
    pub fn switch(&self, version: &str, store: impl Into<Arc<Store>>) {
        let mut state = self.state();
        let table = state.current.table().to_owned();
        let next = Arc::new(Version::new(table, version.to_owned(), store.into()));
        let former = std::mem::replace(&mut state.current, next);
        state.former.push(former);
        self.generation.fetch_add(1, Ordering::Release);
        state.subscribers.retain(|subscriber| match subscriber.upgrade() {
            Some(subscriber) => {
                (subscriber.wake)();
                true
            }
            None => false,
        });
    }

    /// Gives back the former versions that nothing holds any longer, on the calling thread, and returns how many these were.
    /// Giving back a large one takes milliseconds.
    pub fn drop_unused(&self) -> usize {
        let unused: Vec<_> = {
            let mut state = self.state();
            let unused = |version: &mut Arc<Version>| {
                Arc::strong_count(version) == 1 && Arc::strong_count(version.store()) == 1
            };
            state.former.extract_if(.., unused).collect()
        };
        unused.len()
    }

    /// Former versions that are still held.
    pub fn former(&self) -> usize {
        self.state().former.len()
    }

    /// Has `wake` called at every switch, from the thread that switches, until the subscription is dropped. It must return
    /// soon and not call back.
    pub fn subscribe(&self, wake: impl Fn() + Send + Sync + 'static) -> Subscription {
        let subscriber = Arc::new(Subscriber { wake: Box::new(wake) });
        self.state().subscribers.push(Arc::downgrade(&subscriber));
        Subscription(subscriber)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No thread panics while it holds the lock with the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
