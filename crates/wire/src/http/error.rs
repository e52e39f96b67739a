//! Why bytes are no HTTP message, and the status that says so.

/// Why the bytes are not an HTTP message that is accepted here. After any of these the connection must be closed: where
/// the next message would begin is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The first line is no request line or status line.
    BadStartLine,
    /// The version is well formed, but neither HTTP/1.0 nor HTTP/1.1.
    UnsupportedVersion,
    /// A header line is malformed, folded over several lines, or names nothing.
    BadHeader,
    /// A line of the head ends in LF without CR.
    BareLineFeed,
    /// The request line alone is longer than [`Limits::head_bytes_max`](super::Limits::head_bytes_max).
    TargetTooLong,
    /// The head is longer than [`Limits::head_bytes_max`](super::Limits::head_bytes_max).
    HeadTooLarge,
    /// There are more header lines than [`Limits::headers_max`](super::Limits::headers_max).
    TooManyHeaders,
    /// The request target is none of the forms of RFC 9112.
    BadTarget,
    /// An HTTP/1.1 request has no `Host`.
    MissingHost,
    /// `Host` comes twice or is no host and port.
    BadHost,
    /// `Content-Length` is no plain decimal number.
    BadContentLength,
    /// `Content-Length` comes more than once.
    ContentLengthTwice,
    /// `Content-Length` and `Transfer-Encoding` both claim the body.
    LengthAndEncoding,
    /// `Transfer-Encoding` does not end in `chunked`, or comes in an HTTP/1.0 message.
    BadTransferEncoding,
    /// `Transfer-Encoding` asks for a coding other than `chunked`.
    UnsupportedTransferEncoding,
    /// `Expect` asks for something other than `100-continue`.
    UnsupportedExpectation,
    /// A chunk's size, extension, end or trailer is malformed, or the size needs more than 64 bits.
    BadChunk,
    /// The body is longer than [`Limits::body_bytes_max`](super::Limits::body_bytes_max), or its chunks spend more than
    /// [`CHUNK_FRAMING_BYTES_MAX`](super::CHUNK_FRAMING_BYTES_MAX) on framing.
    BodyTooLarge,
    /// The connection ended before the message did.
    Truncated,
}

impl Error {
    /// The status code that tells a client.
    pub fn status(self) -> u16 {
        match self {
            Self::BodyTooLarge => 413,
            Self::TargetTooLong => 414,
            Self::UnsupportedExpectation => 417,
            Self::HeadTooLarge | Self::TooManyHeaders => 431,
            Self::UnsupportedTransferEncoding => 501,
            Self::UnsupportedVersion => 505,
            _ => 400,
        }
    }

    /// One sentence for the body of the answer and for a log line.
    pub fn message(self) -> &'static str {
        match self {
            Self::BadStartLine => "The first line is not an HTTP request or status line",
            Self::UnsupportedVersion => "Only HTTP/1.0 and HTTP/1.1 are spoken here",
            Self::BadHeader => "A header line is malformed",
            Self::BareLineFeed => "A line of the head ends in LF without CR",
            Self::TargetTooLong => "The request line is longer than the limit",
            Self::HeadTooLarge => "The head is larger than the limit",
            Self::TooManyHeaders => "There are more header lines than the limit",
            Self::BadTarget => "The request target is malformed",
            Self::MissingHost => "An HTTP/1.1 request needs a Host header",
            Self::BadHost => "The Host header is repeated or malformed",
            Self::BadContentLength => "Content-Length is not a decimal number",
            Self::ContentLengthTwice => "Content-Length comes more than once",
            Self::LengthAndEncoding => "Content-Length and Transfer-Encoding come together",
            Self::BadTransferEncoding => "Transfer-Encoding does not frame the body",
            Self::UnsupportedTransferEncoding => "The only transfer coding known here is chunked",
            Self::UnsupportedExpectation => "The only expectation met here is 100-continue",
            Self::BadChunk => "A chunk of the body is malformed",
            Self::BodyTooLarge => "The body is larger than the limit",
            Self::Truncated => "The connection ended before the message did",
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for Error {}
