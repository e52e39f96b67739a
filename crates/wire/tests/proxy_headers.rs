//! Headers of the PROXY protocol: what they say, and what is none.

use graven_wire::Decoded;
use graven_wire::proxy::{HEADER_BYTES_MAX, ProxiedFor, ProxyHeaderError, decode};
use proptest::collection::vec;
use proptest::prelude::*;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A header of version 2.
fn binary(version_and_command: u8, family: u8, following: &[u8]) -> Vec<u8> {
    let len = u16::try_from(following.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[version_and_command, family], &len, following].concat()
}

const IPV4: [u8; 12] = [192, 0, 2, 7, 198, 51, 100, 1, 0xc3, 0x50, 0x01, 0xbb];

fn ipv6() -> Vec<u8> {
    let mut bytes = vec![0; 36];
    (bytes[0], bytes[1], bytes[15]) = (0x20, 0x01, 7);
    (bytes[16], bytes[31]) = (0xfd, 1);
    bytes[32..].copy_from_slice(&[0xc3, 0x50, 0x01, 0xbb]);
    bytes
}

fn peer(peer: &str, local: &str) -> ProxiedFor {
    ProxiedFor::Peer { peer: peer.parse().unwrap(), local: local.parse().unwrap() }
}

#[test]
fn a_header_of_either_version_says_for_whom_the_connection_is() {
    let of_ipv4 = peer("192.0.2.7:50000", "198.51.100.1:443");
    let of_ipv6 = peer("[2001::7]:50000", "[fd00::1]:443");
    // As HAProxy sends them: a unique id, a checksum, padding, and the authority of TLS.
    let extensions = b"\x05\0\x03abc\x03\0\x04\0\0\0\0\x04\0\0\x02\0\x05a.b.c";
    for (bytes, expected) in [
        (binary(0x21, 0x11, &IPV4), of_ipv4),
        (binary(0x21, 0x11, &[&IPV4[..], extensions].concat()), of_ipv4),
        (binary(0x21, 0x21, &ipv6()), of_ipv6),
        (binary(0x21, 0x21, &[&ipv6()[..], extensions].concat()), of_ipv6),
        // Checks of the balancer itself, whatever addresses they name.
        (binary(0x20, 0x00, b""), ProxiedFor::Balancer),
        (binary(0x20, 0x11, &IPV4), ProxiedFor::Balancer),
        (binary(0x20, 0x11, b""), ProxiedFor::Balancer),
        // Who came by a Unix socket, by datagrams, or by what the balancer does not say.
        (binary(0x21, 0x31, &[0; 216]), ProxiedFor::Balancer),
        (binary(0x21, 0x12, &IPV4), ProxiedFor::Balancer),
        (binary(0x21, 0x00, b""), ProxiedFor::Balancer),
        (binary(0x21, 0x00, extensions), ProxiedFor::Balancer),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 50000 443\r\n".to_vec(), of_ipv4),
        (b"PROXY TCP6 2001::7 fd00::1 50000 443\r\n".to_vec(), of_ipv6),
        (
            b"PROXY TCP6 ::ffff:192.0.2.7 ::1 0 65535\r\n".to_vec(),
            peer("[::ffff:192.0.2.7]:0", "[::1]:65535"),
        ),
        (b"PROXY UNKNOWN\r\n".to_vec(), ProxiedFor::Balancer),
        (b"PROXY UNKNOWN what ever 1\r\n".to_vec(), ProxiedFor::Balancer),
    ] {
        let len = bytes.len();
        for rest in [&b""[..], b"GET / HTTP/1.1\r\n", b"PROXY "] {
            let bytes = [&bytes, rest].concat();
            assert_eq!(decode(&bytes), Decoded::Message(expected, len), "{}", bytes.escape_ascii());
        }
        for end in 0..len {
            assert_eq!(decode(&bytes[..end]), Decoded::NeedMore, "{}", bytes[..end].escape_ascii());
        }
    }
}

#[test]
fn what_is_no_header_is_refused_with_what_differs() {
    use ProxyHeaderError as E;
    let line = |fields: &str| format!("PROXY {fields}\r\n").into_bytes();
    let with_length = |family: u8, len: u16| [SIGNATURE, &[0x21, family], &len.to_be_bytes()].concat();
    for (bytes, expected) in [
        (b"GET / HTTP/1.1\r\n".to_vec(), E::Missing),
        (b"PING\r\n".to_vec(), E::Missing),
        (b"\r\n\r\n\0\r\nQUIX\n".to_vec(), E::Missing),
        (b"proxy TCP4 1.2.3.4 1.2.3.4 1 1\r\n".to_vec(), E::Missing),
        (vec![0x16, 3, 1], E::Missing),
        ([b"PROXY ", &[b'a'; 101][..]].concat(), E::LineTooLong),
        (line(&format!("UNKNOWN {}", "a".repeat(200))), E::LineTooLong),
        (b"PROXY UNKNOWN\n".to_vec(), E::BadLine),
        (line(""), E::BadLine),
        (line("UNKNOWNS"), E::BadLine),
        (line("UDP4 1.2.3.4 1.2.3.4 1 1"), E::BadLine),
        (line("TCP4 1.2.3.4 1.2.3.4 1"), E::BadLine),
        (line("TCP4 1.2.3.4 1.2.3.4 1 1 "), E::BadLine),
        (line("TCP4  1.2.3.4 1.2.3.4 1 1"), E::BadLine),
        (line("TCP4 1.2.3.4 1.2.3.4 1 65536"), E::BadLine),
        (line("TCP4 1.2.3.4 1.2.3.4 +1 1"), E::BadLine),
        (line("TCP4 1.2.3.4 1.2.3.4 01 1"), E::BadLine),
        (line("TCP4 1.2.3.4 1.2.3.4  1"), E::BadLine),
        (line("TCP4 1.2.3.04 1.2.3.4 1 1"), E::BadLine),
        (line("TCP4 ::1 ::1 1 1"), E::BadLine),
        (line("TCP6 1.2.3.4 1.2.3.4 1 1"), E::BadLine),
        (line("TCP6 [::1] ::1 1 1"), E::BadLine),
        (line("TCP6 fe80::1%eth0 ::1 1 1"), E::BadLine),
        (b"PROXY \xff\r\n".to_vec(), E::BadLine),
        (binary(0x11, 0x11, &IPV4), E::UnknownVersion { found: 1 }),
        (binary(0x31, 0x11, &IPV4), E::UnknownVersion { found: 3 }),
        (binary(0x22, 0x11, &IPV4), E::UnknownCommand { found: 2 }),
        (binary(0x21, 0x41, &IPV4), E::UnknownFamily { found: 0x41 }),
        (binary(0x21, 0x13, &IPV4), E::UnknownFamily { found: 0x13 }),
        (binary(0x20, 0xff, &IPV4), E::UnknownFamily { found: 0xff }),
        (binary(0x21, 0x11, &IPV4[..11]), E::TooShort { expected: 12, found: 11 }),
        (binary(0x21, 0x21, &IPV4), E::TooShort { expected: 36, found: 12 }),
        (binary(0x21, 0x31, &[0; 215]), E::TooShort { expected: 216, found: 215 }),
        (binary(0x21, 0x11, &[&IPV4[..], b"\x04\0\x01"].concat()), E::BadExtension { room: 0, found: 1 }),
        (
            binary(0x21, 0x11, &[&IPV4[..], b"\x04\xff\xffabc"].concat()),
            E::BadExtension { room: 3, found: 65535 },
        ),
        (binary(0x21, 0x11, &[&IPV4[..], b"\x04\0"].concat()), E::BadExtension { room: 2, found: 3 }),
        // Refused before it has come.
        (with_length(0x11, u16::MAX), E::TooLong { found: 65551 }),
        (with_length(0x11, 4081), E::TooLong { found: 4097 }),
        (with_length(0x11, 3), E::TooShort { expected: 12, found: 3 }),
    ] {
        assert_eq!(decode(&bytes), Decoded::Invalid(expected), "{}", bytes.escape_ascii());
        assert!(expected.to_string().contains("PROXY header"), "{expected}");
    }
    let longest = binary(0x21, 0x11, &[&IPV4[..], &[4, 0x0f, 0xe1], &[0; 4065][..]].concat());
    assert_eq!(longest.len(), HEADER_BYTES_MAX);
    assert!(matches!(decode(&longest), Decoded::Message(ProxiedFor::Peer { .. }, HEADER_BYTES_MAX)));
}

/// Bytes that are nearly a header.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let binary = (any::<u8>(), any::<u8>(), any::<u16>(), vec(any::<u8>(), 0..300)).prop_map(
        |(command, family, len, following)| {
            let (command, family) = (0x20 | (command & 3), family & 0x37);
            let len = if len % 3 == 0 { len } else { following.len() as u16 };
            [SIGNATURE, &[command, family], &len.to_be_bytes(), &following].concat()
        },
    );
    let line = "PROXY (TCP4|TCP6|UNKNOWN)( ([0-9.]{1,12}|[0-9a-f:]{1,12}|[0-9]{1,6})){0,5}\r?\n?.{0,90}";
    prop_oneof![binary, line.prop_map(String::into_bytes), vec(any::<u8>(), 0..40)]
}

proptest! {
    #[test]
    fn any_bytes_are_decoded_alike_however_they_arrive(bytes in nearly()) {
        let whole = decode(&bytes);
        if let Decoded::Message(_, consumed) = whole {
            prop_assert!((1..=bytes.len().min(HEADER_BYTES_MAX)).contains(&consumed));
        }
        for end in 0..bytes.len() {
            match decode(&bytes[..end]) {
                Decoded::NeedMore => prop_assert!(end < HEADER_BYTES_MAX),
                decoded => {
                    prop_assert_eq!(decoded, whole);
                    break;
                }
            }
        }
    }

    #[test]
    fn every_address_is_read_as_it_is_written(peer: std::net::SocketAddrV4, local: std::net::SocketAddrV4) {
        let expected = ProxiedFor::Peer { peer: peer.into(), local: local.into() };
        let line = format!("PROXY TCP4 {} {} {} {}\r\n", peer.ip(), local.ip(), peer.port(), local.port());
        prop_assert_eq!(decode(line.as_bytes()), Decoded::Message(expected, line.len()));
        let addresses = [peer.ip().octets(), local.ip().octets()].concat();
        let ports = [peer.port().to_be_bytes(), local.port().to_be_bytes()].concat();
        let bytes = binary(0x21, 0x11, &[addresses, ports].concat());
        prop_assert_eq!(decode(&bytes), Decoded::Message(expected, bytes.len()));
    }
}
