//! Headers of the PROXY protocol: the same however they arrive, and never longer than they may be.

use graven_wire::Decoded;
use graven_wire::proxy::{HEADER_BYTES_MAX, ProxiedFor, decode};

use crate::pieces::same_in_pieces;

/// Decodes headers, one behind the other.
pub fn header(input: &[u8]) {
    same_in_pieces(input, || {
        |bytes: &[u8]| {
            let decoded = decode(bytes);
            match decoded {
                Decoded::Message(_, consumed) => assert!(consumed <= HEADER_BYTES_MAX),
                Decoded::NeedMore => assert!(bytes.len() < HEADER_BYTES_MAX),
                Decoded::Invalid(error) => assert!(error.to_string().contains("PROXY header")),
            }
            decoded.map(|proxied_for| match proxied_for {
                ProxiedFor::Peer { peer, local } => Some(format!("{peer} {local}")),
                _ => Some("balancer".to_owned()),
            })
        }
    });
}
