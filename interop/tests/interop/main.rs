//! graven as a process beside programs that are not its own. Each test runs the programs that it names, and fails with the
//! name of the Debian package to install where one is missing; `.ci/run` installs them all.

mod bench_servers;
mod browser;
mod bucket_kills;
mod client_page;
mod clients;
mod csv_reader;
mod devtools;
mod differential;
mod faults;
mod job_recipes;
mod load_balancer;
mod memcached_clients;
mod object_store;
mod other_servers;
mod parquet;
mod programs;
mod prometheus;
mod proxies;
mod redis_source;
mod redis_tools;
mod row_clients;
mod status_page;
#[path = "../../../crates/cli/tests/support/mod.rs"]
mod support;
mod talk;
mod tls;
mod users;
