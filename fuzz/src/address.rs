//! Addresses: what is read reads the same when it is written back, errors keep passwords to
//! themselves, and every target can be asked.

use graven_wire::address::{Address, Credentials};
use graven_wire::target::{HttpOptions, Target};

/// Reads the input as an address to connect to, to listen on, and as a target.
pub fn parse(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    for read in [Address::to_connect, Address::to_listen] {
        match read(text) {
            Ok(address) => {
                let written = address.to_string();
                let again = read(&written).expect("what is written reads");
                match &address.credentials {
                    None => assert_eq!(again, address),
                    // A password is not written.
                    Some(Credentials { password: Some(_), .. }) => assert!(written.contains(":***@")),
                    Some(_) => assert_eq!(again.location, address.location),
                }
                assert_eq!(
                    read(&address.to_listener().to_string()).map(|again| again.location),
                    Ok(address.location)
                );
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    if let Ok(target) = text.parse::<Target>() {
        let mut request = Vec::new();
        target.encode_lookup(b"key", HttpOptions::default(), &mut request);
        assert!(request.ends_with(b"\r\n"));
        if let Some(handshake) = target.handshake() {
            assert!(handshake.request().ends_with(b"\r\n"));
        }
    }
}
