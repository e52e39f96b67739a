//! What one loop records of the requests that it answers, turn by turn.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arrayvec::ArrayVec;
use graven_catalog::TableVersion;

use super::access_log::{AccessLogFormat, AccessLogQueue};
use super::record::{OpenRequest, RequestRecord, RequestTime, ShortBytes, microseconds};
use super::slow_log::{SlowEntry, SlowLog};
use crate::answer::{After, KEYS_MAX};
use crate::clients::ClientEntry;
use crate::journal::Journal;
use crate::options::RequestLogOptions;
use crate::turn::TURNS_MAX;

/// How often it is said that lines of the access log were dropped.
const DROPPED_SAID_INTERVAL: Duration = Duration::from_secs(1);

/// What requests of a connection wait for that were received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitReason {
    /// For another turn.
    Turn,
    /// For a block to be read.
    Disk,
    /// For the peer, which does not read its answers. That is not the server's time.
    Peer,
}

/// Records requests, each when it is answered.
#[derive(Debug)]
pub(crate) struct RequestRecorder {
    access_log: Option<AccessLines>,
    slow: Option<(Duration, Arc<SlowLog>)>,
    /// When the loop learnt of the events that it works on, and when this turn and its writing began.
    woken: Instant,
    began: Instant,
    writing: Instant,
    /// The connections of this turn, and the requests that it has answered.
    slots: ArrayVec<RecordedSlot, TURNS_MAX>,
    answered: Vec<RequestRecord>,
    /// The users of the lookups that are pending.
    pending_users: ArrayVec<Option<Arc<str>>, KEYS_MAX>,
    /// Connections with requests that wait.
    waiting: HashMap<usize, WaitingRequests>,
    journal: Journal,
}

/// The access log as one loop writes to it.
#[derive(Debug)]
struct AccessLines {
    queue: AccessLogQueue,
    format: AccessLogFormat,
    /// One request in so many has a line.
    sample: u64,
    random: u64,
    dropped: u64,
    dropped_said: Instant,
}

/// A connection in its turn.
#[derive(Debug)]
struct RecordedSlot {
    token: usize,
    client: Arc<ClientEntry>,
    /// The input: its bytes, those that waited for this turn, and those that were answered.
    received: usize,
    waited: usize,
    consumed: usize,
    /// The time so far of requests that waited, and of those that have come since.
    time: RequestTime,
    fresh: RequestTime,
    /// A request of which a part is answered.
    open: Option<Box<OpenRequest>>,
    open_is_fresh: bool,
    waits: Option<WaitReason>,
}

/// What is known of requests that wait between two turns.
#[derive(Debug)]
struct WaitingRequests {
    since: Instant,
    reason: WaitReason,
    /// The time so far of a request that is open and of those in the first `bytes` of the input. Of a connection that never runs
    /// dry, later ones would otherwise have the time of all before them.
    time: RequestTime,
    bytes: usize,
    open: Option<Box<OpenRequest>>,
}

impl RecordedSlot {
    /// The time before this turn of a request that ends at `end` of the input.
    fn time_before(&self, end: usize) -> RequestTime {
        if end <= self.waited { self.time } else { self.fresh }
    }

    /// For how many bytes of what is left a time is kept, and what it was before this turn.
    fn kept(&self) -> (usize, RequestTime) {
        let is_older_open = self.open.is_some() && !self.open_is_fresh;
        if is_older_open || (self.open.is_none() && self.waited > self.consumed) {
            (self.waited.saturating_sub(self.consumed), self.time)
        } else {
            (self.received.saturating_sub(self.consumed), self.fresh)
        }
    }
}

impl RequestRecorder {
    /// One for `options`, if they ask for any; `seed` is another for each loop.
    pub(crate) fn new(
        options: &RequestLogOptions,
        slow_log: &Arc<SlowLog>,
        seed: u64,
        now: Instant,
    ) -> Option<Box<Self>> {
        if options.access_log.is_none() && options.slow.is_none() {
            return None;
        }
        let access_log = options.access_log.as_ref().map(|log| AccessLines {
            queue: log.queue(),
            format: options.format,
            sample: options.sample.max(1).into(),
            // Not 0, which xorshift never leaves.
            random: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            dropped: 0,
            dropped_said: now,
        });
        Some(Box::new(Self {
            access_log,
            slow: options.slow.map(|least| (least, Arc::clone(slow_log))),
            woken: now,
            began: now,
            writing: now,
            slots: ArrayVec::new(),
            answered: Vec::new(),
            pending_users: ArrayVec::new(),
            waiting: HashMap::new(),
            journal: Journal::new(now),
        }))
    }

    /// Whether arguments of commands are wanted, beside the key.
    pub(crate) fn wants_arguments(&self) -> bool {
        self.slow.is_some()
    }

    /// A turn begins at `now`, of connections with news that the loop has learnt at `woken`.
    pub(crate) fn begin_turn(&mut self, now: Instant, woken: Instant) {
        (self.began, self.writing, self.woken) = (now, now, woken);
    }

    /// The connection that has the next slot of the turn, with so many bytes of input.
    pub(crate) fn begin_connection(&mut self, token: usize, client: &Arc<ClientEntry>, received: usize) {
        let queue = self.began.saturating_duration_since(self.woken);
        let fresh = RequestTime { queue, ..RequestTime::default() };
        let (time, waited, open) = match self.waiting.remove(&token) {
            None => (fresh, 0, None),
            Some(WaitingRequests { since, reason, mut time, bytes, open }) => {
                let waited = self.began.saturating_duration_since(since);
                match reason {
                    WaitReason::Turn => time.queue += waited,
                    WaitReason::Disk => time.disk += waited,
                    WaitReason::Peer => {}
                }
                time.write = Duration::ZERO;
                (time, bytes, open)
            }
        };
        self.slots.push(RecordedSlot {
            token,
            client: Arc::clone(client),
            received,
            waited,
            consumed: 0,
            time,
            fresh,
            open,
            open_is_fresh: false,
            waits: None,
        });
    }

    /// A lookup is pending that `user` has asked for.
    #[cold]
    pub(crate) fn add_pending(&mut self, user: Option<&Arc<str>>) {
        self.pending_users.push(user.cloned());
    }

    /// Who has asked for a pending lookup.
    pub(crate) fn pending_user(&self, i: usize) -> Option<&Arc<str>> {
        self.pending_users.get(i)?.as_ref()
    }

    /// No lookup is pending any longer.
    #[cold]
    pub(crate) fn clear_pending(&mut self) {
        self.pending_users.clear();
    }

    /// The request of this slot of which a part is answered.
    pub(crate) fn take_open(&mut self, slot: usize) -> Option<Box<OpenRequest>> {
        self.slots[slot].open.take()
    }

    /// A lookup that ends at `end` of the input was answered by `version`.
    pub(crate) fn looked_up(
        &mut self,
        slot: usize,
        end: usize,
        mut open: OpenRequest,
        version: Option<&Arc<TableVersion>>,
    ) {
        open.set_version(version);
        self.answered.push(open.end(slot, end));
    }

    /// A request that ends at `end` of the input, 0 if it was read in an earlier turn, was answered, as far as `after` says, of
    /// `version` if it asked a table.
    pub(crate) fn answered(
        &mut self,
        slot: usize,
        end: usize,
        mut open: Box<OpenRequest>,
        after: After,
        version: Option<&Arc<TableVersion>>,
    ) {
        open.set_version(version);
        match after {
            After::Done | After::Close => self.answered.push(open.end(slot, end)),
            After::Unfinished(_) => {
                let slot = &mut self.slots[slot];
                (slot.open, slot.open_is_fresh) = (Some(open), end > slot.waited);
            }
            // It is decoded again.
            After::NotYet => {}
        }
    }

    /// All is answered that this turn answers.
    pub(crate) fn begin_writing(&mut self, now: Instant) {
        self.writing = now;
    }

    /// Of the input of a slot, the first `consumed` bytes are answered, and this is what its connection waits for.
    pub(crate) fn end_connection(&mut self, slot: usize, consumed: usize, waits: Option<WaitReason>) {
        let slot = &mut self.slots[slot];
        (slot.consumed, slot.waits) = (consumed, waits);
    }

    /// The turn has ended at `now`.
    pub(crate) fn end_turn(&mut self, now: Instant, time_of_day: impl FnOnce() -> SystemTime) {
        let answer = self.writing.saturating_duration_since(self.began);
        let write = now.saturating_duration_since(self.writing);
        if !self.answered.is_empty() {
            let at = time_of_day();
            let mut answered = std::mem::take(&mut self.answered);
            for record in answered.drain(..) {
                let slot = &self.slots[record.slot];
                let before = slot.time_before(record.end);
                let time = RequestTime { answer: before.answer + answer, write, ..before };
                if let Some(access_log) = &mut self.access_log {
                    access_log.log(&record, at, &slot.client, time.total());
                }
                if let Some((least, slow_log)) = &self.slow
                    && time.total() >= *least
                {
                    slow_log.add(slow_entry(&record, at, &slot.client, time));
                    say_slow(&mut self.journal, now, &record, &slot.client, time);
                }
            }
            self.answered = answered;
        }
        for slot in self.slots.drain(..) {
            let Some(reason) = slot.waits else { continue };
            let (bytes, before) = slot.kept();
            let time = RequestTime { answer: before.answer + answer + write, ..before };
            let waiting = WaitingRequests { since: now, reason, time, bytes, open: slot.open };
            self.waiting.insert(slot.token, waiting);
        }
    }

    /// A connection is closed, with whatever it has asked.
    pub(crate) fn forget(&mut self, token: usize) {
        self.waiting.remove(&token);
    }

    /// Has the lines of the turns so far be written, and says how many were dropped.
    pub(crate) fn hand_over(&mut self, now: Instant) {
        let Some(access_log) = &mut self.access_log else { return };
        access_log.queue.hand_over();
        if access_log.dropped > 0 && now.duration_since(access_log.dropped_said) >= DROPPED_SAID_INTERVAL {
            tracing::warn!(
                event = "access_log_dropped",
                lines = access_log.dropped,
                "lines of the access log were dropped: the file takes them more slowly than requests come"
            );
            (access_log.dropped, access_log.dropped_said) = (0, now);
        }
    }
}

impl AccessLines {
    fn log(&mut self, record: &RequestRecord, at: SystemTime, client: &ClientEntry, time: Duration) {
        if self.sample > 1 {
            self.random ^= self.random << 13;
            self.random ^= self.random >> 7;
            self.random ^= self.random << 17;
            if !self.random.is_multiple_of(self.sample) {
                return;
            }
        }
        let added = self.queue.add(|out| record.write_line(self.format, at, client, time, out));
        self.dropped += u64::from(!added);
    }
}

fn slow_entry(record: &RequestRecord, at: SystemTime, client: &ClientEntry, time: RequestTime) -> SlowEntry {
    SlowEntry {
        at: at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        microseconds: microseconds(time.total()),
        arguments: record.arguments(),
        peer: client.ends().peer(),
        client_name: ShortBytes::of(&client.state().resp.name).to_argument(),
        client_id: client.id,
        user: record.user.clone(),
        table: record.version.as_ref().map(|version| version.table().as_str().into()),
    }
}

fn say_slow(
    journal: &mut Journal,
    now: Instant,
    record: &RequestRecord,
    client: &ClientEntry,
    time: RequestTime,
) {
    if journal.admit(now) {
        let summary = &record.summary;
        tracing::warn!(
            event = "slow_request",
            peer = client.ends().peer(),
            user = record.user.as_deref(),
            table = record.version.as_ref().map(|version| &**version.label()),
            command = summary.command,
            route = Some(summary.route).filter(|route| !route.is_empty()),
            key = summary.key.as_ref().map(tracing::field::display),
            microseconds = microseconds(time.total()),
            queue_us = microseconds(time.queue),
            disk_us = microseconds(time.disk),
            answer_us = microseconds(time.answer),
            write_us = microseconds(time.write),
            "slow request"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::{Clients, Ends};
    use crate::request_log::RequestSummary;
    use crate::simulated::NobodyWakes;
    use crate::system::Wake;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn open() -> Box<OpenRequest> {
        Box::new(OpenRequest::new("resp", RequestSummary::of_key("get", "", b"k")))
    }

    #[test]
    fn the_time_of_a_request_is_divided_among_what_it_has_waited_for() {
        let start = Instant::now();
        let client = Clients::new([Arc::new(NobodyWakes) as Arc<dyn Wake>]).admit(0, Ends::Unix, -1, start);
        let slow_log = Arc::<SlowLog>::default();
        let options = RequestLogOptions { slow: Some(ms(27)), ..RequestLogOptions::default() };
        let mut recorder = RequestRecorder::new(&options, &slow_log, 1, start).unwrap();
        // Four requests of ten bytes come at once.
        let mut left = 40;
        let mut turn = |from: u64, writing: u64, to: u64, waits: Option<WaitReason>, after: After| {
            recorder.begin_turn(start + ms(from), start);
            recorder.begin_connection(7, &client, left);
            let time = recorder.slots[0].time;
            recorder.answered(0, 10, open(), after, None);
            recorder.begin_writing(start + ms(writing));
            let consumed = if after == After::Done { 10 } else { 0 };
            recorder.end_connection(0, consumed, waits);
            left -= consumed;
            recorder.end_turn(start + ms(to), || UNIX_EPOCH + ms(5_000));
            time
        };
        // Three milliseconds until its turn, a turn of one, a read of twenty, a turn of two, and one to write.
        let first = turn(3, 4, 4, Some(WaitReason::Disk), After::NotYet);
        assert_eq!(first, RequestTime { queue: ms(3), ..RequestTime::default() });
        let second = turn(24, 26, 27, Some(WaitReason::Peer), After::Done);
        assert_eq!(second, RequestTime { queue: ms(3), disk: ms(20), answer: ms(1), write: ms(0) });
        // One that waits behind it, until the peer reads. That is not the server's time.
        let third = turn(1_027, 1_027, 1_027, Some(WaitReason::Turn), After::Done);
        assert_eq!(third, RequestTime { answer: ms(4), ..second });
        let fourth = turn(1_030, 1_030, 1_030, None, After::Done);
        assert_eq!(fourth, RequestTime { queue: ms(6), ..third });
        // What comes later waits anew.
        let fifth = turn(2_000, 2_001, 2_002, None, After::Done);
        assert_eq!(fifth, RequestTime { queue: ms(2_000), ..RequestTime::default() });
        let entries = slow_log.latest(|_| true);
        let found: Vec<_> = entries.iter().map(|(_, entry)| (entry.at, entry.microseconds)).collect();
        assert_eq!(found, [(5, 2_002_000), (5, 30_000), (5, 27_000), (5, 27_000)]);
    }

    #[test]
    fn a_connection_that_never_runs_dry_does_not_hand_its_waits_to_requests_that_come_later() {
        for waits in [WaitReason::Disk, WaitReason::Turn] {
            let start = Instant::now();
            let client =
                Clients::new([Arc::new(NobodyWakes) as Arc<dyn Wake>]).admit(0, Ends::Unix, -1, start);
            let slow_log = Arc::<SlowLog>::default();
            let options = RequestLogOptions { slow: Some(Duration::ZERO), ..RequestLogOptions::default() };
            let mut recorder = RequestRecorder::new(&options, &slow_log, 1, start).unwrap();
            for i in 0..1_000 {
                // A turn takes 4 ms, and one is every 10 ms. Of two requests one is answered, and the next comes behind the other.
                let began = start + ms(10 * i);
                recorder.begin_turn(began, began);
                recorder.begin_connection(7, &client, 20);
                recorder.answered(0, 10, open(), After::Done, None);
                recorder.begin_writing(began + ms(4));
                recorder.end_connection(0, 10, Some(waits));
                recorder.end_turn(began + ms(4), || UNIX_EPOCH);
            }
            let times: Vec<_> =
                slow_log.latest(|_| true).iter().map(|(_, entry)| entry.microseconds).collect();
            assert_eq!(times, [14_000; 128], "{waits:?}");
        }
    }

    #[test]
    fn a_request_that_comes_behind_one_that_waited_has_its_own_time_while_parts_of_it_are_answered() {
        let start = Instant::now();
        let client = Clients::new([Arc::new(NobodyWakes) as Arc<dyn Wake>]).admit(0, Ends::Unix, -1, start);
        let slow_log = Arc::<SlowLog>::default();
        let options = RequestLogOptions { slow: Some(Duration::ZERO), ..RequestLogOptions::default() };
        let mut recorder = RequestRecorder::new(&options, &slow_log, 1, start).unwrap();
        let stop = crate::answer::StopReason::Full;
        let mut turn = |from: u64, received: usize, requests: &[(usize, After)], consumed: usize| {
            recorder.begin_turn(start + ms(from), start + ms(from));
            recorder.begin_connection(7, &client, received);
            for &(end, after) in requests {
                let open = recorder.take_open(0).unwrap_or_else(open);
                recorder.answered(0, end, open, after, None);
            }
            recorder.begin_writing(start + ms(from));
            recorder.end_connection(0, consumed, Some(WaitReason::Turn));
            recorder.end_turn(start + ms(from), || UNIX_EPOCH);
        };
        // The first waits a second. The second comes then, and is answered in two turns; the third waits behind it.
        turn(0, 10, &[(10, After::NotYet)], 0);
        turn(1_000, 30, &[(10, After::Done), (20, After::Unfinished(stop))], 20);
        turn(1_005, 10, &[(0, After::Unfinished(stop))], 0);
        turn(1_007, 20, &[(0, After::Done), (10, After::Done), (20, After::Done)], 20);
        let mut times: Vec<_> =
            slow_log.latest(|_| true).iter().map(|(_, entry)| entry.microseconds).collect();
        times.reverse();
        assert_eq!(times, [1_000_000, 7_000, 7_000, 0]);
    }

    #[test]
    fn a_connection_that_is_closed_leaves_nothing_behind_for_the_next_of_its_number() {
        let start = Instant::now();
        let client = Clients::new([Arc::new(NobodyWakes) as Arc<dyn Wake>]).admit(0, Ends::Unix, -1, start);
        let options = RequestLogOptions { slow: Some(Duration::ZERO), ..RequestLogOptions::default() };
        let mut recorder = RequestRecorder::new(&options, &Arc::default(), 1, start).unwrap();
        recorder.begin_turn(start, start);
        recorder.begin_connection(7, &client, 10);
        recorder.end_connection(0, 0, Some(WaitReason::Disk));
        recorder.end_turn(start, || UNIX_EPOCH);
        assert_eq!(recorder.waiting.len(), 1);
        recorder.forget(7);
        assert!(recorder.waiting.is_empty());
    }
}
