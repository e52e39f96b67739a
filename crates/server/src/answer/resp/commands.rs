//! Commands that look keys up.

use std::ops::ControlFlow;
use std::sync::Arc;

use graven_blocks::BlockReader;
use graven_format::Store;
use graven_wire::resp::{
    Args, ClientTopic, Command, Known, MemoryTopic, ObjectTopic, Refusal, SlowlogTopic, TypedRead, Version,
    reply,
};

use super::bits::{self, BitScan};
use super::client::ClientListing;
use super::hash::{self, RandomFields};
use super::lcs::LcsAnswer;
use super::typed::{Absence, encode_missing, wrong_type};
use super::walk::KeyWalk;
use super::{DAMAGED, RespSession, integer, value_as_bulk, value_or_null};
use crate::answer::access::{AccessRefusal, Wanted};
use crate::answer::key_list::KeyList;
use crate::answer::lookups::LookupOutcome;
use crate::answer::rows::row_cost;
use crate::answer::tables::Unavailable;
use crate::answer::{After, ConnectionSlot, Responder, StopReason};
use crate::options::RowGet;

/// What Redis says of `OBJECT FREQ` unless it is told to count.
const NO_FREQUENCY: &str = "ERR An LFU maxmemory policy is not selected, access frequency not tracked. \
     Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.";

/// A command of which a part is not answered. It goes on with the version that it began with.
#[derive(Debug)]
pub(super) enum UnfinishedCommand {
    MGet {
        keys: KeyList,
        store: Arc<Store>,
    },
    /// `EXISTS` and `TOUCH`.
    Exists(Presence),
    KeyWalk(KeyWalk),
    Bits(BitScan),
    Lcs(LcsAnswer),
    Absence(Absence),
    Clients(ClientListing),
    RandomFields(RandomFields),
}

impl UnfinishedCommand {
    pub(super) fn held_bytes(&self) -> usize {
        match self {
            Self::MGet { keys, .. } => keys.held_bytes(),
            Self::Exists(presence) => presence.held_bytes(),
            Self::KeyWalk(walk) => walk.held_bytes(),
            Self::Bits(_) => 0,
            Self::Lcs(lcs) => lcs.held_bytes(),
            Self::Absence(absence) => absence.held_bytes(),
            Self::Clients(listing) => listing.held_bytes(),
            Self::RandomFields(fields) => fields.held_bytes(),
        }
    }

    /// Answers more of it; why that was not all.
    pub(super) fn go_on<R: BlockReader>(
        &mut self,
        version: Version,
        responder: &mut Responder<'_, R>,
        slot: &mut ConnectionSlot,
    ) -> Option<StopReason> {
        let Responder { lookups, rows, options, loop_counters, .. } = responder;
        match self {
            Self::MGet { keys, store } => {
                let schema = store.schema();
                let are_refused = schema.is_some() && options.row_get == RowGet::Error;
                lookups.each_of(store, keys, slot, &loop_counters.resp, |_, answer, slot| {
                    // As Redis does it: what is no string is null.
                    let is_refused = are_refused && answer.is_hit();
                    let whole = if is_refused { LookupOutcome::Missing } else { rows.whole(schema, answer) };
                    slot.spend(row_cost(schema));
                    value_or_null(whole, version, &mut slot.out);
                    ControlFlow::Continue(())
                })
            }
            Self::Exists(presence) => {
                let stop = count_present(presence, responder, slot);
                if stop.is_none() {
                    match presence.there {
                        Some(there) => reply::integer(&mut slot.out, there),
                        None => reply::error(&mut slot.out, DAMAGED),
                    }
                }
                stop
            }
            Self::KeyWalk(walk) => walk.go_on(version, responder, slot),
            Self::Bits(scan) => scan.go_on(slot),
            Self::Lcs(lcs) => lcs.go_on(version, responder, slot),
            Self::Absence(absence) => absence.go_on(version, responder, slot),
            Self::Clients(listing) => listing.go_on(version, slot),
            Self::RandomFields(fields) => fields.go_on(version, slot),
        }
    }
}

/// Keys of which is counted how many are there.
#[derive(Debug)]
pub(super) struct Presence {
    keys: KeyList,
    /// `None` when one lies where the table is damaged.
    pub(super) there: Option<i64>,
    store: Arc<Store>,
}

impl Presence {
    pub(super) fn new(keys: KeyList, store: &Arc<Store>) -> Self {
        Self { keys, there: Some(0), store: Arc::clone(store) }
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.keys.held_bytes()
    }
}

/// Counts on; why that was not all.
pub(super) fn count_present<R: BlockReader>(
    presence: &mut Presence,
    responder: &mut Responder<'_, R>,
    slot: &mut ConnectionSlot,
) -> Option<StopReason> {
    /// Keys behind one that has to be read, whose blocks are read with it.
    const AHEAD: usize = 64;

    let Presence { keys, there, store } = presence;
    let Responder { lookups, loop_counters, .. } = responder;
    let mut answered = 0;
    let stop = 'keys: {
        for key in keys.left() {
            if slot.is_full() {
                break 'keys Some(StopReason::Full);
            }
            let answer = lookups.contains(store, key);
            if let LookupOutcome::NotYet = answer {
                keys.left().skip(answered + 1).take(AHEAD).for_each(|later| lookups.want(store, later));
                break 'keys Some(StopReason::NotYet);
            }
            slot.spend_lookup(answer);
            loop_counters.resp.add_lookup(answer.is_hit());
            let counted = (!matches!(answer, LookupOutcome::Damaged)).then_some(i64::from(answer.is_hit()));
            *there = there.zip(counted).map(|(there, more)| there + more);
            answered += 1;
        }
        None
    };
    keys.answered(answered);
    stop
}

/// What a command asks for, but for the table, which is looked at where it is chosen.
fn wanted(command: &Command<'_>) -> Wanted {
    match command {
        Command::Auth { .. } | Command::Hello(_) | Command::Quit | Command::Reset => Wanted::Entry,
        Command::Client(ClientTopic::Kill(_)) | Command::Slowlog(SlowlogTopic::Reset) => {
            Wanted::Administration
        }
        _ => Wanted::Service,
    }
}

/// The same of what is no command, but would be one of those with other arguments.
fn says_who_asks(mut args: Args<'_>) -> bool {
    args.next().is_some_and(|name| name.eq_ignore_ascii_case(b"auth") || name.eq_ignore_ascii_case(b"hello"))
}

/// Whether a command is refused while there is no table, as Redis refuses what it does not flag with `loading`.
fn needs_table(command: Command<'_>) -> bool {
    let name = command.name();
    match name.split_once('|') {
        // Redis flags subcommands one by one. These are about the connection and the server.
        Some((container, _)) => container == "memory" || container == "object",
        None => {
            !Known::find(name.as_bytes()).is_some_and(|known| known.flags().any(|flag| flag == "loading"))
        }
    }
}

/// Whether a command is about what is in the table: all that is refused where another would have to be named, or asked by
/// somebody else. Clients ask whether the server lives before they select a table.
fn asks_table(command: Command<'_>) -> bool {
    let name = command.name().split('|').next().unwrap_or_default();
    Known::find(name.as_bytes()).is_some_and(Known::reads_keys)
}

impl RespSession {
    pub(super) fn answer_or_queue<R: BlockReader>(
        &mut self,
        args: Args<'_>,
        command: Result<Command<'_>, Refusal<'_>>,
        responder: &mut Responder<'_, R>,
        slot: &mut ConnectionSlot,
    ) -> After {
        let is_client = matches!(command, Ok(Command::Client(_)));
        self.command = command.as_ref().map_or("NULL", Command::name);
        let wanted = match &command {
            Ok(command) => wanted(command),
            Err(_) if says_who_asks(args) => Wanted::Entry,
            Err(_) => Wanted::Service,
        };
        if let Err(refusal) = self.asker.may(wanted) {
            responder.loop_counters.resp.requests.add(1);
            self.transaction.fail();
            let refusal = match refusal {
                AccessRefusal::LoginFirst => Refusal::NoAuth,
                AccessRefusal::NotPermitted => Refusal::NoPermission { command: self.command },
            };
            refusal.encode(&mut slot.out);
            return After::Done;
        }
        // A transaction may select another table before it comes to this command.
        let refuses = |why: &Unavailable| why.passes() || !self.transaction.is_open();
        if let Some(why) = responder.unavailable().filter(refuses)
            && command
                .is_ok_and(|command| if why.passes() { needs_table(command) } else { asks_table(command) })
        {
            responder.loop_counters.resp.requests.add(1);
            self.transaction.fail();
            super::say_unavailable(why, &mut slot.out);
            return After::Done;
        }
        if self.transaction.is_open() {
            return self.queue(args, command, responder, slot);
        }
        let after = match command {
            Ok(command) => self.answer_command(command, responder, slot),
            Err(refusal) => {
                refusal.encode(&mut slot.out);
                After::Done
            }
        };
        if after != After::NotYet && !is_client {
            self.tracking.forget_caching();
        }
        if after != After::NotYet {
            responder.loop_counters.resp.requests.add(1);
        }
        after
    }

    pub(super) fn answer_command<R: BlockReader>(
        &mut self,
        command: Command<'_>,
        responder: &mut Responder<'_, R>,
        slot: &mut ConnectionSlot,
    ) -> After {
        let version = self.version;
        match command {
            Command::MGet { keys } => {
                reply::array_head(&mut slot.out, keys.len());
                let (keys, store) = (KeyList::of(keys), Arc::clone(&responder.store));
                return self.begin(UnfinishedCommand::MGet { keys, store }, responder, slot);
            }
            Command::Exists { keys } | Command::Touch { keys } => {
                let presence = Presence::new(KeyList::of(keys), &responder.store);
                return self.begin(UnfinishedCommand::Exists(presence), responder, slot);
            }
            Command::Get { key } => {
                return with_value(key, responder, slot, |answer, slot| {
                    value_or_null(answer, version, &mut slot.out);
                });
            }
            Command::StrLen { key } => {
                return with_value(key, responder, slot, |answer, ConnectionSlot { out, .. }| match answer {
                    LookupOutcome::Value(value) => reply::integer(out, integer(value.len())),
                    LookupOutcome::Missing => reply::integer(out, 0),
                    LookupOutcome::Damaged | LookupOutcome::NotYet => reply::error(out, DAMAGED),
                });
            }
            Command::GetRange { key, start, end } => {
                return with_value(key, responder, slot, |answer, ConnectionSlot { out, .. }| match answer {
                    LookupOutcome::Value(value) => {
                        value_as_bulk(value.part(Command::part(start, end, value.len())), out);
                    }
                    LookupOutcome::Missing => reply::bulk(out, b""),
                    LookupOutcome::Damaged | LookupOutcome::NotYet => reply::error(out, DAMAGED),
                });
            }
            Command::Hash(read) => return self.read_hash(read, responder, slot),
            Command::Object { key, topic: ObjectTopic::Encoding } => {
                let store = Arc::clone(&responder.store);
                return with_stored(
                    key,
                    responder,
                    slot,
                    |answer, ConnectionSlot { out, .. }| match answer {
                        LookupOutcome::Value(value) if store.schema().is_some() => {
                            match hash::encoding(&store, value.bytes()) {
                                Ok(encoding) => reply::bulk(out, encoding),
                                Err(_) => reply::error(out, DAMAGED),
                            }
                        }
                        // As Redis does it: strings of up to 44 bytes are embedded in their object.
                        LookupOutcome::Value(value) if value.len() <= 44 => reply::bulk(out, b"embstr"),
                        LookupOutcome::Value(_) => reply::bulk(out, b"raw"),
                        LookupOutcome::Missing => reply::null(out, version),
                        LookupOutcome::Damaged | LookupOutcome::NotYet => reply::error(out, DAMAGED),
                    },
                );
            }
            Command::Object { key, topic } => {
                return with_presence(key, responder, slot, |is_there, out| match topic {
                    _ if !is_there => reply::null(out, version),
                    ObjectTopic::RefCount => reply::integer(out, 1),
                    ObjectTopic::Frequency => Refusal::Fixed(NO_FREQUENCY).encode(out),
                    // Nobody keeps count.
                    _ => reply::integer(out, 0),
                });
            }
            Command::Memory(MemoryTopic::Usage { key }) => {
                return with_stored(
                    key,
                    responder,
                    slot,
                    |answer, ConnectionSlot { out, .. }| match answer {
                        LookupOutcome::Value(value) => reply::integer(out, integer(key.len() + value.len())),
                        LookupOutcome::Missing => reply::null(out, version),
                        LookupOutcome::Damaged | LookupOutcome::NotYet => reply::error(out, DAMAGED),
                    },
                );
            }
            Command::GetBit { key, offset } => return bits::get(key, offset, responder, slot),
            Command::BitFieldRo { key, fields } => return bits::fields(key, fields, responder, slot),
            Command::BitCount { key, part } => {
                return self.scan_bits(key, bits::BitQuery::Count(part), responder, slot);
            }
            Command::BitPos { key, bit, part } => {
                return self.scan_bits(key, bits::BitQuery::Position(bit, part), responder, slot);
            }
            Command::Lcs(lcs) => {
                let lcs = LcsAnswer::new(lcs, &responder.store);
                return self.begin(UnfinishedCommand::Lcs(lcs), responder, slot);
            }
            Command::Typed { read: TypedRead::Key { key, missing }, .. } => {
                return with_presence(key, responder, slot, |is_there, out| {
                    if is_there {
                        wrong_type(missing, out)
                    } else {
                        encode_missing(missing, key, version, out)
                    }
                });
            }
            Command::Typed { read: TypedRead::Keys { keys, missing }, .. } => {
                let absence = Absence::new(keys, missing, &responder.store);
                return self.begin(UnfinishedCommand::Absence(absence), responder, slot);
            }
            Command::Type { key } => {
                let there: &[u8] = if responder.store.schema().is_some() { b"hash" } else { b"string" };
                return with_presence(key, responder, slot, |is_there, out| {
                    reply::simple(out, if is_there { there } else { b"none" });
                });
            }
            Command::Ttl { key } | Command::PTtl { key } | Command::ExpireTime { key } => {
                return with_presence(key, responder, slot, |is_there, out| {
                    reply::integer(out, if is_there { -1 } else { -2 });
                });
            }
            Command::Scan(scan) => match KeyWalk::scan(scan, responder) {
                Ok(walk) => return self.begin(UnfinishedCommand::KeyWalk(walk), responder, slot),
                Err(refusal) => reply::error(&mut slot.out, refusal.as_bytes()),
            },
            Command::Keys { pattern } => match KeyWalk::keys(pattern, &responder.store, responder.options) {
                Ok(walk) => return self.begin(UnfinishedCommand::KeyWalk(walk), responder, slot),
                Err(refusal) => reply::error(&mut slot.out, refusal.as_bytes()),
            },
            Command::RandomKey => {
                let walk = KeyWalk::random_key(&responder.store);
                return self.begin(UnfinishedCommand::KeyWalk(walk), responder, slot);
            }
            Command::Multi => self.multi(&mut slot.out),
            Command::Exec => return self.exec(responder, slot),
            Command::Discard => self.discard(&mut slot.out),
            Command::Watch { .. } | Command::Unwatch => reply::ok(&mut slot.out),
            Command::DbSize => {
                let pairs = i64::try_from(responder.store.len()).unwrap_or(i64::MAX);
                reply::integer(&mut slot.out, pairs);
            }
            Command::Client(topic) => return self.client(topic, responder, slot),
            other => return self.answer_about_connection(other, responder, slot),
        }
        After::Done
    }

    /// Answers as much of a command as there is room for, and keeps the rest.
    pub(super) fn begin<R: BlockReader>(
        &mut self,
        mut unfinished: UnfinishedCommand,
        responder: &mut Responder<'_, R>,
        slot: &mut ConnectionSlot,
    ) -> After {
        match unfinished.go_on(self.version, responder, slot) {
            None => After::Done,
            Some(stop) => {
                self.unfinished = Some(Box::new(unfinished));
                After::Unfinished(stop)
            }
        }
    }
}

/// Looks `key` up, and has `say` answer. A row is here as JSON, or refused.
pub(super) fn with_value<R: BlockReader>(
    key: &[u8],
    responder: &mut Responder<'_, R>,
    slot: &mut ConnectionSlot,
    say: impl FnOnce(LookupOutcome<'_>, &mut ConnectionSlot),
) -> After {
    let mut rows = std::mem::take(&mut responder.rows);
    let store = Arc::clone(&responder.store);
    let row_get = responder.options.row_get;
    let after = with_stored(key, responder, slot, |answer, slot| {
        let schema = store.schema();
        if schema.is_some() && row_get == RowGet::Error && answer.is_hit() {
            return Refusal::WrongType.encode(&mut slot.out);
        }
        slot.spend(row_cost(schema));
        say(rows.whole(schema, answer), slot);
    });
    responder.rows = rows;
    after
}

/// The same of the value as it is stored.
fn with_stored<R: BlockReader>(
    key: &[u8],
    responder: &mut Responder<'_, R>,
    slot: &mut ConnectionSlot,
    say: impl FnOnce(LookupOutcome<'_>, &mut ConnectionSlot),
) -> After {
    let answer = responder.lookups.get(&responder.store, key);
    if let LookupOutcome::NotYet = answer {
        return After::NotYet;
    }
    slot.spend_lookup(answer);
    responder.loop_counters.resp.add_lookup(answer.is_hit());
    say(answer, slot);
    After::Done
}

/// The same of whether the key is there.
fn with_presence<R: BlockReader>(
    key: &[u8],
    responder: &mut Responder<'_, R>,
    slot: &mut ConnectionSlot,
    say: impl FnOnce(bool, &mut Vec<u8>),
) -> After {
    let answer = responder.lookups.contains(&responder.store, key);
    if let LookupOutcome::NotYet = answer {
        return After::NotYet;
    }
    responder.loop_counters.resp.add_lookup(answer.is_hit());
    match answer {
        LookupOutcome::Damaged => reply::error(&mut slot.out, DAMAGED),
        _ => say(answer.is_hit(), &mut slot.out),
    }
    After::Done
}
