//! Versions of tables in a root, switched while they are asked: what clients see of it, and what
//! it costs.

pub(crate) mod clients;
pub(crate) mod content;
pub(crate) mod many;
pub(crate) mod order;
pub(crate) mod probe;
pub(crate) mod rollback;
pub(crate) mod root;
pub(crate) mod stream;
pub(crate) mod switches;
