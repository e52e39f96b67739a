//! The one place that decides whether a request is answered to who asks. There are no users yet: everything is allowed.

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    /// Nobody in particular.
    Anyone,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// What the table says about a key.
    Value,
    /// Anything else that the protocol has.
    Command,
}

/// Whether `asker` is given what is `wanted`.
#[inline]
pub(super) fn allows(asker: Asker, wanted: Access) -> bool {
    match (asker, wanted) {
        (Asker::Anyone, Access::Value | Access::Command) => true,
    }
}
