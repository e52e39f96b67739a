//! Networks of IP addresses, as people write them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A network of IP addresses: `10.0.0.0/8`, `2001:db8::/32`, or one address.
///
/// ```
/// use graven_server::Network;
///
/// let network: Network = "10.0.0.0/8".parse()?;
/// assert!(network.contains("10.1.2.3".parse()?) && !network.contains("11.0.0.1".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    /// Leading bits of the address that are those of the network.
    bits: u8,
}

/// The networks of this machine alone.
const LOOPBACK: [Network; 2] = [
    Network { address: IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), bits: 8 },
    Network { address: IpAddr::V6(Ipv6Addr::LOCALHOST), bits: 128 },
];

impl Network {
    /// Whether `address` belongs to one of `networks`, or of this machine's own where there are none.
    pub(crate) fn any_contains(networks: &[Self], address: IpAddr) -> bool {
        let networks = if networks.is_empty() { &LOOPBACK } else { networks };
        networks.iter().any(|network| network.contains(address))
    }

    /// Whether `address` belongs to it. An IPv4 address that is written as one of IPv6 is one of IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                shared_bits((network.to_bits() ^ address.to_bits()).leading_zeros(), self.bits)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                shared_bits((network.to_bits() ^ address.to_bits()).leading_zeros(), self.bits)
            }
            _ => false,
        }
    }
}

fn shared_bits(alike: u32, wanted: u8) -> bool {
    alike >= u32::from(wanted)
}

/// Why a text is no [`Network`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NetworkError {
    /// What stands before the slash is no address.
    BadAddress {
        /// What was found.
        found: String,
    },
    /// What stands behind the slash is no number of bits that the address has.
    BadBits {
        /// What was found.
        found: String,
        /// How many the address has.
        most: u8,
    },
    /// The address has bits behind those of the network, so that one of both is mistaken.
    BitsBehind {
        /// The network that has these bits.
        instead: Network,
    },
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadAddress { found } => write!(f, "expected an address as in 10.0.0.0/8, found `{found}`"),
            Self::BadBits { found, most } => {
                write!(f, "expected a number of bits up to {most} behind the slash, found `{found}`")
            }
            Self::BitsBehind { instead } => {
                write!(f, "the address has bits behind those of the network; write {instead}, or more bits")
            }
        }
    }
}

impl std::error::Error for NetworkError {}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr =
            address.parse().map_err(|_| NetworkError::BadAddress { found: address.to_owned() })?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(found) => {
                let bits = found.parse().ok().filter(|&bits| bits <= most && !found.starts_with('+'));
                bits.ok_or_else(|| NetworkError::BadBits { found: found.to_owned(), most })?
            }
        };
        let first = match address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
                IpAddr::from(Ipv4Addr::from_bits(address.to_bits() & mask))
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
                IpAddr::from(Ipv6Addr::from_bits(address.to_bits() & mask))
            }
        };
        if first != address {
            return Err(NetworkError::BitsBehind { instead: Self { address: first, bits } });
        }
        Ok(Self { address, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = if self.address.is_ipv4() { 32 } else { 128 };
        match self.bits {
            bits if bits == most => self.address.fmt(f),
            bits => write!(f, "{}/{bits}", self.address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_the_addresses_that_begin_with_its_bits() {
        for (network, address, has) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("10.0.0.0/8", "a00::", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.6", false),
            ("0.0.0.0/0", "255.255.255.255", true),
            ("0.0.0.0/0", "::1", false),
            ("2001:db8::/33", "2001:db8:7fff::1", true),
            ("2001:db8::/33", "2001:db8:8000::", false),
            ("::/0", "ff::", true),
            ("::1", "::1", true),
            ("::1", "::2", false),
        ] {
            let network: Network = network.parse().unwrap();
            assert_eq!(network.contains(address.parse().unwrap()), has, "{network} {address}");
        }
    }

    #[test]
    fn without_networks_this_machine_alone_is_one() {
        for (address, is) in [
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("10.0.0.1", false),
        ] {
            assert_eq!(Network::any_contains(&[], address.parse().unwrap()), is, "{address}");
        }
        let other = ["10.0.0.0/8".parse().unwrap()];
        assert!(!Network::any_contains(&other, "127.0.0.1".parse().unwrap()), "only what is named");
    }

    #[test]
    fn a_network_reads_and_writes_back_or_is_refused_with_what_was_found() {
        for text in ["10.0.0.0/8", "192.0.2.7", "0.0.0.0/0", "2001:db8::/32", "::1", "::/0"] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), text);
        }
        assert_eq!("192.0.2.7/32".parse::<Network>().unwrap().to_string(), "192.0.2.7");
        for (text, said) in [
            ("", "expected an address as in 10.0.0.0/8, found ``"),
            ("10/8", "expected an address as in 10.0.0.0/8, found `10`"),
            ("localhost", "expected an address as in 10.0.0.0/8, found `localhost`"),
            ("10.0.0.0/33", "expected a number of bits up to 32 behind the slash, found `33`"),
            ("10.0.0.0/+8", "expected a number of bits up to 32 behind the slash, found `+8`"),
            ("10.0.0.0/", "expected a number of bits up to 32 behind the slash, found ``"),
            ("::/129", "expected a number of bits up to 128 behind the slash, found `129`"),
            (
                "10.0.0.1/8",
                "the address has bits behind those of the network; write 10.0.0.0/8, or more bits",
            ),
            ("::1/0", "the address has bits behind those of the network; write ::/0, or more bits"),
        ] {
            assert_eq!(text.parse::<Network>().unwrap_err().to_string(), said);
        }
    }
}
