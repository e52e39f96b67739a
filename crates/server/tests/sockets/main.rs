//! The server over real sockets: conversations in every language, and connections as such.

mod connections;
mod damage;
mod harness;
mod http_conversations;
mod http_mget;
mod redis_and_memcached;
mod transactions;
