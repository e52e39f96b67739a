//! What Redis clients say about themselves and ask about the server: greetings, names, settings, statistics.

use std::time::{SystemTime, UNIX_EPOCH};

use graven_wire::glob;
use graven_wire::resp::{ClientFilter, ClientTopic, Command, Hello, Refusal, Version, reply};

use super::RespSession;
use super::describe::describe_commands;
use super::transaction::Transaction;
use crate::answer::{After, Responder, report};
use crate::metric::Section;

/// The Redis whose behaviour is followed; clients choose what they send by it.
const REDIS_VERSION: &str = "7.2.0";

/// The user that everybody is who does not say otherwise.
const DEFAULT_USER: &[u8] = b"default";

impl RespSession {
    pub(super) fn answer_about_connection<R>(
        &mut self,
        command: Command<'_>,
        responder: &Responder<'_, R>,
        out: &mut Vec<u8>,
    ) -> After {
        let session = self;
        match command {
            Command::Ping { message: None } => reply::simple(out, b"PONG"),
            Command::Ping { message: Some(message) } | Command::Echo { message } => reply::bulk(out, message),
            Command::Time => time(out),
            Command::Info { sections } => {
                let wanted: Vec<&[u8]> = sections.collect();
                reply::bulk(out, info(responder, &wanted).as_bytes());
            }
            Command::ConfigGet { patterns } => config(responder, patterns, session.version, out),
            Command::Command(topic) => describe_commands(topic, session.version, out),
            Command::Client(topic) => client(session, topic, out),
            Command::Hello(greeting) => hello(session, greeting, out),
            Command::Auth { user, .. } => auth(user, out),
            Command::Select | Command::ReadOnly | Command::ReadWrite => reply::ok(out),
            Command::Reset => {
                session.version = Version::Resp2;
                session.name.clear();
                session.transaction = Transaction::None;
                reply::simple(out, b"RESET");
            }
            Command::Quit => {
                reply::ok(out);
                return After::Close;
            }
            _ => reply::error(out, b"ERR this command is understood, but not answered here"),
        }
        After::Done
    }
}

fn info<R>(responder: &Responder<'_, R>, wanted: &[&[u8]]) -> String {
    let readings = responder.readings();
    let with_numbers = |section, mut lines: Vec<(&'static str, String)>| {
        lines.extend(report::info_numbers(&readings, section));
        lines
    };
    let commands = readings.counters.sum(|loop_counters| &loop_counters.resp.requests);
    let sections: [(&str, Vec<(&str, String)>); 6] = [
        (
            "Server",
            with_numbers(
                Section::Server,
                vec![
                    ("redis_version", REDIS_VERSION.to_owned()),
                    ("redis_mode", "standalone".to_owned()),
                    ("graven_version", report::VERSION.to_owned()),
                    ("os", std::env::consts::OS.to_owned()),
                    ("arch_bits", usize::BITS.to_string()),
                    ("process_id", std::process::id().to_string()),
                ],
            ),
        ),
        (
            "Clients",
            with_numbers(
                Section::Clients,
                vec![("maxclients", responder.options.limits.connections_max.to_string())],
            ),
        ),
        ("Persistence", vec![("loading", "0".to_owned())]),
        ("Storage", with_numbers(Section::Storage, Vec::new())),
        (
            "Stats",
            with_numbers(
                Section::Stats,
                vec![("total_commands_processed", commands.to_string()), ("evicted_keys", "0".to_owned())],
            ),
        ),
        ("Replication", vec![("role", "master".to_owned()), ("connected_slaves", "0".to_owned())]),
    ];
    let everything = wanted.is_empty()
        || wanted.iter().any(|section| {
            [&b"all"[..], b"default", b"everything"].iter().any(|all| section.eq_ignore_ascii_case(all))
        });
    let is_wanted =
        |name: &str| everything || wanted.iter().any(|section| section.eq_ignore_ascii_case(name.as_bytes()));
    let mut text = String::new();
    for (name, lines) in sections.iter().filter(|(name, _)| is_wanted(name)) {
        text.push_str(&format!("# {name}\r\n"));
        lines.iter().for_each(|(field, value)| text.push_str(&format!("{field}:{value}\r\n")));
        text.push_str("\r\n");
    }
    if is_wanted("keyspace") {
        text.push_str("# Keyspace\r\n");
        if !responder.store.is_empty() {
            text.push_str(&format!("db0:keys={},expires=0,avg_ttl=0\r\n", responder.store.len()));
        }
    }
    text
}

fn config<'a, R>(
    responder: &Responder<'_, R>,
    patterns: impl Iterator<Item = &'a [u8]> + Clone,
    version: Version,
    out: &mut Vec<u8>,
) {
    let settings = [
        ("appendonly", "no".to_owned()),
        ("databases", "1".to_owned()),
        ("maxclients", responder.options.limits.connections_max.to_string()),
        ("maxmemory", "0".to_owned()),
        ("maxmemory-policy", "noeviction".to_owned()),
        ("proto-max-bulk-len", responder.options.limits.resp.arg_bytes_max.to_string()),
        ("save", String::new()),
        ("timeout", responder.options.timeouts.idle.map_or(0, |timeout| timeout.as_secs()).to_string()),
    ];
    let matches = |name: &str| {
        patterns.clone().any(|pattern| glob::matches(&pattern.to_ascii_lowercase(), name.as_bytes()))
    };
    let found: Vec<_> = settings.iter().filter(|(name, _)| matches(name)).collect();
    reply::map_head(out, version, found.len());
    for (name, value) in found {
        reply::bulk(out, name.as_bytes());
        reply::bulk(out, value.as_bytes());
    }
}

fn time(out: &mut Vec<u8>) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    reply::array_head(out, 2);
    reply::bulk(out, now.as_secs().to_string().as_bytes());
    reply::bulk(out, now.subsec_micros().to_string().as_bytes());
}

fn hello(session: &mut RespSession, greeting: Hello<'_>, out: &mut Vec<u8>) {
    if let Some((user, _)) = greeting.auth
        && user != DEFAULT_USER
    {
        return Refusal::WrongPassword.encode(out);
    }
    session.version = greeting.version.unwrap_or(session.version);
    if let Some(name) = greeting.name {
        session.name = name.to_vec();
    }
    reply::map_head(out, session.version, 7);
    for (name, value) in [("server", "redis"), ("version", REDIS_VERSION)] {
        reply::bulk(out, name.as_bytes());
        reply::bulk(out, value.as_bytes());
    }
    reply::bulk(out, b"proto");
    reply::integer(out, if session.version == Version::Resp3 { 3 } else { 2 });
    reply::bulk(out, b"id");
    reply::integer(out, i64::try_from(session.id).unwrap_or(i64::MAX));
    for (name, value) in [("mode", "standalone"), ("role", "master")] {
        reply::bulk(out, name.as_bytes());
        reply::bulk(out, value.as_bytes());
    }
    reply::bulk(out, b"modules");
    reply::array_head(out, 0);
}

/// No password is set, so the default user comes in with any, as with Redis, and nobody else exists.
fn auth(user: Option<&[u8]>, out: &mut Vec<u8>) {
    match user {
        None => Refusal::NoPasswordIsSet.encode(out),
        Some(DEFAULT_USER) => reply::ok(out),
        Some(_) => Refusal::WrongPassword.encode(out),
    }
}

fn client(session: &mut RespSession, topic: ClientTopic<'_>, out: &mut Vec<u8>) {
    match topic {
        ClientTopic::Id => reply::integer(out, i64::try_from(session.id).unwrap_or(i64::MAX)),
        ClientTopic::Info => reply::bulk(out, &client_line(session)),
        ClientTopic::List(filter) => {
            let listed = match filter {
                ClientFilter::All => true,
                ClientFilter::Nobody => false,
                ClientFilter::Ids(mut ids) => ids.any(|id| id == session.id.to_string().as_bytes()),
            };
            reply::bulk(out, &if listed { client_line(session) } else { Vec::new() });
        }
        ClientTopic::GetName if session.name.is_empty() => reply::null(out, session.version),
        ClientTopic::GetName => reply::bulk(out, &session.name),
        ClientTopic::SetName { name } => {
            session.name = name.to_vec();
            reply::ok(out);
        }
        ClientTopic::LibraryName { name } => {
            session.library = name.to_vec();
            reply::ok(out);
        }
        ClientTopic::LibraryVersion { version } => {
            session.library_version = version.to_vec();
            reply::ok(out);
        }
        _ => reply::error(out, b"ERR this command is understood, but not answered here"),
    }
}

/// What is known about this connection; the others belong to other loops, which are not asked.
fn client_line(session: &RespSession) -> Vec<u8> {
    let version = if session.version == Version::Resp3 { 3 } else { 2 };
    let mut line = format!("id={} name=", session.id).into_bytes();
    line.extend_from_slice(&session.name);
    line.extend_from_slice(format!(" db=0 user=default resp={version} lib-name=").as_bytes());
    line.extend_from_slice(&session.library);
    line.extend_from_slice(b" lib-ver=");
    line.extend_from_slice(&session.library_version);
    line.push(b'\n');
    line
}
