//! `MULTI` and `EXEC`: commands that are kept, then answered in one array. The table never changes, so this only groups
//! answers; clients wrap their pipelines in it.

use graven_wire::resp::{Args, Command, Refusal, reply, request};

use super::resp::{After, RespSession};
use super::{Desk, Next};
use crate::output::Output;

/// Where a connection stands between `MULTI` and the last answer of its `EXEC`.
#[derive(Debug, Default)]
pub(super) enum Transaction {
    #[default]
    None,
    /// Commands are kept.
    Open(Kept),
    /// `EXEC` was sent; these are not answered yet.
    Executing { commands: Vec<u8>, at: usize },
}

/// Commands that wait for `EXEC`, as they are sent.
#[derive(Debug, Default)]
pub(super) struct Kept {
    commands: Vec<u8>,
    count: usize,
    /// One of them was refused.
    failed: bool,
}

impl Transaction {
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }

    pub(super) fn held_bytes(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Open(kept) => kept.commands.len(),
            Self::Executing { commands, .. } => commands.len(),
        }
    }
}

impl Desk<'_> {
    /// What becomes of a command while a transaction is open.
    pub(super) fn keep_command(
        &mut self,
        session: &mut RespSession,
        args: Args<'_>,
        command: Result<Command<'_>, Refusal<'_>>,
        out: &mut Output<'_>,
    ) -> After {
        let limit = session.request_bytes_max();
        let Transaction::Open(kept) = &mut session.transaction else { return After::Stay };
        let refusal = match command {
            Ok(Command::Multi) => Refusal::InsideMulti { command: "MULTI" },
            Ok(Command::Watch { .. }) => Refusal::InsideMulti { command: "WATCH" },
            Ok(Command::Exec | Command::Discard | Command::Reset | Command::Quit) => {
                return self.answer_command(session, command, out);
            }
            Ok(_) => {
                self.tally.resp.requests.add(1);
                request::encode(&mut kept.commands, args);
                kept.count += 1;
                if kept.commands.len() <= limit {
                    reply::simple(out, b"QUEUED");
                    return After::Stay;
                }
                *kept = Kept { failed: true, ..Kept::default() };
                Refusal::TransactionTooBig.encode(out);
                return After::Stay;
            }
            Err(refusal) => {
                kept.failed = true;
                refusal
            }
        };
        self.tally.resp.requests.add(1);
        refusal.encode(out);
        After::Stay
    }

    pub(super) fn multi(&self, session: &mut RespSession, out: &mut Vec<u8>) {
        session.transaction = Transaction::Open(Kept::default());
        reply::ok(out);
    }

    pub(super) fn discard(&self, session: &mut RespSession, out: &mut Vec<u8>) {
        match std::mem::take(&mut session.transaction) {
            Transaction::Open(_) => reply::ok(out),
            _ => Refusal::WithoutMulti { command: "DISCARD" }.encode(out),
        }
    }

    /// Begins to answer what was kept; the rest of it is left to [`go_on_with_exec`](Self::go_on_with_exec).
    pub(super) fn exec(&mut self, session: &mut RespSession, out: &mut Output<'_>) -> After {
        match std::mem::take(&mut session.transaction) {
            Transaction::Open(Kept { failed: true, .. }) => Refusal::Aborted.encode(out),
            Transaction::Open(Kept { commands, count, .. }) => {
                reply::array_head(out, count);
                session.transaction = Transaction::Executing { commands, at: 0 };
                return After::Wait;
            }
            _ => Refusal::WithoutMulti { command: "EXEC" }.encode(out),
        }
        After::Stay
    }

    /// Answers more of what was kept, as far as the output has room: whether that was all.
    pub(super) fn go_on_with_exec(&mut self, session: &mut RespSession, out: &mut Output<'_>) -> bool {
        let Transaction::Executing { commands, at } = &mut session.transaction else { return true };
        let (commands, at) = (std::mem::take(commands), *at);
        session.transaction = Transaction::None;
        let answered = self.answer_resp_input(session, &commands[at..], out);
        if answered.next == Next::Full {
            session.transaction = Transaction::Executing { commands, at: at + answered.consumed };
            return false;
        }
        true
    }
}
