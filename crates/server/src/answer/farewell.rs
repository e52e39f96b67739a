//! Connections that have to go, and what they are told.

/// Why a connection is closed that has done nothing wrong to its protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Farewell {
    /// A request did not become whole in time.
    RequestTookTooLong,
    /// Requests go on coming, as many wait as may, and none of the answers was read for a while.
    AnswersNotRead,
    /// All connections together hold too much, and this one the most.
    HoldsTheMost,
}

impl Farewell {
    pub(super) fn status(self) -> u16 {
        match self {
            Self::RequestTookTooLong => 408,
            Self::AnswersNotRead | Self::HoldsTheMost => 503,
        }
    }

    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::RequestTookTooLong => "The request did not become whole in time",
            Self::AnswersNotRead => {
                "as many requests wait as one connection may have waiting, and no answer is read: read answers while sending"
            }
            Self::HoldsTheMost => {
                "the server holds as many bytes of waiting requests and answers as it may, and this connection most of them"
            }
        }
    }
}
