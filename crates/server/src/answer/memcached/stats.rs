//! What `stats` tells.

use graven_wire::memcached::{CLASS, Mistake, reply};

use crate::answer::{Responder, report};
use crate::counters::PROTOCOLS;

pub(super) fn stats<R>(responder: &Responder<'_, R>, topic: &[u8], out: &mut Vec<u8>) {
    match topic {
        b"" => {
            let readings = responder.readings();
            let keys = |count| PROTOCOLS.iter().map(|of| readings.counters.sum_of(*of, count)).sum::<u64>();
            let keys_asked = keys(|requests| &requests.hits) + keys(|requests| &requests.misses);
            reply::stat(out, "pid", std::process::id());
            reply::stat(out, "version", super::VERSION);
            reply::stat(out, "graven_version", report::VERSION);
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
        // What follows has nothing to tell about a table that never changes, and is asked for by dashboards.
        b"slabs" | b"sizes" | b"conns" | b"extstore" | b"detail dump" => out.extend_from_slice(reply::END),
        b"detail on" | b"detail off" => out.extend_from_slice(reply::OK),
        b"reset" => out.extend_from_slice(reply::RESET),
        // As to a command that there is not: clients take it for the end of what they asked, and for a failure.
        _ => out.extend_from_slice(Mistake::Unknown.answer()),
    }
}
