//! What Redis clients say about themselves and ask about the server: greetings, names, settings, statistics.

use std::time::{SystemTime, UNIX_EPOCH};

use graven_wire::glob;
use graven_wire::resp::{
    Args, Command, Database, Hello, LatencyTopic, PubSubTopic, Refusal, ReplyMode, Version, reply,
};

use super::RespSession;
use super::client::TrackingState;
use super::describe::describe_commands;
use super::info::{info, memory};
use super::transaction::Transaction;
use crate::answer::access::{LoginFailure, Wanted};
use crate::answer::tables::TableChoice;
use crate::answer::{After, ConnectionSlot, Language as _, Responder};

/// The Redis whose commands are known; clients choose what they send by it. redis-py wants 7.4 before it caches values on
/// its side.
pub(super) const REDIS_VERSION: &str = "7.4.0";

/// The server follows nobody, and GLIDE does not talk to one that is no master. That writes are refused is said by
/// `READONLY`, and by the setting `replica-read-only`.
pub(super) const ROLE: &str = "master";

/// The user that everybody is who does not say otherwise.
pub(super) const DEFAULT_USER: &str = "default";

impl RespSession {
    /// Makes the connection as it was when it was new.
    fn reset<R>(&mut self, responder: &mut Responder<'_, R>) {
        self.asker = responder.access.stranger(&self.asker, &self.client);
        self.asker.note_user(&self.client);
        (self.version, self.table) = (Version::Resp2, self.asker.rule().first());
        self.transaction = Transaction::None;
        self.tracking = TrackingState::default();
        (self.replies, self.is_silent) = (ReplyMode::On, false);
        self.set_texts(|state| state.name = Box::default());
    }

    /// Asks another table from now on.
    fn select<R>(&mut self, database: Database<'_>, responder: &Responder<'_, R>, out: &mut Vec<u8>) {
        let rule = self.asker.rule();
        let found = match database {
            Database::Number(0) => Ok(rule.first()),
            Database::Number(number) => responder.databases.find(number).ok_or(Refusal::DatabaseIndex),
            Database::Name(name) => {
                let named = std::str::from_utf8(name).ok().and_then(|name| responder.snapshot.named(name));
                named.map(|table| TableChoice::Table(table.id())).ok_or(Refusal::NotAnInteger)
            }
        };
        match found {
            Ok(TableChoice::Table(id)) if !rule.permits(id) => Refusal::TableNotPermitted.encode(out),
            Ok(TableChoice::Table(id)) if !rule.allows(id) => Refusal::OtherTable.encode(out),
            Ok(table) => {
                self.table = table;
                reply::ok(out);
            }
            Err(_) if rule.is_single() => Refusal::OtherTable.encode(out),
            // Or it would be told which tables there are.
            Err(_) if rule.is_limited() => Refusal::TableNotPermitted.encode(out),
            Err(refusal) => refusal.encode(out),
        }
    }

    /// Lets a user in. Where it does not, who asks is who asked before, as with Redis. Without users no password is set, so the
    /// default user comes in with any, and nobody else exists.
    fn login<R>(
        &mut self,
        user: Option<&[u8]>,
        password: &[u8],
        responder: &mut Responder<'_, R>,
    ) -> Result<(), Refusal<'static>> {
        let access = &mut responder.access;
        if access.is_open() {
            return match user {
                None => Err(Refusal::NoPasswordIsSet),
                Some(name) if name == DEFAULT_USER.as_bytes() => Ok(()),
                Some(_) => Err(Refusal::WrongPassword),
            };
        }
        match access.login(&self.asker, user, password, &self.client) {
            Ok(asker) => {
                self.set_asker(asker, access);
                Ok(())
            }
            Err(LoginFailure::Wrong) => Err(Refusal::WrongPassword),
            Err(LoginFailure::TooMany) => Err(Refusal::TooManyLogins),
        }
    }

    pub(super) fn answer_about_connection<R>(
        &mut self,
        command: Command<'_>,
        responder: &mut Responder<'_, R>,
        slot: &mut ConnectionSlot,
    ) -> After {
        let session = self;
        slot.spend(cost(&command));
        let out: &mut Vec<u8> = &mut slot.out;
        match command {
            Command::Ping { message: None } => reply::simple(out, b"PONG"),
            Command::Ping { message: Some(message) } | Command::Echo { message } => reply::bulk(out, message),
            Command::Time => time(out),
            Command::Info { sections } => {
                let wanted: Vec<&[u8]> = sections.collect();
                let text = info(responder, session.asker.rule(), &wanted);
                reply::verbatim(out, session.version, text.as_bytes());
            }
            Command::ConfigGet { patterns } => config(responder, patterns, session.version, out),
            Command::Command(topic) => describe_commands(topic, session.version, out),
            Command::Hello(greeting) => hello(session, greeting, responder, out),
            Command::Auth { user, password } => match session.login(user, password, responder) {
                Ok(()) => reply::ok(out),
                Err(refusal) => refusal.encode(out),
            },
            Command::Select(database) => session.select(database, responder, out),
            Command::ReadOnly | Command::ReadWrite => reply::ok(out),
            Command::Reset => {
                session.reset(responder);
                reply::simple(out, b"RESET");
            }
            Command::Quit => {
                reply::ok(out);
                return After::Close;
            }
            Command::Role => {
                reply::array_head(out, 3);
                reply::bulk(out, ROLE.as_bytes());
                reply::integer(out, 0);
                reply::array_head(out, 0);
            }
            // There are no replicas, no subscribers, no modules, and no events whose latency is recorded.
            Command::Wait | Command::Publish => reply::integer(out, 0),
            Command::ModuleList => reply::array_head(out, 0),
            Command::PubSub(topic) => pubsub(topic, out),
            Command::Unsubscribe { command, channels } => {
                unsubscribe(command, channels, session.version, out)
            }
            Command::Slowlog(topic) => session.slowlog(topic, responder, slot),
            Command::Latency(topic) => latency(topic, session.version, out),
            Command::Memory(topic) => memory(topic, responder, session.version, out),
            Command::WhoAmI => {
                reply::bulk(out, session.asker.name().map_or(DEFAULT_USER, |name| &**name).as_bytes())
            }
            Command::Help(lines) => {
                reply::array_head(out, lines.len());
                lines.iter().for_each(|line| reply::simple(out, line.as_bytes()));
            }
            _ => reply::error(out, b"ERR this command is understood, but not answered here"),
        }
        After::Done
    }
}

fn config<'a, R>(
    responder: &Responder<'_, R>,
    patterns: impl Iterator<Item = &'a [u8]> + Clone,
    version: Version,
    out: &mut Vec<u8>,
) {
    let settings = [
        ("appendonly", "no".to_owned()),
        ("databases", responder.databases.count().to_string()),
        ("maxclients", responder.options.limits.connections_max.to_string()),
        ("maxmemory", "0".to_owned()),
        ("maxmemory-policy", "noeviction".to_owned()),
        ("proto-max-bulk-len", responder.options.limits.resp.arg_bytes_max.to_string()),
        ("replica-read-only", "yes".to_owned()),
        ("save", String::new()),
        ("slave-read-only", "yes".to_owned()),
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

fn hello<R>(
    session: &mut RespSession,
    greeting: Hello<'_>,
    responder: &mut Responder<'_, R>,
    out: &mut Vec<u8>,
) {
    if let Some((user, password)) = greeting.auth
        && let Err(refusal) = session.login(Some(user), password, responder)
    {
        return refusal.encode(out);
    }
    if session.asker.may(Wanted::Service).is_err() {
        return Refusal::HelloNoAuth.encode(out);
    }
    session.version = greeting.version.unwrap_or(session.version);
    if let Some(name) = greeting.name {
        session.set_texts(|state| state.name = name.into());
    }
    reply::map_head(out, session.version, 7);
    for (name, value) in [("server", "redis"), ("version", REDIS_VERSION)] {
        reply::bulk(out, name.as_bytes());
        reply::bulk(out, value.as_bytes());
    }
    reply::bulk(out, b"proto");
    reply::integer(out, if session.version == Version::Resp3 { 3 } else { 2 });
    reply::bulk(out, b"id");
    reply::integer(out, i64::try_from(session.client.id).unwrap_or(i64::MAX));
    for (name, value) in [("mode", "standalone"), ("role", ROLE)] {
        reply::bulk(out, name.as_bytes());
        reply::bulk(out, value.as_bytes());
    }
    reply::bulk(out, b"modules");
    reply::array_head(out, 0);
}

fn pubsub(topic: PubSubTopic<'_>, out: &mut Vec<u8>) {
    match topic {
        PubSubTopic::Subscribers { channels } => {
            reply::array_head(out, channels.len() * 2);
            for channel in channels {
                reply::bulk(out, channel);
                reply::integer(out, 0);
            }
        }
        PubSubTopic::Patterns => reply::integer(out, 0),
        _ => reply::array_head(out, 0),
    }
}

/// What answering takes beside the cost of every request, in nanoseconds, roughly.
fn cost(command: &Command<'_>) -> u64 {
    match command {
        // These read files of the system.
        Command::Info { .. } | Command::Memory(_) => 100_000,
        Command::Command(_) | Command::ConfigGet { .. } | Command::Help(_) => 20_000,
        _ => 0,
    }
}

/// Nobody has subscribed, which is said of each channel, or once.
fn unsubscribe(command: &str, channels: Args<'_>, version: Version, out: &mut Vec<u8>) {
    let mut say = |channel: Option<&[u8]>| {
        reply::push_head(out, version, 3);
        reply::bulk(out, command.as_bytes());
        match channel {
            Some(channel) => reply::bulk(out, channel),
            None => reply::null(out, version),
        }
        reply::integer(out, 0);
    };
    if channels.len() == 0 {
        say(None);
    }
    channels.for_each(|channel| say(Some(channel)));
}

fn latency(topic: LatencyTopic<'_>, version: Version, out: &mut Vec<u8>) {
    match topic {
        LatencyTopic::Reset => reply::integer(out, 0),
        LatencyTopic::Doctor => {
            let text = b"No latency events are recorded. How long requests wait is counted in /metrics.\n";
            reply::verbatim(out, version, text);
        }
        LatencyTopic::Graph { event } => {
            reply::error(out, &[b"ERR No samples available for event '", event, b"'"].concat());
        }
        LatencyTopic::Histogram => reply::map_head(out, version, 0),
        _ => reply::array_head(out, 0),
    }
}
