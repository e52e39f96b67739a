//! The status page: `/status` for people, one page without anything from elsewhere, which reads `/status.json`.
//!
//! The page writes what it reads as text and never as markup, and its `Content-Security-Policy` has browsers run its own
//! script, known by its hash, and nothing else. It asks only this server, and acts on nothing.

mod document;

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use graven_wire::http::Request;
use hmac_sha256::Hash;

pub(super) use document::document;

pub(super) const PATH: &[u8] = b"/status";
/// The same for a header.
pub(super) const LOCATION: &str = "/status";

/// The page as it is sent.
pub(super) static PAGE: LazyLock<StatusPage> = LazyLock::new(|| {
    let (style, script) = (include_str!("page.css"), include_str!("page.js"));
    StatusPage::new(include_str!("page.html"), style, script)
});

/// A page with its style and its script in it.
#[derive(Debug)]
pub(super) struct StatusPage {
    text: String,
    policy: String,
}

impl StatusPage {
    fn new(frame: &str, style: &str, script: &str) -> Self {
        let text = frame.replace("/*style*/", style).replace("/*script*/", script);
        let policy = format!(
            "default-src 'none'; script-src '{}'; style-src '{}'; connect-src 'self'; img-src data:; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            hash(script),
            hash(style)
        );
        Self { text, policy }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The header lines of a page, which other answers have no use for.
    pub(super) fn headers(&self) -> [(&str, &str); 5] {
        [
            ("Content-Security-Policy", &self.policy),
            ("X-Frame-Options", "DENY"),
            ("Referrer-Policy", "no-referrer"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
            ("Cache-Control", "no-store"),
        ]
    }
}

/// How a policy names what stands within a page.
fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Hash::hash(text.as_bytes())))
}

/// Whether a page is what is wanted rather than a text: browsers say `text/html` first, and other clients `*/*`.
pub(super) fn is_for_browser(request: &Request<'_>) -> bool {
    request.accept.is_some_and(|accept| accept.prefer("text/html", "text/plain"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_names_the_script_and_the_style_of_the_page_by_their_hashes() {
        let page = StatusPage::new("<style>/*style*/</style><script>/*script*/</script>", "a{}", "abc");
        assert_eq!(page.text(), "<style>a{}</style><script>abc</script>");
        let [(_, policy), ..] = page.headers();
        // The example of FIPS 180-2 in base64.
        assert!(
            policy.contains("script-src 'sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=';"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
    }

    #[test]
    fn the_script_has_no_means_of_making_markup() {
        let script = include_str!("page.js");
        for means in [
            "innerHTML",
            "outerHTML",
            "insertAdjacent",
            "document.write",
            "eval(",
            "Function(",
            "parseFromString",
        ] {
            assert!(!script.contains(means), "{means}");
        }
        let page = PAGE.text();
        assert_eq!((page.matches("<script").count(), page.matches("</script").count()), (1, 1));
        assert!(
            !page.contains("http://")
                || page.matches("http://").count() == page.matches("http://www.w3.org/2000/svg").count()
        );
        assert!(
            !page.contains("https://") && !page.contains(" style=") && !page.contains(" onclick"),
            "{page}"
        );
    }
}
