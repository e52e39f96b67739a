//! Slows down those who try tokens: an address that has failed often within a second is not
//! listened to until the second is over.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failed logins of one address within a second, after which its further logins are refused
/// unseen until that second is over.
pub const FAILED_LOGINS_PER_SECOND_MAX: u32 = 10;

/// How long failures are remembered.
const WINDOW: Duration = Duration::from_secs(1);

/// Addresses that are remembered at once. Where more fail within a second, the further ones count
/// as one address.
const ADDRESSES_MAX: usize = 10_000;

/// What stands for the addresses that are too many.
const ALL_OTHERS: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// Failed logins of the last second, by address. Of IPv6 the first 64 bits count, which one host
/// may have all addresses of.
///
/// ```
/// use std::time::{Duration, Instant};
/// use graven_access::{FAILED_LOGINS_PER_SECOND_MAX, LoginAttempts};
///
/// let (attempts, now, peer) = (LoginAttempts::default(), Instant::now(), "192.0.2.7".parse()?);
/// for _ in 0..FAILED_LOGINS_PER_SECOND_MAX {
///     assert!(attempts.may_try(peer, now));
///     attempts.failed(peer, now);
/// }
/// assert!(!attempts.may_try(peer, now));
/// assert!(attempts.may_try(peer, now + Duration::from_secs(1)));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug, Default)]
pub struct LoginAttempts {
    failed: Mutex<HashMap<IpAddr, Failures>>,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    since: Instant,
    count: u32,
}

impl LoginAttempts {
    /// Whether a login of this address is looked at.
    pub fn may_try(&self, peer: IpAddr, now: Instant) -> bool {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let is_spent = |address| {
            failed.get(&address).is_some_and(|failures: &Failures| {
                failures.count >= FAILED_LOGINS_PER_SECOND_MAX && !failures.is_over(now)
            })
        };
        let address = network(peer);
        !is_spent(address) && (failed.contains_key(&address) || !is_spent(ALL_OTHERS))
    }

    /// A login of this address has failed.
    pub fn failed(&self, peer: IpAddr, now: Instant) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut address = network(peer);
        if !failed.contains_key(&address) && failed.len() >= ADDRESSES_MAX {
            failed.retain(|_, failures| !failures.is_over(now));
            if failed.len() >= ADDRESSES_MAX {
                address = ALL_OTHERS;
            }
        }
        let failures = failed.entry(address).or_insert(Failures { since: now, count: 0 });
        if failures.is_over(now) {
            *failures = Failures { since: now, count: 0 };
        }
        failures.count = failures.count.saturating_add(1);
    }
}

impl Failures {
    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= WINDOW
    }
}

/// What counts as one address.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spend(attempts: &LoginAttempts, peer: IpAddr, now: Instant) {
        (0..FAILED_LOGINS_PER_SECOND_MAX).for_each(|_| attempts.failed(peer, now));
    }

    #[test]
    fn one_address_does_not_keep_another_waiting() {
        let (attempts, now) = (LoginAttempts::default(), Instant::now());
        spend(&attempts, "192.0.2.7".parse().unwrap(), now);
        spend(&attempts, "2001:db8:1:2:3::4".parse().unwrap(), now);
        for (peer, may) in [
            ("192.0.2.7", false),
            ("::ffff:192.0.2.7", false),
            ("192.0.2.8", true),
            ("2001:db8:1:2:ffff::1", false),
            ("2001:db8:1:3::4", true),
        ] {
            assert_eq!(attempts.may_try(peer.parse().unwrap(), now), may, "{peer}");
        }
    }

    #[test]
    fn however_many_addresses_fail_no_more_are_remembered_and_none_gets_more_tries() {
        let (attempts, now) = (LoginAttempts::default(), Instant::now());
        let address = |number: usize| IpAddr::from((number as u32 + (10 << 24)).to_be_bytes());
        (0..ADDRESSES_MAX).for_each(|number| attempts.failed(address(number), now));
        let late = address(ADDRESSES_MAX + 5);
        assert!(attempts.may_try(late, now) && attempts.may_try(address(3), now));
        (0..20).for_each(|number| attempts.failed(address(ADDRESSES_MAX + number), now));
        assert!(!attempts.may_try(late, now) && attempts.may_try(address(3), now));
        assert!(attempts.failed.lock().unwrap().len() <= ADDRESSES_MAX + 1);
        // A second later there is room again.
        attempts.failed(late, now + WINDOW);
        assert_eq!(attempts.failed.lock().unwrap().len(), 1);
    }
}
