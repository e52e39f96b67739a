//! TLS handshakes: how many are under way, how they have ended, and whether more may begin.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::options::TlsOptions;

/// How soon it is looked again whether handshakes have ended.
const RETRY: Duration = Duration::from_millis(10);

/// How a handshake has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "without TLS none fails"))]
pub(crate) enum HandshakeFailure {
    /// The peer has closed the connection, or it took too long.
    Closed,
    /// What came was no TLS.
    PlainText,
    /// Versions or ciphers have nothing in common.
    Incompatible,
    /// The peer was to show a certificate and has shown none.
    NoCertificate,
    /// The certificate that it has shown is not good.
    Certificate,
    /// The peer has ended it with an alert, as one that does not trust the server's certificate does.
    Alert,
    /// Anything else that the protocol forbids.
    Malformed,
}

impl HandshakeFailure {
    const ALL: [Self; 7] = [
        Self::Closed,
        Self::PlainText,
        Self::Incompatible,
        Self::NoCertificate,
        Self::Certificate,
        Self::Alert,
        Self::Malformed,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::PlainText => "plain_text",
            Self::Incompatible => "incompatible",
            Self::NoCertificate => "no_certificate",
            Self::Certificate => "certificate",
            Self::Alert => "alert",
            Self::Malformed => "malformed",
        }
    }
}

/// The handshakes of all loops. Connections come and go far less often than requests, so that all may count together.
#[derive(Debug)]
pub(crate) struct Handshakes {
    under_way: AtomicUsize,
    done: AtomicU64,
    resumed: AtomicU64,
    failed: [AtomicU64; HandshakeFailure::ALL.len()],
    under_way_max: usize,
    per_second_max: u32,
    /// What is left of what may be accepted at once, and since when.
    allowance: Mutex<(f64, Option<Instant>)>,
    /// When the certificate expires, in seconds since 1970; 0 without one.
    expires: Mutex<Option<Arc<AtomicU64>>>,
}

/// One that is under way.
#[derive(Debug)]
#[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "without TLS there is none"))]
pub(crate) struct HandshakeUnderWay(Arc<Handshakes>);

impl Handshakes {
    pub(crate) fn new(options: &TlsOptions) -> Self {
        Self {
            under_way: AtomicUsize::new(0),
            done: AtomicU64::new(0),
            resumed: AtomicU64::new(0),
            failed: std::array::from_fn(|_| AtomicU64::new(0)),
            under_way_max: options.handshakes_max,
            per_second_max: options.handshakes_per_second_max,
            allowance: Mutex::new((f64::from(options.handshakes_per_second_max), None)),
            expires: Mutex::default(),
        }
    }

    pub(crate) fn under_way(&self) -> u64 {
        self.under_way.load(Ordering::Relaxed) as u64
    }

    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    pub(crate) fn resumed(&self) -> u64 {
        self.resumed.load(Ordering::Relaxed)
    }

    /// How many have failed, by why.
    pub(crate) fn failed(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let names = HandshakeFailure::ALL.map(HandshakeFailure::name);
        names.into_iter().zip(self.failed.iter().map(|failed| failed.load(Ordering::Relaxed)))
    }

    /// When the certificate expires, in seconds since 1970; 0 without one.
    pub(crate) fn certificate_expires(&self) -> u64 {
        let expires = self.expires.lock().unwrap_or_else(PoisonError::into_inner);
        expires.as_ref().map_or(0, |expires| expires.load(Ordering::Relaxed))
    }
}

#[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "without TLS nothing is counted"))]
impl Handshakes {
    pub(crate) fn set_expires(&self, expires: Arc<AtomicU64>) {
        *self.expires.lock().unwrap_or_else(PoisonError::into_inner) = Some(expires);
    }

    /// Counts one that begins, until it is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> HandshakeUnderWay {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        HandshakeUnderWay(Arc::clone(self))
    }

    /// How long no connection is to be accepted that may begin a handshake; where one may, it counts as accepted.
    pub(crate) fn pause(&self, now: Instant) -> Option<Duration> {
        if self.under_way.load(Ordering::Relaxed) >= self.under_way_max {
            return Some(RETRY);
        }
        if self.per_second_max == 0 {
            return None;
        }
        let mut allowance = self.allowance.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, since) = &mut *allowance;
        let rate = f64::from(self.per_second_max);
        let passed = since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        *left = (*left + passed.as_secs_f64() * rate).min(rate);
        *since = Some(now);
        if *left < 1.0 {
            return Some(Duration::from_secs_f64((1.0 - *left) / rate));
        }
        *left -= 1.0;
        None
    }
}

#[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "without TLS there is none"))]
impl HandshakeUnderWay {
    pub(crate) fn done(self, is_resumed: bool) {
        self.0.done.fetch_add(1, Ordering::Relaxed);
        self.0.resumed.fetch_add(u64::from(is_resumed), Ordering::Relaxed);
    }

    pub(crate) fn failed(self, failure: HandshakeFailure) {
        self.0.failed[failure as usize].fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for HandshakeUnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_accepted_in_a_second_as_may_be_and_then_each_in_its_time() {
        let options = TlsOptions { handshakes_per_second_max: 10, ..TlsOptions::default() };
        let handshakes = Handshakes::new(&options);
        let mut now = Instant::now();
        assert!((0..10).all(|_| handshakes.pause(now).is_none()));
        assert_eq!(handshakes.pause(now), Some(Duration::from_millis(100)));
        now += Duration::from_millis(101);
        assert_eq!(handshakes.pause(now), None);
        assert!(handshakes.pause(now).is_some());
        // Nothing is saved up beyond one second.
        now += Duration::from_secs(60);
        assert_eq!((0..20).filter(|_| handshakes.pause(now).is_none()).count(), 10);
    }

    #[test]
    fn no_more_are_under_way_than_may_be() {
        let options = TlsOptions { handshakes_max: 2, ..TlsOptions::default() };
        let handshakes = Arc::new(Handshakes::new(&options));
        let now = Instant::now();
        let first = handshakes.begin();
        assert_eq!(handshakes.pause(now), None);
        let second = handshakes.begin();
        assert_eq!(handshakes.pause(now), Some(RETRY));
        first.done(true);
        assert_eq!((handshakes.pause(now), handshakes.under_way()), (None, 1));
        second.failed(HandshakeFailure::Alert);
        assert_eq!((handshakes.under_way(), handshakes.done(), handshakes.resumed()), (0, 1, 1));
        assert_eq!(handshakes.failed().find(|(name, _)| *name == "alert"), Some(("alert", 1)));
    }

    #[test]
    fn every_failure_has_a_place_of_its_own() {
        for (i, failure) in HandshakeFailure::ALL.into_iter().enumerate() {
            assert_eq!(failure as usize, i);
        }
    }
}
