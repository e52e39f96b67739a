//! Why something could not be done with an object.

use std::error::Error;
use std::{fmt, io};

use object_store::client::{HttpError, HttpErrorKind};

/// Why something could not be done with an object, and with which.
#[derive(Debug)]
pub struct ObjectError {
    /// What was being done, as in "read".
    pub doing: &'static str,
    /// With what: a URL, or where the local file is.
    pub url: String,
    /// What was in the way.
    pub problem: ObjectProblem,
}

/// What was in the way.
#[derive(Debug)]
#[non_exhaustive]
pub enum ObjectProblem {
    /// What names it is not a URL that can be asked for.
    Url {
        /// What is wrong with it.
        reason: String,
    },
    /// What the environment says of the store does not fit together.
    Configuration {
        /// What is wrong with it.
        reason: String,
    },
    /// The store has no such object, or no such bucket.
    Missing {
        /// What the store calls it, such as `NoSuchBucket`.
        code: Option<String>,
    },
    /// The store refused.
    Status {
        /// The status of its answer.
        status: u16,
        /// What it calls that, such as `AccessDenied`.
        code: Option<String>,
        /// What it says of it.
        message: Option<String>,
    },
    /// Nothing that can be understood came back.
    Unreachable {
        /// What happened instead.
        reason: String,
        /// It was asked for as often, or for as long, as it may be.
        was_repeated: bool,
    },
    /// Another object is there by now.
    Changed,
    /// It has more bytes than are read.
    TooLarge {
        /// Bytes that it may have.
        bytes_max: u64,
    },
    /// There are more objects than are listed.
    TooMany {
        /// As many are listed.
        objects_max: usize,
    },
    /// It ended early, or went on.
    Length {
        /// Bytes that were to come.
        expected: u64,
        /// Bytes that came.
        found: u64,
    },
    /// It was written, and what is read back is something else.
    ReadBack,
    /// The store has no such thing.
    Unsupported {
        /// What it cannot do.
        what: String,
    },
    /// The local file could not be read or written.
    File(io::Error),
    /// It was told to stop.
    Stopped,
}

impl ObjectProblem {
    /// Whether it may go well later, though nobody does anything about it.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Status { status, .. } => *status >= 500 || *status == 408 || *status == 429,
            Self::Unreachable { .. } | Self::Changed | Self::Length { .. } | Self::File(_) => true,
            _ => false,
        }
    }

    /// The kind of an [`io::Error`] that says this.
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Missing { .. } => io::ErrorKind::NotFound,
            Self::Status { status: 401 | 403, .. } => io::ErrorKind::PermissionDenied,
            Self::Unsupported { .. } => io::ErrorKind::Unsupported,
            Self::Unreachable { .. } => io::ErrorKind::NotConnected,
            Self::File(error) => error.kind(),
            Self::Stopped => io::ErrorKind::Interrupted,
            _ => io::ErrorKind::Other,
        }
    }
}

/// What to look at, by what the store calls what is wrong.
const CHECKS: [(&[&str], &str); 7] = [
    (&["RequestTimeTooSkewed"], "set the clock of this machine"),
    (
        &["InvalidAccessKeyId", "UnrecognizedClientException"],
        "check AWS_ACCESS_KEY_ID, and that AWS_ENDPOINT_URL names the store that it is for",
    ),
    (&["SignatureDoesNotMatch"], "check AWS_SECRET_ACCESS_KEY, AWS_REGION and the clock of this machine"),
    (&["ExpiredToken", "TokenRefreshRequired", "InvalidToken"], "the credentials have expired: get new ones"),
    (
        &["NoSuchBucket", "ContainerNotFound"],
        "check the name of the bucket, and AWS_ENDPOINT_URL and AWS_REGION",
    ),
    (
        &["PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"],
        "set AWS_REGION to the region of the bucket",
    ),
    (&["SlowDown", "TooManyRequests", "ServerBusy"], "the store asks for fewer requests"),
];

/// What to look at where the store has no name for it that is known here.
fn check(status: u16, code: Option<&str>) -> &'static str {
    let known = CHECKS.iter().find(|(codes, _)| code.is_some_and(|code| codes.contains(&code)));
    match (known, status) {
        (Some((_, check)), _) => check,
        (None, 301 | 307 | 308 | 400) => "check AWS_REGION and AWS_ENDPOINT_URL",
        (None, 401 | 403) => "check the credentials, and that they may read, list and write there",
        (None, 429 | 503) => "the store asks for fewer requests",
        (None, 500..) => "the store fails; its own log says why",
        _ => "check the URL",
    }
}

impl fmt::Display for ObjectProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url { reason } => f.write_str(reason),
            Self::Configuration { reason } => write!(f, "{reason}; check the environment"),
            Self::Missing { code } => match code.as_deref() {
                Some(code @ ("NoSuchBucket" | "ContainerNotFound")) => {
                    write!(f, "the store answered 404 {code}; {}", check(404, Some(code)))
                }
                _ => f.write_str("it is not there"),
            },
            Self::Status { status, code, message } => {
                write!(f, "the store answered {status}")?;
                if let Some(code) = code {
                    write!(f, " {code}")?;
                }
                if let Some(message) = message {
                    write!(f, " ({message})")?;
                }
                write!(f, "; {}", check(*status, code.as_deref()))
            }
            Self::Unreachable { reason, .. } => {
                write!(f, "the store cannot be reached: {reason}; check the network and AWS_ENDPOINT_URL")
            }
            Self::Changed => f.write_str("another object is there by now"),
            Self::TooLarge { bytes_max } => write!(f, "expected at most {bytes_max} bytes, found more"),
            Self::TooMany { objects_max } => write!(
                f,
                "expected at most {objects_max} objects, found more; keep fewer versions, and nothing else there"
            ),
            Self::Length { expected, found } => write!(f, "expected {expected} bytes, found {found}"),
            Self::ReadBack => f.write_str("what was written is not what is read back"),
            Self::Unsupported { what } => write!(f, "the store does not know {what}"),
            Self::File(error) => error.fmt(f),
            Self::Stopped => f.write_str("stopped before it was done"),
        }
    }
}

impl Error for ObjectProblem {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::File(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for ObjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: {}", self.doing, self.url, self.problem)
    }
}

impl Error for ObjectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.problem)
    }
}

impl From<object_store::Error> for ObjectProblem {
    fn from(error: object_store::Error) -> Self {
        use object_store::Error as E;
        let found = StoreAnswer::of(&error);
        match &error {
            E::NotFound { .. } => Self::Missing { code: found.code },
            E::Precondition { .. } | E::AlreadyExists { .. } => Self::Changed,
            E::NotSupported { .. } | E::NotImplemented { .. } => Self::Unsupported { what: last_of(&error) },
            E::InvalidPath { source } => Self::Url { reason: source.to_string() },
            E::UnknownConfigurationKey { key, .. } => {
                Self::Configuration { reason: format!("{key:?} is no setting") }
            }
            _ => match found.status {
                Some(404) => Self::Missing { code: found.code },
                Some(412) => Self::Changed,
                Some(501) => {
                    Self::Unsupported { what: found.code.unwrap_or_else(|| "that request".to_owned()) }
                }
                Some(status) => Self::Status { status, code: found.code, message: found.message },
                None => Self::Unreachable {
                    reason: found.transport.unwrap_or_else(|| last_of(&error)),
                    was_repeated: found.was_repeated,
                },
            },
        }
    }
}

/// The innermost reason.
fn last_of(error: &dyn Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    one_line(&last.to_string())
}

/// What a store answered, as far as it can be found in an error.
#[derive(Debug, Default, PartialEq, Eq)]
struct StoreAnswer {
    status: Option<u16>,
    code: Option<String>,
    message: Option<String>,
    /// What happened where there was no answer.
    transport: Option<String>,
    /// The library has made the request again.
    was_repeated: bool,
}

impl StoreAnswer {
    /// The library says these in the words of its errors alone.
    fn of(error: &object_store::Error) -> Self {
        let mut answer = Self::default();
        let mut next: Option<&(dyn Error + 'static)> = Some(error);
        while let Some(error) = next {
            if let Some(http) = error.downcast_ref::<HttpError>() {
                let innermost = last_of(http);
                answer.transport = Some(match http.kind() {
                    HttpErrorKind::Timeout => "it did not answer in time".to_owned(),
                    _ => innermost,
                });
            }
            answer.read(&error.to_string());
            next = error.source();
        }
        answer
    }

    fn read(&mut self, text: &str) {
        let behind = |what: &str| Some(&text[text.find(what)? + what.len()..]);
        let status = behind("status code: ").and_then(|rest| rest.get(..3)?.parse().ok());
        self.status = self.status.or(status);
        let between = |open: &str, close: &str| {
            let rest = behind(open)?;
            Some(one_line(&rest[..rest.find(close)?]))
        };
        // It says so once it has given up.
        self.was_repeated |= text.contains(" retries, max_retries: ");
        let named = |value: &String| !value.is_empty() && value.len() <= 64;
        self.code = self.code.take().or_else(|| between("<Code>", "</Code>").filter(named));
        self.message = self.message.take().or_else(|| between("<Message>", "</Message>"));
        // An error in an answer that began as a success.
        if self.status.is_none() && self.code.is_some() && text.contains("error response") {
            self.status = Some(500);
        }
    }
}

/// The longest text of a store that is repeated, in characters.
const TEXT_CHARACTERS_MAX: usize = 200;

/// A text of a store, safe for a terminal and of bounded length.
fn one_line(text: &str) -> String {
    let plain = text.chars().map(|found| if found.is_control() { ' ' } else { found });
    plain.take(TEXT_CHARACTERS_MAX).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_found_in_what_the_library_says() {
        let mut answer = StoreAnswer::default();
        answer.read(
            "Error performing GET http://x in 2ms - Server returned non-2xx status code: 403 Forbidden: <?xml?>\
             <Error><Code>AccessDenied</Code><Message>Access\n Denied</Message></Error>",
        );
        assert_eq!(answer.status, Some(403));
        assert_eq!(answer.code.as_deref(), Some("AccessDenied"));
        assert_eq!(answer.message.as_deref(), Some("Access  Denied"));
    }

    #[test]
    fn no_text_of_a_store_is_taken_for_more_than_it_is() {
        for text in ["", "status code: ", "status code: x", "<Code>", "<Code></Code>", "</Code><Code>"] {
            let mut answer = StoreAnswer::default();
            answer.read(text);
            assert_eq!(answer, StoreAnswer::default(), "{text:?}");
        }
        let long = format!("<Message>{}</Message>", "é\u{1b}".repeat(10_000));
        let mut answer = StoreAnswer::default();
        answer.read(&long);
        let message = answer.message.unwrap();
        assert!(message.chars().count() <= TEXT_CHARACTERS_MAX && !message.contains('\u{1b}'));
    }

    #[test]
    fn every_refusal_says_what_to_look_at() {
        for (status, code, look_at) in [
            (403, Some("RequestTimeTooSkewed"), "clock"),
            (403, Some("InvalidAccessKeyId"), "AWS_ACCESS_KEY_ID"),
            (403, Some("SignatureDoesNotMatch"), "AWS_SECRET_ACCESS_KEY"),
            (403, Some("Whatever"), "credentials"),
            (403, None, "credentials"),
            (301, None, "AWS_REGION"),
            (400, Some("AuthorizationHeaderMalformed"), "AWS_REGION"),
            (503, Some("SlowDown"), "fewer requests"),
            (500, None, "its own log"),
        ] {
            let code = code.map(str::to_owned);
            let text = ObjectProblem::Status { status, code, message: None }.to_string();
            assert!(text.contains(look_at) && text.contains(&status.to_string()), "{text}");
        }
        let bucket = ObjectProblem::Missing { code: Some("NoSuchBucket".to_owned()) }.to_string();
        assert!(bucket.contains("name of the bucket"), "{bucket}");
    }
}
