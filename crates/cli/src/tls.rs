//! TLS as the command line has it: the server's certificate, which is followed while the server runs, and which servers a client
//! trusts. Without the feature `tls` both say what has it.

#[cfg(feature = "tls")]
mod serving;
#[cfg(not(feature = "tls"))]
mod without;

use std::path::PathBuf;

use graven_client::ServerTrust;

#[cfg(feature = "tls")]
pub(crate) use serving::secure;
#[cfg(not(feature = "tls"))]
pub(crate) use without::secure;

/// What is said where this graven was built without TLS.
pub(crate) const WITHOUT: &str = "this graven was built without TLS; build it with `cargo build --release --package graven --features tls`";

/// Which servers are trusted that are asked with TLS.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "TLS")]
pub(crate) struct TrustFlags {
    /// For https, rediss and memcacheds: trust servers whose certificates these authorities have issued, in PEM [default: the
    /// system's]
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    cacert: Option<PathBuf>,
    /// Trust every server, whatever certificate it shows
    #[arg(long, conflicts_with = "cacert", hide_short_help = true)]
    insecure: bool,
}

impl TrustFlags {
    /// The flag that was given.
    pub(crate) fn given(&self) -> Option<&'static str> {
        match (&self.cacert, self.insecure) {
            (Some(_), _) => Some("--cacert"),
            (None, true) => Some("--insecure"),
            (None, false) => None,
        }
    }

    pub(crate) fn trust(&self) -> ServerTrust {
        match (&self.cacert, self.insecure) {
            (Some(file), _) => ServerTrust::File(file.clone()),
            (None, true) => ServerTrust::Anyone,
            (None, false) => ServerTrust::System,
        }
    }
}

/// What to type where a connection with TLS did not come about.
pub(crate) fn advice(reason: &str) -> &'static str {
    if reason.contains("UnknownIssuer") || reason.contains("no certificates of authorities") {
        "; name who issued its certificate with `--cacert FILE`, or trust it unseen with `--insecure`"
    } else if reason.contains("CaUsedAsEndEntity") {
        "; its certificate is an authority's own: make one with `basicConstraints=CA:FALSE`, or trust it unseen with `--insecure`"
    } else if reason.contains("not valid for") || reason.contains("NotValidForName") {
        "; ask it by a name that its certificate has"
    } else if reason.contains("Expired") {
        "; its certificate must be renewed"
    } else if reason.contains("CertificateRequired") {
        "; it wants to see a certificate, which graven cannot show"
    } else if reason.contains("HandshakeFailure")
        || reason.contains("InvalidMessage")
        || reason.contains("corrupt message")
    {
        "; it may not speak TLS there"
    } else {
        ""
    }
}

/// An error of a client, with what to type where TLS is to blame.
pub(crate) fn explained(error: &graven_client::Error) -> String {
    match error {
        graven_client::Error::NoTls { target } => format!("{target}: {WITHOUT}"),
        graven_client::Error::Tls { reason, .. } => format!("{error}{}", advice(reason)),
        error => error.to_string(),
    }
}
