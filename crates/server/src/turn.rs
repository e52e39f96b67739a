//! Turns of several connections at once: all are read from, the table is asked for all together, and then all are written
//! to. The waits for memory overlap, and a client that runs beside the server is woken once for several answers.

use std::time::Instant;

use arrayvec::ArrayVec;
use slab::Slab;

use crate::answer::{ConnectionSlot, Next, Pending};
use crate::connection::{Begun, Connection, LoopAction, LoopShared, Received};
use crate::request_log::RequestRecorder;
use crate::system::System;

/// Connections that have their turns at once.
pub(crate) const TURNS_MAX: usize = 16;

/// Bytes read at once from one connection.
const READ_BYTES: usize = 64 * 1024;

/// Room for the answers to one connection that is kept from turn to turn.
const OUT_KEPT_BYTES: usize = 64 * 1024;

/// The room that connections need while they have their turns, used again and again.
#[derive(Debug)]
pub(crate) struct Turns {
    /// What is read, one connection's bytes behind the other's.
    room: Vec<u8>,
    slots: [ConnectionSlot; TURNS_MAX],
    output_bytes_max: usize,
}

impl Turns {
    /// Room for turns after which about `output_bytes_max` bytes of each connection wait to be written.
    pub(crate) fn new(output_bytes_max: usize) -> Self {
        let slots = std::array::from_fn(|_| ConnectionSlot::default());
        Self { room: vec![0; TURNS_MAX * READ_BYTES], slots, output_bytes_max }
    }

    /// Gives each of at most [`TURNS_MAX`] connections a turn that may cost `cost_max`, and adds to `outcomes` how it goes on
    /// with each. `recorder` learns of the requests that are answered; the loop has known of them since `woken`.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn serve<S: System>(
        &mut self,
        tokens: &[usize],
        cost_max: u64,
        woken: Instant,
        connections: &mut Slab<Connection<S::Stream>>,
        shared: &mut LoopShared<'_, S>,
        outcomes: &mut Vec<(usize, LoopAction)>,
        mut recorder: Option<&mut RequestRecorder>,
    ) {
        let Self { room, slots, output_bytes_max } = self;
        if let Some(recorder) = &mut recorder {
            recorder.begin_turn(shared.system.now(), woken);
        }
        let mut received = ArrayVec::<(usize, Received<'_>), TURNS_MAX>::new();
        let mut room = &mut room[..];
        for &token in tokens {
            let Some(connection) = connections.get_mut(token) else { continue };
            let begun = connection.begin(shared, &mut room[..READ_BYTES]);
            let settled = match begun {
                Ok(Begun::Read(bytes)) => {
                    let (now, rest) = room.split_at_mut(bytes);
                    room = rest;
                    received.push((token, Received::Now(now)));
                    continue;
                }
                Ok(Begun::Held) => {
                    received.push((token, Received::Before(connection.take_input())));
                    continue;
                }
                Ok(Begun::Nothing(outcome)) => connection.settle(Ok(outcome), shared),
                Err(error) => connection.settle(Err(error), shared),
            };
            outcomes.push((token, settled));
        }
        let mut pending = Pending::default();
        let mut nexts = ArrayVec::<Next, TURNS_MAX>::new();
        for (i, (token, bytes)) in received.iter().enumerate() {
            let Some(connection) = connections.get_mut(*token) else {
                unreachable!("it was read from just now")
            };
            slots[i].begin(cost_max, *output_bytes_max);
            if let Some(recorder) = &mut recorder {
                recorder.begin_connection(*token, connection.client(), bytes.bytes().len());
            }
            let session = connection.session();
            let next = shared.responder.respond(
                session,
                i,
                bytes.bytes(),
                &mut pending,
                slots,
                recorder.as_deref_mut(),
            );
            nexts.push(next);
            if shared.responder.looks_up_apart() {
                shared.responder.look_up(&mut pending, slots, recorder.as_deref_mut());
            }
            if let Some(fetcher) = shared.responder.lookups().fetcher() {
                fetcher.settle(*token);
            }
        }
        if !pending.is_empty() {
            shared.responder.look_up(&mut pending, slots, recorder.as_deref_mut());
        }
        drop(pending);
        if let Some(recorder) = &mut recorder {
            recorder.begin_writing(shared.system.now());
        }
        // Drained, because the whole arrays would be copied to be moved.
        for (i, (((token, received), &next), slot)) in
            received.drain(..).zip(&nexts).zip(&mut *slots).enumerate()
        {
            let Some(connection) = connections.get_mut(token) else { continue };
            let finished = connection.finish(token, received, next, slot, shared);
            outcomes.push((token, connection.settle(finished, shared)));
            if let Some(recorder) = &mut recorder {
                recorder.end_connection(i, slot.consumed, connection.waits_with_requests());
            }
            slot.out.give_back(OUT_KEPT_BYTES);
        }
    }
}
