//! Tables of what a Redis holds: strings are values, hashes are rows or JSON objects. What is read
//! from is a dump ([`RedisDump`](crate::RedisDump)), or whoever asks a running server and hands
//! over what it answers.

mod counts;
mod fields;
mod options;
mod problem;
mod table;

pub use counts::{OtherKinds, RedisCounts, RedisKind, SomeKeys};
pub use fields::HashFields;
pub use options::{HashForm, KeyFilter, OtherPolicy, RedisOptions, TakenKind, TtlPolicy};
pub use problem::RedisProblem;
pub(crate) use problem::shown;
pub use table::{RedisBuilder, RedisKey, RedisTable};
