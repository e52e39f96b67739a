//! Turns of several connections at once: all are read from, the table is asked once for those that have one key each to
//! look up, and then all are written to. The waits for memory overlap, and a client that runs beside the server is woken
//! once for several answers.

use arrayvec::ArrayVec;
use graven_format::Store;
use slab::Slab;

use crate::answer::{Lone, Next};
use crate::conn::{Conn, Heard, Means, Outcome, Turn};
use crate::output::Output;

/// Connections that have their turns at once.
pub(crate) const WAVE: usize = 16;

/// Bytes read at once from one connection.
const READ_BYTES: usize = 64 * 1024;

/// Room for the answers to one connection that is kept from turn to turn.
const OUT_KEPT_BYTES: usize = 64 * 1024;

/// The room that connections need while they have their turns, used again and again.
#[derive(Debug)]
pub(crate) struct Wave<'t> {
    /// What is read, one connection's bytes behind the other's.
    room: Vec<u8>,
    outs: [Output<'t>; WAVE],
}

/// A connection that was heard.
struct Voice {
    token: usize,
    next: Next,
}

impl<'t> Wave<'t> {
    pub(crate) fn new(store: &'t Store) -> Self {
        let room = vec![0; WAVE * READ_BYTES];
        Self { room, outs: std::array::from_fn(|_| Output::new(store)) }
    }

    /// Gives each of at most [`WAVE`] connections its turn, and returns how it goes on with each.
    pub(crate) fn serve(
        &mut self,
        tokens: &[usize],
        conns: &mut Slab<Conn<'t>>,
        means: &mut Means<'t>,
    ) -> ArrayVec<(usize, Outcome), WAVE> {
        let mut outcomes = ArrayVec::new();
        let mut voices = ArrayVec::<Voice, WAVE>::new();
        let mut lones = ArrayVec::<(usize, Lone<'_>), WAVE>::new();
        let mut room = &mut self.room[..];
        for &token in tokens {
            let Some(conn) = conns.get_mut(token) else { continue };
            let mut turn = Turn { means, token, out: &mut self.outs[voices.len()] };
            let heard = conn.hear(&mut turn, &mut room[..READ_BYTES]);
            let next = match heard {
                Ok(Heard::Bytes(bytes)) => {
                    let (input, rest) = room.split_at_mut(bytes);
                    room = rest;
                    match conn.lone(input, &mut turn) {
                        Some(lone) => {
                            lones.push((voices.len(), lone));
                            Next::NeedMore
                        }
                        None => conn.answer_read(input, &mut turn),
                    }
                }
                Ok(Heard::More) => conn.answer_held(&mut turn),
                Ok(Heard::Nothing(outcome)) => {
                    outcomes.push((token, conn.settle(Ok(outcome), &mut turn)));
                    continue;
                }
                Err(error) => {
                    outcomes.push((token, conn.settle(Err(error), &mut turn)));
                    continue;
                }
            };
            voices.push(Voice { token, next });
        }
        means.desk.answer_lones(&lones, means.clock.date(), &mut self.outs);
        for (Voice { token, next }, out) in voices.into_iter().zip(&mut self.outs) {
            let Some(conn) = conns.get_mut(token) else { continue };
            let mut turn = Turn { means, token, out };
            let delivered = conn.deliver(next, &mut turn);
            outcomes.push((token, conn.settle(delivered, &mut turn)));
            out.give_back(OUT_KEPT_BYTES);
        }
        outcomes
    }
}
