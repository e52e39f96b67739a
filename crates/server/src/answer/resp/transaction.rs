//! `MULTI` and `EXEC`: commands that are queued, then answered in one array. No key ever changes, so this only groups
//! answers; clients wrap their pipelines in it. All answers of one `EXEC` come from the version with which it began.

use std::sync::Arc;

use graven_blocks::BlockReader;
use graven_catalog::Snapshot;
use graven_wire::resp::{Args, Command, Refusal, reply, request};

use super::RespSession;
use crate::answer::{After, ConnectionSlot, Next, Pending, Responder, StopReason};

/// Where a connection stands between `MULTI` and `EXEC`.
#[derive(Debug, Default)]
pub(super) enum Transaction {
    #[default]
    None,
    /// Commands are queued.
    Open(Queued),
}

/// Commands that wait for `EXEC`, as they are sent.
#[derive(Debug, Default)]
pub(super) struct Queued {
    commands: Vec<u8>,
    count: usize,
    /// One of them was refused.
    failed: bool,
}

/// Commands of an `EXEC`, answered up to a place.
#[derive(Debug)]
pub(super) struct Executing {
    commands: Vec<u8>,
    at: usize,
    /// The tables as they were when it began.
    snapshot: Arc<Snapshot>,
}

impl Executing {
    pub(super) fn held_bytes(&self) -> usize {
        self.commands.len()
    }
}

impl Transaction {
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }

    /// A command was refused: there is nothing to execute.
    pub(super) fn fail(&mut self) {
        if let Self::Open(queued) = self {
            queued.failed = true;
        }
    }

    /// How many commands are queued; `None` where none may be.
    pub(super) fn queued(&self) -> Option<usize> {
        match self {
            Self::None => None,
            Self::Open(queued) => Some(queued.count),
        }
    }

    pub(super) fn held_bytes(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Open(queued) => queued.commands.len(),
        }
    }
}

impl RespSession {
    /// What becomes of a command while a transaction is open.
    pub(super) fn queue<R: BlockReader>(
        &mut self,
        args: Args<'_>,
        command: Result<Command<'_>, Refusal<'_>>,
        responder: &mut Responder<'_, R>,
        slot: &mut ConnectionSlot,
    ) -> After {
        responder.loop_counters.resp.requests.add(1);
        let limit = self.decoder.limits().request_bytes_max;
        let Transaction::Open(queued) = &mut self.transaction else { return After::Done };
        let refusal = match command {
            Ok(Command::Multi) => Refusal::InsideMulti { command: "MULTI" },
            Ok(Command::Watch { .. }) => Refusal::InsideMulti { command: "WATCH" },
            Ok(command @ (Command::Exec | Command::Discard | Command::Reset | Command::Quit)) => {
                return self.answer_command(command, responder, slot);
            }
            Ok(_) => {
                request::encode(&mut queued.commands, args);
                queued.count += 1;
                if queued.commands.len() <= limit {
                    reply::simple(&mut slot.out, b"QUEUED");
                    return After::Done;
                }
                *queued = Queued { failed: true, ..Queued::default() };
                Refusal::TransactionTooBig.encode(&mut slot.out);
                return After::Done;
            }
            Err(refusal) => {
                queued.failed = true;
                refusal
            }
        };
        refusal.encode(&mut slot.out);
        After::Done
    }

    pub(super) fn multi(&mut self, out: &mut Vec<u8>) {
        self.transaction = Transaction::Open(Queued::default());
        reply::ok(out);
    }

    pub(super) fn discard(&mut self, out: &mut Vec<u8>) {
        match std::mem::take(&mut self.transaction) {
            Transaction::Open(_) => reply::ok(out),
            Transaction::None => Refusal::WithoutMulti { command: "DISCARD" }.encode(out),
        }
    }

    /// Begins to answer what was queued.
    pub(super) fn exec<R: BlockReader>(
        &mut self,
        responder: &mut Responder<'_, R>,
        slot: &mut ConnectionSlot,
    ) -> After {
        match std::mem::take(&mut self.transaction) {
            Transaction::Open(Queued { failed: true, .. }) => Refusal::Aborted.encode(&mut slot.out),
            Transaction::Open(Queued { commands, count, .. }) => {
                if !self.is_silent {
                    reply::array_head(&mut slot.out, count);
                }
                let snapshot = Arc::clone(&responder.snapshot);
                return self.execute(Box::new(Executing { commands, at: 0, snapshot }), responder, slot);
            }
            Transaction::None => Refusal::WithoutMulti { command: "EXEC" }.encode(&mut slot.out),
        }
        After::Done
    }

    /// Answers more of what was queued, as far as there is room, and keeps the rest.
    pub(super) fn execute<R: BlockReader>(
        &mut self,
        mut executing: Box<Executing>,
        responder: &mut Responder<'_, R>,
        slot: &mut ConnectionSlot,
    ) -> After {
        let Executing { commands, at, snapshot } = &mut *executing;
        let current = responder.use_snapshot(Arc::clone(snapshot));
        let outer = slot.consumed;
        let mut pending = Pending::default();
        slot.consumed = 0;
        self.in_exec = true;
        self.find_whether_plain();
        let slots = std::slice::from_mut(slot);
        let next = responder.respond_in(self, 0, &commands[*at..], &mut pending, slots, None);
        responder.look_up(&mut pending, slots, None);
        drop(pending);
        responder.use_snapshot(current);
        self.in_exec = false;
        // Each command has seen for itself whether it is silent.
        self.settled = slot.out.end();
        let next = slot.stop.take().map_or(next, Next::from);
        *at += std::mem::replace(&mut slot.consumed, outer);
        let stop = match next {
            Next::Reading => StopReason::NotYet,
            Next::Close => return After::Close,
            _ if *at == commands.len() && self.unfinished.is_none() => return After::Done,
            _ => StopReason::Full,
        };
        self.decoder.rewind();
        self.executing = Some(executing);
        After::Unfinished(stop)
    }
}
