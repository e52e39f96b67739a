//! `SLOWLOG`: the last requests that took long, of every protocol.

use graven_wire::resp::{SlowlogTopic, reply};

use super::RespSession;
use crate::answer::{ConnectionSlot, Responder};
use crate::request_log::SlowEntry;

/// What an entry costs, in nanoseconds.
const ENTRY_COST: u64 = 1_000;

impl RespSession {
    pub(super) fn slowlog<R>(
        &self,
        topic: SlowlogTopic,
        responder: &Responder<'_, R>,
        slot: &mut ConnectionSlot,
    ) {
        let (log, asker) = (&responder.counters.slow_log, &self.asker);
        let sees = |entry: &SlowEntry| self.sees_entry(entry, responder);
        match topic {
            SlowlogTopic::Reset => {
                log.forget(sees);
                reply::ok(&mut slot.out);
            }
            SlowlogTopic::Len => reply::integer(&mut slot.out, super::integer(log.latest(sees).len())),
            SlowlogTopic::Get { count } => {
                let mut entries = log.latest(sees);
                entries.truncate(count.and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX));
                slot.spend(ENTRY_COST * entries.len() as u64);
                reply::array_head(&mut slot.out, entries.len());
                for (number, entry) in entries {
                    write_entry(number, &entry, self.is_own(&entry) || asker.is_everybody(), &mut slot.out);
                }
            }
            _ => reply::array_head(&mut slot.out, 0),
        }
    }

    /// Whether a request is one of who asks.
    fn is_own(&self, entry: &SlowEntry) -> bool {
        match self.asker.name() {
            Some(name) => entry.user.as_ref() == Some(name),
            None => entry.client_id == self.client.id,
        }
    }

    /// Whether who asks may ask the table that a request has asked. One that has asked none is told to everybody where there
    /// are no users, and elsewhere to who has sent it.
    fn sees_entry<R>(&self, entry: &SlowEntry, responder: &Responder<'_, R>) -> bool {
        let rule = self.asker.rule();
        match &entry.table {
            Some(table) => responder.snapshot.named(table).is_some_and(|table| rule.allows(table.id())),
            None => self.is_own(entry) || (self.asker.is_everybody() && !rule.is_single()),
        }
    }
}

/// One entry as Redis has it. From where others have asked is not told to users.
fn write_entry(number: u64, entry: &SlowEntry, names_client: bool, out: &mut Vec<u8>) {
    let integer = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    reply::array_head(out, 6);
    reply::integer(out, integer(number));
    reply::integer(out, integer(entry.at));
    reply::integer(out, integer(entry.microseconds));
    reply::array_head(out, entry.arguments.len());
    entry.arguments.iter().for_each(|argument| reply::bulk(out, argument));
    reply::bulk(out, if names_client { entry.peer.as_bytes() } else { b"" });
    reply::bulk(out, if names_client { &entry.client_name } else { b"" });
}
