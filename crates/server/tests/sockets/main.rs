//! The server over real sockets: conversations in every language, and connections as such.

mod access;
mod connections;
mod damage;
mod exposition;
mod fairness;
mod harness;
mod hosts;
mod http_conversations;
mod http_mget;
mod loading;
mod permissions;
mod pipelines;
mod proxied;
mod redis_and_memcached;
mod redis_clients;
mod redis_tools;
mod representations;
mod request_log;
mod rows;
mod status;
mod storms;
mod switch;
mod tables;
mod threads;
#[cfg(feature = "tls")]
mod tls;
mod transactions;
