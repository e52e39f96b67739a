//! `CLIENT`: what is known of connections, and what a client may say of its own.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use graven_blocks::BlockReader;
use graven_wire::resp::{
    ClientFilter, ClientTopic, KillCondition, KillFilter, Refusal, ReplyMode, Tracking, Version, reply,
};

use super::RespSession;
use super::commands::UnfinishedCommand;
use super::connection::DEFAULT_USER;
use crate::answer::{After, ConnectionSlot, Responder, StopReason};
use crate::clients::{ClientEntry, Clients, Ends, RespState};

/// What a client has said with `CLIENT TRACKING`. No key of a version ever changes, so there is nothing to tell but that another
/// version answers: then all that the client keeps is to be forgotten.
#[derive(Debug, Default)]
pub(super) struct TrackingState(Option<Box<Tracked>>);

#[derive(Debug)]
struct Tracked {
    broadcast: bool,
    opt_in: bool,
    opt_out: bool,
    no_loop: bool,
    redirect: i64,
    /// In order.
    prefixes: Vec<Vec<u8>>,
    /// `CLIENT CACHING` was said for the next command.
    caching: bool,
    /// The [switches](Responder::switches) that the client was told of.
    told: u64,
}

impl RespSession {
    /// Whether the client wants to be told when what it keeps is no longer so.
    pub(in crate::answer) fn is_tracking(&self) -> bool {
        self.tracking.is_on()
    }

    /// Tells a client that keeps values of its own to forget them all, if another version has come to answer since it was last
    /// told. Only clients that speak RESP3 can be told.
    #[cold]
    pub(in crate::answer) fn tell_of_switch(&mut self, switches: u64, out: &mut Vec<u8>) {
        if self.tracking.is_behind(switches) && self.version == Version::Resp3 {
            reply::push_head(out, self.version, 2);
            reply::bulk(out, b"invalidate");
            reply::null(out, self.version);
        }
    }
}

impl TrackingState {
    pub(super) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn is_broadcast(&self) -> bool {
        self.0.as_ref().is_some_and(|tracked| tracked.broadcast)
    }

    pub(super) fn has_caching(&self) -> bool {
        self.0.as_ref().is_some_and(|tracked| tracked.caching)
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |tracked| tracked.prefixes.iter().map(Vec::len).sum())
    }

    pub(super) fn forget_caching(&mut self) {
        if let Some(tracked) = &mut self.0 {
            tracked.caching = false;
        }
    }

    /// Whether the client is to be told of switches, of which there were so many; it is told then.
    fn is_behind(&mut self, switches: u64) -> bool {
        self.0.as_mut().is_some_and(|tracked| std::mem::replace(&mut tracked.told, switches) != switches)
    }

    fn set(&mut self, tracking: Tracking<'_>, switches: u64) -> Result<(), Vec<u8>> {
        if !tracking.on {
            self.0 = None;
            return Ok(());
        }
        if let Some(before) = &self.0 {
            if before.broadcast != tracking.broadcast {
                return Err(b"ERR You can't switch BCAST mode on/off before disabling tracking for this \
                    client, and then re-enabling it with a different mode."
                    .to_vec());
            }
            if before.opt_in && tracking.opt_out || before.opt_out && tracking.opt_in {
                return Err(b"ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this \
                    client, and then re-enabling it with a different mode."
                    .to_vec());
            }
        }
        // What is refused changes nothing.
        let mut prefixes = self.0.as_ref().map_or_else(Vec::new, |tracked| tracked.prefixes.clone());
        let known = prefixes.len();
        for prefix in tracking.prefixes() {
            let overlaps = |other: &&Vec<u8>| other.starts_with(prefix) || prefix.starts_with(other);
            match prefixes.iter().enumerate().find(|(_, other)| overlaps(other)) {
                Some((i, other)) => {
                    let kind: &[u8] =
                        if i < known { b"an existing prefix '" } else { b"another provided prefix '" };
                    let pair: [&[u8]; 2] = if i < known { [prefix, other] } else { [other, prefix] };
                    let rest = b"'. Prefixes for a single client must not overlap.";
                    return Err([b"ERR Prefix '", pair[0], b"' overlaps with ", kind, pair[1], rest].concat());
                }
                None => prefixes.push(prefix.to_vec()),
            }
        }
        prefixes.sort_unstable();
        let Tracking { broadcast, opt_in, opt_out, no_loop, redirect, .. } = tracking;
        let tracked = Tracked {
            broadcast,
            opt_in,
            opt_out,
            no_loop,
            redirect,
            prefixes,
            caching: false,
            told: switches,
        };
        self.0 = Some(Box::new(tracked));
        Ok(())
    }

    fn set_caching(&mut self, answer: Option<bool>) -> Result<(), Refusal<'static>> {
        let Some(tracked) = self.0.as_mut() else {
            return Err(Refusal::Fixed(
                "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or \
                 OPTOUT mode enabled",
            ));
        };
        match answer {
            Some(true) if !tracked.opt_in => Err(Refusal::Fixed(
                "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.",
            )),
            Some(false) if !tracked.opt_out => Err(Refusal::Fixed(
                "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.",
            )),
            Some(_) => {
                tracked.caching = true;
                Ok(())
            }
            None => Err(Refusal::Syntax),
        }
    }

    fn redirect(&self) -> i64 {
        self.0.as_ref().map_or(-1, |tracked| tracked.redirect)
    }

    fn describe(&self, version: Version, out: &mut Vec<u8>) {
        let mut flags = vec![if self.is_on() { "on" } else { "off" }];
        let mut prefixes = &[][..];
        if let Some(tracked) = &self.0 {
            flags.extend(tracked.broadcast.then_some("bcast"));
            flags.extend(tracked.opt_in.then_some("optin"));
            flags.extend((tracked.opt_in && tracked.caching).then_some("caching-yes"));
            flags.extend(tracked.opt_out.then_some("optout"));
            flags.extend((tracked.opt_out && tracked.caching).then_some("caching-no"));
            flags.extend(tracked.no_loop.then_some("noloop"));
            prefixes = &tracked.prefixes;
        }
        reply::map_head(out, version, 3);
        reply::bulk(out, b"flags");
        reply::set_head(out, version, flags.len());
        flags.iter().for_each(|flag| reply::bulk(out, flag.as_bytes()));
        reply::bulk(out, b"redirect");
        reply::integer(out, self.redirect());
        reply::bulk(out, b"prefixes");
        reply::array_head(out, prefixes.len());
        prefixes.iter().for_each(|prefix| reply::bulk(out, prefix));
    }
}

impl RespSession {
    pub(super) fn client<R: BlockReader>(
        &mut self,
        topic: ClientTopic<'_>,
        responder: &mut Responder<'_, R>,
        slot: &mut ConnectionSlot,
    ) -> After {
        let out: &mut Vec<u8> = &mut slot.out;
        match topic {
            ClientTopic::Id => reply::integer(out, i64::try_from(self.client.id).unwrap_or(i64::MAX)),
            ClientTopic::Info => {
                self.record_now();
                reply::verbatim(out, self.version, &line(&self.client, Instant::now()));
            }
            ClientTopic::List(filter) => {
                self.record_now();
                let listing = ClientListing::new(filter, responder.clients, |client| self.sees(client));
                return self.begin(UnfinishedCommand::Clients(listing), responder, slot);
            }
            ClientTopic::GetName => {
                let state = self.client.state();
                match &state.resp.name[..] {
                    b"" => reply::null(out, self.version),
                    name => reply::bulk(out, name),
                }
            }
            ClientTopic::SetName { name } => {
                self.set_texts(|state| state.name = name.into());
                reply::ok(out);
            }
            ClientTopic::LibraryName { name } => {
                self.set_texts(|state| state.library = name.into());
                reply::ok(out);
            }
            ClientTopic::LibraryVersion { version } => {
                self.set_texts(|state| state.library_version = version.into());
                reply::ok(out);
            }
            ClientTopic::Reply(mode) => self.set_replies(mode, out),
            ClientTopic::Tracking(tracking) => {
                let redirect = u64::try_from(tracking.redirect).unwrap_or_default();
                let is_there = |id| responder.clients.all().iter().any(|client| client.id == id);
                if tracking.redirect != 0 && !is_there(redirect) {
                    reply::error(out, b"ERR The client ID you want redirect to does not exist");
                    return After::Done;
                }
                match self.tracking.set(tracking, responder.switches) {
                    Ok(()) => reply::ok(out),
                    Err(words) => reply::error(out, &words),
                }
            }
            ClientTopic::Caching(answer) => match self.tracking.set_caching(answer) {
                Ok(()) => reply::ok(out),
                Err(refusal) => refusal.encode(out),
            },
            ClientTopic::TrackingInfo => self.tracking.describe(self.version, out),
            ClientTopic::GetRedirect => reply::integer(out, self.tracking.redirect()),
            ClientTopic::Kill(filter) => return self.kill(filter, responder, out),
            ClientTopic::Pause { timeout_ms: 1.., all: true } => {
                reply::error(
                    out,
                    b"ERR no client may stop the answers to all others, CLIENT PAUSE WRITE is taken",
                );
            }
            // Writes are refused anyway.
            ClientTopic::Pause { .. } | ClientTopic::Nothing => reply::ok(out),
            ClientTopic::Unblock => reply::integer(out, 0),
            _ => reply::error(out, b"ERR this command is understood, but not answered here"),
        }
        After::Done
    }

    /// Changes what the client says of itself.
    pub(super) fn set_texts(&mut self, change: impl FnOnce(&mut RespState)) {
        let mut state = self.client.state();
        change(&mut state.resp);
        let RespState { name, library, library_version, .. } = &state.resp;
        let bytes = name.len() + library.len() + library_version.len();
        drop(state);
        self.text_bytes = bytes;
    }

    fn set_replies(&mut self, mode: ReplyMode, out: &mut Vec<u8>) {
        match mode {
            ReplyMode::On => {
                (self.replies, self.is_silent) = (ReplyMode::On, false);
                reply::ok(out);
            }
            ReplyMode::Off => (self.replies, self.is_silent) = (ReplyMode::Off, true),
            ReplyMode::Skip if self.replies == ReplyMode::On => self.replies = ReplyMode::Skip,
            ReplyMode::Skip => {}
        }
    }

    /// Whether who asks may know of a connection: with users, of those of the same user.
    fn sees(&self, client: &ClientEntry) -> bool {
        let is_own = client.id == self.client.id || self.asker.is_everybody();
        is_own || self.asker.name().is_some_and(|name| client.state().user.as_ref() == Some(name))
    }

    /// Others may know how the connection is at this moment.
    fn record_now(&self) {
        let mut state = self.client.state();
        state.active = Instant::now();
        self.record(&mut state.resp);
    }

    fn kill<R: BlockReader>(
        &mut self,
        filter: KillFilter<'_>,
        responder: &Responder<'_, R>,
        out: &mut Vec<u8>,
    ) -> After {
        let old_form = filter.old_form;
        let conditions: Vec<KillCondition<'_>> = filter.conditions().collect();
        for condition in &conditions {
            if let KillCondition::User(name) = condition
                && *name != DEFAULT_USER.as_bytes()
            {
                Refusal::NoUser(name).encode(out);
                return After::Done;
            }
        }
        let skips_me = conditions.iter().rev().find_map(|condition| match condition {
            KillCondition::SkipMe(skips) => Some(*skips),
            _ => None,
        });
        let targets: Vec<KillTarget> = conditions.iter().map(KillTarget::of).collect();
        let is_meant = |client: &ClientEntry| targets.iter().all(|target| target.is(client));
        let own = self.client.id;
        let others = responder.clients.kill(|client| client.id != own && is_meant(client));
        // In the old form it closes itself if it says so.
        let me = !skips_me.unwrap_or(!old_form) && is_meant(&self.client);
        let killed = others + usize::from(me);
        if !old_form {
            reply::integer(out, super::integer(killed));
        } else if killed > 0 {
            reply::ok(out);
        } else {
            reply::error(out, b"ERR No such client");
        }
        if me { After::Close } else { After::Done }
    }
}

/// `CLIENT LIST`, written line by line.
#[derive(Debug)]
pub(super) struct ClientListing {
    left: std::vec::IntoIter<Arc<ClientEntry>>,
    lines: Vec<u8>,
}

impl ClientListing {
    /// What a line costs, in nanoseconds.
    const LINE_COST: u64 = 1_500;

    /// Of the connections for which `is_seen`.
    fn new(filter: ClientFilter<'_>, clients: &Clients, is_seen: impl Fn(&ClientEntry) -> bool) -> Self {
        let mut listed = clients.all();
        listed.retain(|client| is_seen(client));
        match filter {
            ClientFilter::All => {}
            ClientFilter::Nobody => listed.clear(),
            ClientFilter::Ids(ids) => {
                let number = |id: &[u8]| std::str::from_utf8(id).ok()?.parse::<u64>().ok();
                let ids: BTreeSet<u64> = ids.filter_map(number).collect();
                listed.retain(|client| ids.contains(&client.id));
            }
        }
        Self { left: listed.into_iter(), lines: Vec::new() }
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.lines.len()
    }

    /// Goes on, and answers when every line is written; why it is not.
    pub(super) fn go_on(&mut self, version: Version, slot: &mut ConnectionSlot) -> Option<StopReason> {
        let now = Instant::now();
        for client in self.left.by_ref() {
            self.lines.extend(line(&client, now));
            slot.spend(Self::LINE_COST);
            if slot.cost_left() == 0 {
                break;
            }
        }
        if self.left.len() > 0 {
            return Some(StopReason::Full);
        }
        reply::verbatim(&mut slot.out, version, &self.lines);
        None
    }
}

/// A [`KillCondition`], made ready to be asked of many connections.
enum KillTarget {
    Id(u64),
    /// From an address, or to one.
    Peer(KillAddress),
    Local(KillAddress),
    /// All of them, or none.
    Everybody(bool),
}

enum KillAddress {
    Tcp(SocketAddr),
    Other(Vec<u8>),
}

impl KillTarget {
    fn of(condition: &KillCondition<'_>) -> Self {
        let address = |text: &[u8]| {
            let tcp = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
            tcp.map_or_else(|| KillAddress::Other(text.to_vec()), KillAddress::Tcp)
        };
        match condition {
            KillCondition::Id(id) => Self::Id(*id),
            KillCondition::Address(text) => Self::Peer(address(text)),
            KillCondition::LocalAddress(text) => Self::Local(address(text)),
            KillCondition::Type { normal } => Self::Everybody(*normal),
            // There is one user, whose name was looked at.
            KillCondition::User(_) | KillCondition::SkipMe(_) => Self::Everybody(true),
            _ => Self::Everybody(false),
        }
    }

    fn is(&self, client: &ClientEntry) -> bool {
        match (self, client.ends()) {
            (Self::Id(id), _) => client.id == *id,
            (Self::Everybody(all), _) => *all,
            (Self::Peer(KillAddress::Tcp(wanted)), Ends::Tcp { peer, .. }) => peer == *wanted,
            (Self::Local(KillAddress::Tcp(wanted)), Ends::Tcp { local, .. }) => local == *wanted,
            (Self::Peer(KillAddress::Other(wanted)), Ends::Unix | Ends::Unknown) => {
                client.ends().peer().as_bytes() == wanted
            }
            (Self::Local(KillAddress::Other(wanted)), Ends::Unix | Ends::Unknown) => {
                client.ends().local().as_bytes() == wanted
            }
            _ => false,
        }
    }
}

/// What is known about a connection, in the fields of Redis 7.2 and one more, its protocol.
fn line(client: &ClientEntry, now: Instant) -> Vec<u8> {
    let state = client.state().clone();
    let resp = &state.resp;
    let age = now.saturating_duration_since(client.connected).as_secs();
    let idle = now.saturating_duration_since(state.active).as_secs();
    let mut flags = String::new();
    for (flag, is_set) in [
        ('x', resp.queued.is_some()),
        ('t', resp.tracking),
        ('B', resp.broadcast),
        ('U', client.ends() == Ends::Unix),
    ] {
        flags.extend(is_set.then_some(flag));
    }
    if flags.is_empty() {
        flags.push('N');
    }
    let user = state.user.as_deref().unwrap_or(DEFAULT_USER);
    let multi = resp.queued.map_or(-1, super::integer);
    let redirect = if resp.tracking { 0 } else { -1 };
    let held = state.input_bytes + state.output_bytes + resp.queued_bytes;
    let command = if resp.command.is_empty() { "NULL" } else { resp.command };
    let mut line = format!(
        "id={} addr={} laddr={} fd={} name=",
        client.id,
        client.ends().peer(),
        client.ends().local(),
        client.descriptor
    )
    .into_bytes();
    line.extend_from_slice(&resp.name);
    line.extend_from_slice(
        format!(
            " age={age} idle={idle} flags={flags} db=0 sub=0 psub=0 ssub=0 multi={multi} qbuf={} qbuf-free=0 \
             argv-mem=0 multi-mem={} rbs=0 rbp=0 obl={} oll=0 omem=0 tot-mem={held} events=r cmd={command} \
             user={user} redir={redirect} resp={} lib-name=",
            state.input_bytes, resp.queued_bytes, state.output_bytes, resp.version
        )
        .as_bytes(),
    );
    line.extend_from_slice(&resp.library);
    line.extend_from_slice(b" lib-ver=");
    line.extend_from_slice(&resp.library_version);
    line.extend_from_slice(format!(" protocol={}\n", state.protocol).as_bytes());
    line
}
