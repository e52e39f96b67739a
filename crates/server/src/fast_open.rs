//! TCP Fast Open (RFC 7413): a client that was here before sends its first request with the packet that opens the
//! connection, and is answered a round trip earlier.
//!
//! `unsafe` here is the call that sets the option, which no crate at hand has a name for.
#![allow(unsafe_code)]

use std::io;
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;
use std::os::fd::BorrowedFd;

/// Has the kernel take requests that come with a connection's first packet on a listening socket, at most `pending` of
/// them before their clients have proved that they are who they say.
///
/// # Errors
/// When the kernel has no such option. Where it has one that servers may not use, nothing changes: see [`is_forbidden`].
#[cfg(target_os = "linux")]
pub(crate) fn set(socket: BorrowedFd<'_>, pending: u32) -> io::Result<()> {
    let pending = libc::c_int::try_from(pending).unwrap_or(libc::c_int::MAX);
    // SAFETY: the descriptor is open for as long as it is borrowed, and the kernel reads the number within the call, as
    // many bytes as it is told.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_FASTOPEN,
            (&raw const pending).cast(),
            size_of_val(&pending) as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Whether the kernel is known to let no server use the option: `net.ipv4.tcp_fastopen` lacks the bit 2.
pub(crate) fn is_forbidden() -> bool {
    let setting = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_fastopen");
    setting.is_ok_and(|bits| bits.trim().parse().is_ok_and(|bits: u32| bits & 2 == 0))
}

/// As on Linux, which has the option.
#[cfg(not(target_os = "linux"))]
pub(crate) fn set(_: BorrowedFd<'_>, _: u32) -> io::Result<()> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn the_kernel_keeps_what_it_was_told() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        set(listener.as_fd(), 16).unwrap();
        let (mut pending, mut len): (libc::c_int, _) = (0, size_of::<libc::c_int>() as libc::socklen_t);
        // SAFETY: the descriptor is open, and both places live through the call and have the sizes that are stated.
        let result = unsafe {
            libc::getsockopt(
                listener.as_raw_fd(),
                libc::IPPROTO_TCP,
                libc::TCP_FASTOPEN,
                (&raw mut pending).cast(),
                &raw mut len,
            )
        };
        assert_eq!((result, pending), (0, 16));
    }

    #[test]
    fn a_socket_without_tcp_has_no_such_option() {
        let (socket, _) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(set(socket.as_fd(), 16).is_err());
    }
}
