//! What `stats` tells.

use std::fmt::Display;

use graven_wire::memcached::{CLASS, Mistake, reply};

use crate::answer::tables::TableRule;
use crate::answer::{Responder, report};
use crate::counters::PROTOCOLS;

pub(super) fn stats<R>(responder: &Responder<'_, R>, rule: &TableRule, topic: &[u8], out: &mut Vec<u8>) {
    match topic {
        b"" => {
            let readings = responder.readings();
            let keys = |count| PROTOCOLS.iter().map(|of| readings.counters.sum_of(*of, count)).sum::<u64>();
            let keys_asked = keys(|requests| &requests.hits) + keys(|requests| &requests.misses);
            reply::stat(out, "pid", std::process::id());
            reply::stat(out, "version", super::VERSION);
            reply::stat(out, "graven_version", report::VERSION);
            if let Ok(version) = &responder.version {
                reply::stat(out, "table", version.table());
                reply::stat(out, "table_version", version.name());
            }
            reply::stat(out, "pointer_size", usize::BITS);
            reply::stat(out, "max_connections", responder.options.limits.connections_max);
            reply::stat(out, "cmd_get", keys_asked);
            reply::stat(out, "cmd_set", 0);
            reply::stat(out, "threads", responder.options.threads);
            reply::stat(out, "evictions", 0);
            report::memcached_numbers(&readings).for_each(|(name, number)| reply::stat(out, name, number));
            out.extend_from_slice(reply::END);
        }
        b"settings" => {
            reply::stat(out, "maxconns", responder.options.limits.connections_max);
            reply::stat(out, "num_threads", responder.options.threads);
            reply::stat(out, "cas_enabled", "yes");
            reply::stat(out, "binding_protocol", "ascii");
            out.extend_from_slice(reply::END);
        }
        // The class whose keys `stats cachedump` tells.
        b"items" => {
            if !responder.store.is_empty() {
                reply::stat(out, &format!("items:{CLASS}:number"), responder.store.len());
            }
            out.extend_from_slice(reply::END);
        }
        b"tables" => {
            for table in rule.of(&responder.snapshot) {
                let name = table.name();
                let mut say =
                    |field, value: &dyn Display| reply::stat(out, &format!("{name}:{field}"), value);
                if let Some(version) = table.current() {
                    say("version", version.name());
                    say("pairs", &version.store().len());
                    say("bytes", &version.store().carved_bytes());
                    say("age", &version.made().elapsed().unwrap_or_default().as_secs());
                }
                say("ready", &u8::from(table.current().is_some()));
            }
            out.extend_from_slice(reply::END);
        }
        // What follows has nothing to tell about a table that never changes, and is asked for by dashboards.
        b"slabs" | b"sizes" | b"conns" | b"extstore" | b"detail dump" => out.extend_from_slice(reply::END),
        b"detail on" | b"detail off" => out.extend_from_slice(reply::OK),
        b"reset" => out.extend_from_slice(reply::RESET),
        // As to a command that there is not: clients take it for the end of what they asked, and for a failure.
        _ => out.extend_from_slice(Mistake::Unknown.answer()),
    }
}
