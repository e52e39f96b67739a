//! `INFO` and `MEMORY`: what the server says of itself, in the names that tools for Redis read.

use graven_catalog::TableState;
use graven_wire::resp::{MemoryTopic, Version, reply};

use super::connection::{REDIS_VERSION, ROLE};
use crate::answer::tables::{TableRule, Unavailable, version};
use crate::answer::{Responder, report};
use crate::metric::InfoSection;
use crate::process::ProcessUsage;

/// A section's fields and their values.
type InfoFields = Vec<(&'static str, String)>;

/// The sections in the order of Redis.
const SECTIONS: [&str; 11] = [
    "Server",
    "Clients",
    "Memory",
    "Persistence",
    "Storage",
    "Stats",
    "Replication",
    "CPU",
    "Cluster",
    "Keyspace",
    "Tables",
];

/// The text of the sections that are `wanted`; none is all of them. `rule` says of which tables.
pub(super) fn info<R>(responder: &Responder<'_, R>, rule: &TableRule, wanted: &[&[u8]]) -> String {
    let is = |section: &[u8], name: &str| section.eq_ignore_ascii_case(name.as_bytes());
    let is_all = |section: &&[u8]| ["all", "default", "everything"].iter().any(|all| is(section, all));
    let everything = wanted.is_empty() || wanted.iter().any(is_all);
    let mut text = String::new();
    for name in SECTIONS {
        if !everything && !wanted.iter().any(|section| is(section, name)) {
            continue;
        }
        if !text.is_empty() {
            text.push_str("\r\n");
        }
        text.push_str(&format!("# {name}\r\n"));
        for (field, value) in lines(name, responder) {
            text.push_str(&format!("{field}:{value}\r\n"));
        }
        match name {
            "Keyspace" => keyspace(responder, rule, &mut text),
            "Tables" => tables(responder, rule, &mut text),
            _ => {}
        }
    }
    text
}

fn lines<R>(section: &str, responder: &Responder<'_, R>) -> InfoFields {
    let readings = responder.readings();
    let numbers = |section| report::info_numbers(&readings, section);
    let zeros =
        |names: &[&'static str]| names.iter().map(|name| (*name, "0".to_owned())).collect::<InfoFields>();
    match section {
        "Server" => {
            let days = readings.counters.started.elapsed().as_secs() / (24 * 60 * 60);
            let mut lines = vec![
                ("redis_version", REDIS_VERSION.to_owned()),
                ("redis_mode", "standalone".to_owned()),
                ("graven_version", report::VERSION.to_owned()),
                ("os", std::env::consts::OS.to_owned()),
                ("arch_bits", usize::BITS.to_string()),
                ("process_id", std::process::id().to_string()),
            ];
            lines.extend(numbers(InfoSection::Server));
            lines.push(("uptime_in_days", days.to_string()));
            lines
        }
        "Clients" => {
            let mut lines = numbers(InfoSection::Clients);
            lines.push(("maxclients", responder.options.limits.connections_max.to_string()));
            lines.extend(zeros(&["cluster_connections", "blocked_clients", "clients_in_timeout_table"]));
            lines
        }
        "Memory" => memory_lines(responder),
        "Persistence" => {
            let mut lines = vec![(
                "loading",
                u8::from(responder.unavailable().is_some_and(Unavailable::passes)).to_string(),
            )];
            lines.extend(zeros(&[
                "async_loading",
                "rdb_changes_since_last_save",
                "rdb_bgsave_in_progress",
                "aof_enabled",
                "aof_rewrite_in_progress",
                "aof_rewrite_scheduled",
            ]));
            lines.push(("rdb_last_bgsave_status", "ok".to_owned()));
            lines
        }
        "Storage" => numbers(InfoSection::Storage),
        "Stats" => {
            let commands = readings.counters.sum(|loop_counters| &loop_counters.resp.requests);
            let mut lines = vec![("total_commands_processed", commands.to_string())];
            lines.extend(numbers(InfoSection::Stats));
            lines.extend(zeros(&[
                "expired_keys",
                "evicted_keys",
                "evicted_clients",
                "pubsub_channels",
                "pubsub_patterns",
                "latest_fork_usec",
            ]));
            lines
        }
        "Replication" => vec![("role", ROLE.to_owned()), ("connected_slaves", "0".to_owned())],
        "CPU" => {
            let usage = ProcessUsage::now();
            let mut lines = vec![
                ("used_cpu_sys", format!("{:.6}", usage.system_seconds)),
                ("used_cpu_user", format!("{:.6}", usage.user_seconds)),
            ];
            for name in ["used_cpu_sys_children", "used_cpu_user_children"] {
                lines.push((name, "0.000000".to_owned()));
            }
            lines
        }
        "Cluster" => zeros(&["cluster_enabled"]),
        _ => InfoFields::new(),
    }
}

/// A line for each number that a table with keys can be selected by.
fn keyspace<R>(responder: &Responder<'_, R>, rule: &TableRule, text: &mut String) {
    let default = version(&responder.snapshot, rule.first()).ok().map(|(id, _)| (0, id));
    let numbered = rule.of(&responder.snapshot).filter_map(|table| {
        let number = responder.databases.number_of(table.id()).filter(|_| !rule.is_single())?;
        Some((number, table.id()))
    });
    let mut numbered: Vec<_> = default.into_iter().chain(numbered).collect();
    numbered.sort_by_key(|(number, _)| *number);
    for (number, id) in numbered {
        let version = responder.snapshot.table(id).and_then(TableState::current);
        let pairs = version.map_or(0, |version| version.store().len());
        if pairs > 0 {
            text.push_str(&format!("db{number}:keys={pairs},expires=0,avg_ttl=0\r\n"));
        }
    }
}

/// A line for each table.
fn tables<R>(responder: &Responder<'_, R>, rule: &TableRule, text: &mut String) {
    for (i, table) in rule.of(&responder.snapshot).enumerate() {
        let name = table.name();
        let line = match table.current() {
            Some(version) => format!(
                "table{i}:name={name},version={},pairs={},bytes={},age={}\r\n",
                version.name(),
                version.store().len(),
                version.store().carved_bytes(),
                version.made().elapsed().unwrap_or_default().as_secs()
            ),
            None => format!("table{i}:name={name},version=,pairs=0,bytes=0,age=0\r\n"),
        };
        text.push_str(&line);
    }
}

/// What Redis counts in its allocator is here all memory of the process that is resident: the table
/// is mapped or read, not allocated piece by piece.
fn memory_lines<R>(responder: &Responder<'_, R>) -> InfoFields {
    let usage = ProcessUsage::now();
    let (used, peak) = (usage.resident_bytes, usage.peak_bytes.max(usage.resident_bytes));
    let table = table_bytes(responder, used);
    vec![
        ("used_memory", used.to_string()),
        ("used_memory_human", human(used)),
        ("used_memory_rss", used.to_string()),
        ("used_memory_rss_human", human(used)),
        ("used_memory_peak", peak.to_string()),
        ("used_memory_peak_human", human(peak)),
        ("used_memory_peak_perc", percent(used, peak)),
        ("used_memory_overhead", (used - table).to_string()),
        ("used_memory_startup", (used - table).to_string()),
        ("used_memory_dataset", table.to_string()),
        ("used_memory_dataset_perc", percent(table, used)),
        ("total_system_memory", usage.system_bytes.to_string()),
        ("total_system_memory_human", human(usage.system_bytes)),
        ("used_memory_lua", "0".to_owned()),
        ("used_memory_lua_human", human(0)),
        ("maxmemory", "0".to_owned()),
        ("maxmemory_human", human(0)),
        ("maxmemory_policy", "noeviction".to_owned()),
        ("mem_fragmentation_ratio", "1.00".to_owned()),
        ("mem_allocator", "libc".to_owned()),
    ]
}

/// Memory that the table takes, of all that is `used`.
fn table_bytes<R>(responder: &Responder<'_, R>, used: u64) -> u64 {
    (responder.store.memory().len() as u64).min(used)
}

/// Bytes as Redis writes them for people: `512B`, `1.50K`.
fn human(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let (mut number, mut units) = (bytes as f64 / 1024.0, "KMGTP".chars());
    let mut unit = units.next().unwrap_or('K');
    while number >= 1024.0
        && let Some(next) = units.next()
    {
        (number, unit) = (number / 1024.0, next);
    }
    format!("{number:.2}{unit}")
}

fn percent(part: u64, whole: u64) -> String {
    format!("{:.2}%", ratio(part, whole) * 100.0)
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

pub(super) fn memory<R>(
    topic: MemoryTopic<'_>,
    responder: &Responder<'_, R>,
    version: Version,
    out: &mut Vec<u8>,
) {
    match topic {
        MemoryTopic::Stats => stats(responder, version, out),
        MemoryTopic::Doctor => {
            let text = b"The table lies in memory as it is, or in a file: there is nothing to mend.\n";
            reply::verbatim(out, version, text);
        }
        MemoryTopic::MallocStats => {
            reply::verbatim(out, version, b"Stats not supported for the current allocator");
        }
        _ => reply::ok(out),
    }
}

fn stats<R>(responder: &Responder<'_, R>, version: Version, out: &mut Vec<u8>) {
    let usage = ProcessUsage::now();
    let (used, peak) = (usage.resident_bytes, usage.peak_bytes.max(usage.resident_bytes));
    let (table, pairs) = (table_bytes(responder, used), responder.store.len());
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let numbers = [
        ("peak.allocated", peak),
        ("total.allocated", used),
        ("startup.allocated", used - table),
        ("replication.backlog", 0),
        ("clients.normal", 0),
        ("overhead.total", used - table),
        ("keys.count", pairs),
        ("keys.bytes-per-key", table.checked_div(pairs).unwrap_or_default()),
        ("dataset.bytes", table),
    ];
    let ratios = [
        ("dataset.percentage", ratio(table, used) * 100.0),
        ("peak.percentage", ratio(used, peak) * 100.0),
        ("fragmentation", 1.0),
    ];
    reply::map_head(out, version, numbers.len() + ratios.len());
    for (name, count) in numbers {
        reply::bulk(out, name.as_bytes());
        reply::integer(out, number(count));
    }
    for (name, ratio) in ratios {
        reply::bulk(out, name.as_bytes());
        reply::double(out, version, ratio);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_for_people_as_redis_writes_them() {
        for (bytes, text) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1.00K"),
            (3_304_792, "3.15M"),
            (25_276_502_016, "23.54G"),
            (u64::MAX, "16384.00P"),
        ] {
            assert_eq!(human(bytes), text);
        }
        assert_eq!((percent(1, 3), percent(1, 0)), ("33.33%".to_owned(), "0.00%".to_owned()));
    }
}
