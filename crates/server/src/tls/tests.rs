//! TLS over a network that cuts everything into pieces, as a seed says.

use std::path::PathBuf;
use std::sync::Arc;

use graven_access::ServerTrust;
use graven_access::tls::{ClientAuth, ServerIdentity, TlsFiles, client_config, server_name};
use rustls::ClientConnection;

use super::*;
use crate::options::TlsOptions;
use crate::proxied::Proxied;
use crate::simulated::{Handle, Random};

/// More turns than any run needs that comes to its end.
const TURNS_MAX: usize = 200_000;

fn file(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../access/tests/certificates")).join(name)
}

fn rules(takes_plain: bool) -> TlsRules {
    let files = TlsFiles { certificate: file("chain.pem"), key: file("leaf.key"), client_ca: None };
    let (identity, _) = ServerIdentity::open(files).unwrap();
    TlsRules {
        acceptance: identity.acceptance(ClientAuth::None, &[]).unwrap(),
        handshakes: Arc::new(Handshakes::new(&TlsOptions::default())),
        takes_plain,
        speaks: Speaks::Any,
    }
}

fn waits(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// `bytes` in parts of any lengths, some of them empty.
fn parts<'b>(bytes: &'b [u8], random: &mut Random) -> Vec<IoSlice<'b>> {
    let (mut parts, mut left) = (Vec::new(), bytes);
    for _ in 0..random.below(80) {
        let (part, rest) = left.split_at(random.below(3_000).min(left.len()));
        parts.push(IoSlice::new(part));
        left = rest;
    }
    parts.push(IoSlice::new(left));
    parts
}

/// The client sends bytes, and the server sends them back. The server reads when something has come since a read emptied the
/// stream, or when the stream says that it may have more, or has bytes to send, as the loop does.
fn echo(seed: u64, rules: &TlsRules) {
    let mut random = Random::new(seed);
    let handle = Handle::new(seed);
    let stream = handle.connect([300, 5_000, 100_000][random.below(3)]);
    let wire = stream.wire;
    let mut server = Secured::new(stream, rules).unwrap();
    let config = client_config(&ServerTrust::File(file("ca.pem")), &[]).unwrap();
    let mut client = ClientConnection::new(config, server_name("localhost").unwrap()).unwrap();
    let bytes: Vec<u8> = (0..random.below(200_000)).map(|i| (i * 7 + i / 256) as u8).collect();
    let (mut sent, mut back) = (0, Vec::new());
    let (mut to_send, mut unread) = (Vec::new(), Vec::new());
    let (mut echoed, mut written) = (Vec::new(), 0);
    let (mut said_goodbye, mut has_ended) = (false, false);
    let mut room = vec![0; 64 * 1024];
    let mut has_news = true;
    for turn in 0.. {
        assert!(turn < TURNS_MAX, "seed {seed}: {sent} sent, {} back of {}", back.len(), bytes.len());
        if !client.is_handshaking() && sent < bytes.len() {
            let end = (sent + random.below(40_000)).min(bytes.len());
            sent += client.writer().write(&bytes[sent..end]).unwrap();
        }
        if sent == bytes.len() && !client.is_handshaking() && !said_goodbye {
            said_goodbye = true;
            client.send_close_notify();
        }
        while client.wants_write() {
            client.write_tls(&mut to_send).unwrap();
        }
        let piece = random.below(20_000).min(to_send.len());
        handle.world().send(wire, &to_send[..piece]);
        to_send.drain(..piece);
        has_news |= piece > 0;

        if has_news || server.has_unsent() {
            let room_len = 1 + random.below(room.len());
            match server.read(&mut room[..room_len]) {
                Ok(0) => has_ended = true,
                Ok(read) => {
                    echoed.extend_from_slice(&room[..read]);
                    has_news = read == room_len || server.may_have_more();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => has_news = false,
                Err(error) => assert!(waits(&error), "seed {seed}: {error}"),
            }
        }
        if written < echoed.len() {
            match server.write_vectored(&parts(&echoed[written..], &mut random)) {
                Ok(more) => written += more,
                Err(error) => assert!(waits(&error), "seed {seed}: {error}"),
            }
        }
        // What is not decrypted, and a part that is encrypted.
        assert!(server.held_bytes() <= 64 * 1024 + PART_BYTES, "seed {seed}: {}", server.held_bytes());

        unread.extend(handle.world().receive(wire, random.below(30_000)));
        let mut left = &unread[..];
        while !left.is_empty() && client.read_tls(&mut left).is_ok_and(|read| read > 0) {
            client.process_new_packets().unwrap();
            let mut some = [0; 4096];
            while let Ok(read) = client.reader().read(&mut some)
                && read > 0
            {
                back.extend_from_slice(&some[..read]);
            }
        }
        unread.clear();
        if has_ended && back.len() == bytes.len() && said_goodbye {
            break;
        }
    }
    assert!(back == bytes, "seed {seed}");
    assert!(!server.is_handshaking() && !server.has_unsent());
    assert_eq!(rules.handshakes.under_way(), 0);
}

#[test]
fn every_byte_comes_back_whatever_pieces_the_network_makes() {
    for takes_plain in [false, true] {
        let rules = rules(takes_plain);
        (0..60).for_each(|seed| echo(seed, &rules));
        assert_eq!(rules.handshakes.done(), 60);
    }
}

#[test]
fn what_was_encrypted_counts_as_written_once_the_system_has_taken_it() {
    let rules = rules(false);
    let handle = Handle::new(1);
    let stream = handle.connect(1 << 20);
    let wire = stream.wire;
    let mut server = Secured::new(stream, &rules).unwrap();
    let config = client_config(&ServerTrust::File(file("ca.pem")), &[]).unwrap();
    let mut client = ClientConnection::new(config, server_name("localhost").unwrap()).unwrap();
    let mut room = vec![0; 1000];
    while client.is_handshaking() || server.is_handshaking() {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        handle.world().send(wire, &bytes);
        let _ = server.read(&mut room);
        let bytes = handle.world().receive(wire, usize::MAX);
        client.read_tls(&mut &bytes[..]).unwrap();
        client.process_new_packets().unwrap();
    }
    // Nobody reads: what does not fit is not taken, and is not held more than once.
    let answer = vec![b'a'; 4 << 20];
    let mut written = 0;
    for _ in 0..200 {
        match server.write_vectored(&[IoSlice::new(&answer[written..])]) {
            Ok(more) => written += more,
            Err(error) => assert!(waits(&error)),
        }
    }
    assert!(written < 1 << 20, "{written}");
    assert_eq!(server.held_bytes(), PART_BYTES);
    // What has come and is not decrypted is held besides.
    let sent = vec![b'q'; 150_000];
    let mut bytes = Vec::new();
    let mut left = &sent[..];
    while !left.is_empty() {
        let more = client.writer().write(left).unwrap();
        left = &left[more..];
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
    }
    handle.world().send(wire, &bytes);
    let mut room = vec![0; 200_000];
    let mut read = 0;
    while read < sent.len() {
        let wanted = if read < 10 { 1 } else { room.len() };
        match server.read(&mut room[..wanted]) {
            Ok(more) => {
                assert!(more > 0 && room[..more].iter().all(|&byte| byte == b'q'));
                read += more;
            }
            Err(error) => assert!(waits(&error), "{error}"),
        }
        let unread = handle.world().unread(wire);
        assert!(server.held_bytes() <= PART_BYTES + bytes.len() - unread);
    }
    assert_eq!(server.held_bytes(), PART_BYTES);
}

#[test]
fn nothing_is_said_before_the_handshake_has_ended_nor_once_nothing_is_understood() {
    let rules = rules(false);
    let handle = Handle::new(3);
    let stream = handle.connect(1 << 20);
    let wire = stream.wire;
    let mut server = Secured::new(stream, &rules).unwrap();
    assert!(server.is_handshaking() && !server.has_unsent());
    assert_eq!(server.write(b"secret").unwrap(), 6);
    assert_eq!(server.write_vectored(&[IoSlice::new(b"sec"), IoSlice::new(b"ret")]).unwrap(), 6);
    assert!(handle.world().receive(wire, usize::MAX).is_empty());
    // A handshake that is none: the server says so by an alert, and nothing behind it.
    handle.world().send(wire, &[HANDSHAKE, 3, 1, 0, 4, 1, 2, 3, 4]);
    let mut room = [0; 1000];
    let refused = loop {
        match server.read(&mut room) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => break read.unwrap_err(),
        }
    };
    assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
    assert!(refused.to_string().starts_with("the TLS handshake failed: "), "{refused}");
    let alert = handle.world().receive(wire, usize::MAX);
    assert!(alert.len() <= 7 && b"\x15".starts_with(&alert[..alert.len().min(1)]), "{alert:?}");
    assert_eq!(server.write(b"secret").unwrap(), 6);
    drop(server);
    let rest = handle.world().receive(wire, usize::MAX);
    assert!(rest.len() + alert.len() <= 7, "{rest:?}");
    let failed: Vec<_> = rules.handshakes.failed().filter(|(_, count)| *count > 0).collect();
    assert_eq!(failed, [("malformed", 1)]);
}

#[test]
fn who_is_refused_before_tls_begins_no_handshake_with_what_it_sends_on() {
    for (rules, is_trusted, first) in [
        (rules(true), false, &b""[..]),
        (rules(true), true, b"no header\r\n"),
        (rules(false), false, b""),
        (rules(false), true, b"no header\r\n"),
    ] {
        let handle = Handle::new(1);
        let stream = handle.connect(100_000);
        let wire = stream.wire;
        let mut server = Secured::new(Proxied::new(stream, is_trusted), &rules).unwrap();
        let config = client_config(&ServerTrust::File(file("ca.pem")), &[]).unwrap();
        let mut client = ClientConnection::new(config, server_name("localhost").unwrap()).unwrap();
        let mut hello = Vec::new();
        client.write_tls(&mut hello).unwrap();
        handle.world().send(wire, first);
        let mut room = vec![0; 10_000];
        let mut read = |server: &mut Secured<_>| loop {
            match server.read(&mut room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read.map(|bytes| room[..bytes].to_vec()),
            }
        };
        let refused = loop {
            match read(&mut server) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => break read,
            }
        };
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::InvalidData);
        handle.world().send(wire, &hello);
        let mut thrown_away = Vec::new();
        while thrown_away.len() < hello.len() {
            match read(&mut server) {
                Ok(bytes) => thrown_away.extend(bytes),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
            assert!(!rules.takes_plain || !server.is_handshaking() && rules.handshakes.under_way() == 0);
        }
        drop(server);
        assert!(thrown_away.ends_with(&hello) && handle.world().receive(wire, usize::MAX).is_empty());
        let failed: u64 = rules.handshakes.failed().map(|(_, count)| count).sum();
        assert_eq!((failed, rules.handshakes.under_way()), (u64::from(!rules.takes_plain), 0));
    }
}
