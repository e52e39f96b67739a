//! What `stats` tells.

use graven_wire::memcached::reply;

use crate::answer::Responder;

pub(super) fn stats<R>(responder: &Responder<'_, R>, topic: &[u8], out: &mut Vec<u8>) {
    match topic {
        b"" => {
            let sums = responder.tallies.sum();
            let all = sums.all();
            reply::stat(out, "pid", std::process::id());
            reply::stat(out, "uptime", sums.uptime_seconds);
            reply::stat(out, "version", super::VERSION);
            reply::stat(out, "pointer_size", usize::BITS);
            reply::stat(out, "curr_connections", sums.connections);
            reply::stat(out, "total_connections", sums.connections_opened);
            reply::stat(out, "rejected_connections", sums.connections_refused);
            reply::stat(out, "max_connections", responder.options.limits.connections_max);
            reply::stat(out, "cmd_get", all.hits + all.misses);
            reply::stat(out, "cmd_set", 0);
            reply::stat(out, "get_hits", all.hits);
            reply::stat(out, "get_misses", all.misses);
            reply::stat(out, "bytes_read", sums.bytes_read);
            reply::stat(out, "bytes_written", sums.bytes_written);
            reply::stat(out, "threads", responder.options.threads);
            reply::stat(out, "curr_items", responder.store.len());
            reply::stat(out, "evictions", 0);
            sums.storage().into_iter().for_each(|(name, number)| reply::stat(out, name, number));
            out.extend_from_slice(reply::END);
        }
        b"settings" => {
            reply::stat(out, "maxconns", responder.options.limits.connections_max);
            reply::stat(out, "num_threads", responder.options.threads);
            reply::stat(out, "cas_enabled", "yes");
            reply::stat(out, "binding_protocol", "ascii");
            out.extend_from_slice(reply::END);
        }
        // What follows has nothing to tell about a table that never changes, and is asked for by dashboards.
        b"items" | b"slabs" | b"sizes" | b"conns" => out.extend_from_slice(reply::END),
        b"reset" => out.extend_from_slice(reply::RESET),
        _ => reply::client_error(out, "unknown statistics"),
    }
}
