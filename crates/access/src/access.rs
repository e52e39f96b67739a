//! The users as they are now: read by every event loop, replaced when their file is read again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::attempts::LoginAttempts;
use crate::users::Users;

/// The users of a server, which may be replaced while it runs.
#[derive(Debug)]
pub struct Access {
    users: Mutex<Arc<Users>>,
    generation: AtomicU64,
    is_open: bool,
    attempts: LoginAttempts,
}

impl Access {
    /// Everybody may ask everything, and it stays so.
    pub fn open() -> Arc<Self> {
        Self::with(Users::open(), true)
    }

    /// These users, until others are [set](Self::replace).
    pub fn new(users: Users) -> Arc<Self> {
        Self::with(users, false)
    }

    fn with(users: Users, is_open: bool) -> Arc<Self> {
        let (users, generation) = (Mutex::new(Arc::new(users)), AtomicU64::new(1));
        Arc::new(Self { users, generation, is_open, attempts: LoginAttempts::default() })
    }

    /// Whether there are no users at all, so that nobody has to say who they are.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// Other users from now on. Whoever is connected is looked for among them before its next request
    /// is answered.
    pub fn replace(&self, users: Users) {
        *self.users.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(users);
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// A number that changes when the users do. Costs one load.
    #[inline]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The users as they are now.
    pub fn users(&self) -> Arc<Users> {
        Arc::clone(&self.users.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How often which address has failed to log in.
    pub fn attempts(&self) -> &LoginAttempts {
        &self.attempts
    }
}
