//! New connections: accepted by the first loop, spread evenly over all loops, slowed down when the system runs out.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::counters::Counters;
use crate::journal::Journal;
use crate::listener::ListenerRules;
use crate::system::{System, Wake};

/// How long no connection is accepted after the system had no descriptor or memory left for one.
const PAUSE: Duration = Duration::from_millis(100);

/// Connections accepted in one go before the loop looks after the others.
const ACCEPTS_PER_TURN: usize = 256;

/// Connections on their way to a loop.
#[derive(Debug)]
pub(crate) struct Inbox<S> {
    queue: Mutex<Vec<(S, ListenerRules)>>,
    waker: Arc<dyn Wake>,
}

impl<S> Inbox<S> {
    /// The inbox of the loop that `waker` wakes.
    pub(crate) fn new(waker: Arc<dyn Wake>) -> Self {
        Self { queue: Mutex::default(), waker }
    }

    pub(crate) fn waker(&self) -> &Arc<dyn Wake> {
        &self.waker
    }

    /// What came since the last call.
    pub(crate) fn take(&self) -> Vec<(S, ListenerRules)> {
        std::mem::take(&mut self.queue.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Hands a connection to the loop, and wakes it.
    pub(crate) fn put(&self, stream: S, rules: ListenerRules) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).push((stream, rules));
        self.waker.wake();
    }
}

/// What is known about the listeners.
#[derive(Debug)]
pub(crate) struct Acceptor {
    /// Whether each listener may have connections waiting.
    may_have_some: Vec<bool>,
    /// Until when none is taken at each listener.
    deferred: Vec<Option<Instant>>,
    paused_until: Option<Instant>,
    connections_max: usize,
    /// Where the search for the least loaded loop begins, so that equals take turns.
    next_loop: usize,
}

impl Acceptor {
    pub(crate) fn new(listeners: usize, connections_max: usize) -> Self {
        let deferred = vec![None; listeners];
        Self {
            may_have_some: vec![true; listeners],
            deferred,
            paused_until: None,
            connections_max,
            next_loop: 0,
        }
    }

    /// The `i`th listener may have connections waiting.
    pub(crate) fn note(&mut self, i: usize) {
        if let Some(may_have_some) = self.may_have_some.get_mut(i) {
            *may_have_some = true;
        }
    }

    /// When to look again although no listener has news.
    pub(crate) fn due(&self, now: Instant) -> Option<Duration> {
        let left = |until: Option<Instant>| {
            until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
        };
        let waiting =
            self.may_have_some.iter().zip(&self.deferred).filter(|(may_have_some, _)| **may_have_some);
        let soonest = waiting.map(|(_, deferred)| left(*deferred)).min()?;
        Some(soonest.max(left(self.paused_until)))
    }

    /// Accepts what waits, and returns the streams that fall to the first loop, which this is.
    pub(crate) fn accept<S: System>(
        &mut self,
        system: &mut S,
        inboxes: &[Inbox<S::Stream>],
        counters: &Counters,
        now: Instant,
        journal: &mut Journal,
    ) -> Vec<(S::Stream, ListenerRules)> {
        let mut own = Vec::new();
        if self.paused_until.is_some_and(|until| now < until) {
            return own;
        }
        self.paused_until = None;
        for i in 0..self.may_have_some.len() {
            if !self.may_have_some[i] || self.deferred[i].is_some_and(|until| now < until) {
                continue;
            }
            self.deferred[i] = None;
            for _ in 0..ACCEPTS_PER_TURN {
                if let Some(pause) = system.pause(i) {
                    self.deferred[i] = Some(now + pause);
                    break;
                }
                match system.accept(i) {
                    Ok((stream, rules)) => {
                        own.extend(self.place::<S>(stream, rules, inboxes, counters, now, journal));
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.may_have_some[i] = false;
                        break;
                    }
                    Err(error) if is_exhaustion(&error) => {
                        journal.trouble(now, &error, "no connection can be accepted for the moment");
                        self.paused_until = Some(now + PAUSE);
                        return own;
                    }
                    // The one that was about to be accepted is gone; the next one may be well.
                    Err(_) => {}
                }
            }
        }
        own
    }

    /// Accepts all that waits, for the first loop, which is this and the one that stops listening: a peer whose connection was
    /// not accepted would find it reset. Returned are as many as may be open.
    pub(crate) fn accept_rest<S: System>(
        &mut self,
        system: &mut S,
        counters: &Counters,
    ) -> Vec<(S::Stream, ListenerRules)> {
        let mut rest = Vec::new();
        let open: usize = counters.connections.iter().map(|open| open.load(Ordering::Relaxed)).sum();
        let room = self.connections_max.saturating_sub(open);
        for i in 0..self.may_have_some.len() {
            while rest.len() < room
                && let Ok(accepted) = system.accept(i)
            {
                counters.connections[0].fetch_add(1, Ordering::Relaxed);
                counters.loops[0].connections_opened.add(1);
                rest.push(accepted);
            }
        }
        rest
    }

    /// Hands a stream to the least loaded loop; returned is one that falls to the first.
    fn place<S: System>(
        &mut self,
        stream: S::Stream,
        rules: ListenerRules,
        inboxes: &[Inbox<S::Stream>],
        counters: &Counters,
        now: Instant,
        journal: &mut Journal,
    ) -> Option<(S::Stream, ListenerRules)> {
        // Connections that each loop has or is about to get.
        let loads = counters.connections.iter().map(|open| open.load(Ordering::Relaxed));
        // Whoever accepts is the first loop.
        let loop_counters = &counters.loops[0];
        if loads.clone().sum::<usize>() >= self.connections_max {
            loop_counters.connections_refused.add(1);
            journal.refused_connection(now, &stream, self.connections_max);
            return None;
        }
        let from_next = |i: usize| (i + inboxes.len() - self.next_loop) % inboxes.len();
        let (least, _) = loads.enumerate().min_by_key(|&(i, load)| (load, from_next(i)))?;
        self.next_loop = (least + 1) % inboxes.len();
        counters.connections[least].fetch_add(1, Ordering::Relaxed);
        loop_counters.connections_opened.add(1);
        if least == 0 {
            return Some((stream, rules));
        }
        inboxes[least].put(stream, rules);
        None
    }
}

/// Whether the system has run out of what a connection needs, which closing others may bring back.
fn is_exhaustion(error: &io::Error) -> bool {
    /// `EMFILE`, `ENFILE`, `ENOBUFS` and `ENOMEM` have no `ErrorKind` of their own but the last.
    const EXHAUSTION: [i32; 3] = [24, 23, 105];
    error.kind() == io::ErrorKind::OutOfMemory
        || error.raw_os_error().is_some_and(|code| EXHAUSTION.contains(&code))
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::io::IoSlice;
    use std::sync::atomic::AtomicUsize;
    use std::time::SystemTime;

    use super::*;
    use crate::clients::Ends;
    use crate::endpoint::Speaks;
    use crate::system::{Event, Stream};

    const RULES: ListenerRules = ListenerRules { speaks: Speaks::Any, checks_host: false, table: None };

    /// A stream that does nothing but have a number.
    #[derive(Debug, PartialEq)]
    struct NumberedStream(usize);

    impl Stream for NumberedStream {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            unreachable!("nothing is read from what is accepted")
        }

        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            unreachable!("nothing is written to what is accepted")
        }

        fn write_vectored(&mut self, _: &[IoSlice<'_>]) -> io::Result<usize> {
            unreachable!("nothing is written to what is accepted")
        }

        fn end_output(&mut self) -> io::Result<()> {
            unreachable!("nothing is written to what is accepted")
        }

        fn peer(&self) -> String {
            self.0.to_string()
        }

        fn ends(&self) -> Ends {
            unreachable!("nobody lists it")
        }

        fn descriptor(&self) -> i32 {
            -1
        }
    }

    /// ScriptedListeners at which so many connections wait, or an error, in order.
    #[derive(Debug, Default)]
    struct ScriptedListeners {
        waiting: Vec<VecDeque<ScriptedAccept>>,
        /// How long none is to be accepted, at each.
        pauses: Vec<Option<Duration>>,
        /// What each call asked for.
        asked: Vec<usize>,
        accepted: usize,
    }

    #[derive(Clone, Copy, Debug)]
    enum ScriptedAccept {
        Connections(usize),
        Error(i32),
        OutOfMemory,
    }

    impl System for ScriptedListeners {
        type Stream = NumberedStream;
        type Reader = graven_blocks::FileReader;

        fn now(&self) -> Instant {
            unreachable!("it is told the time")
        }

        fn time_of_day(&self) -> SystemTime {
            unreachable!("it is told the time")
        }

        fn wait(&mut self, _: Option<Duration>, _: &mut Vec<Event>) -> io::Result<()> {
            unreachable!("nobody waits")
        }

        fn watch(&mut self, _: &mut NumberedStream, _: usize) -> io::Result<()> {
            unreachable!("nobody watches")
        }

        fn watch_writable(&mut self, _: &mut NumberedStream, _: usize) -> io::Result<()> {
            unreachable!("nobody watches")
        }

        fn listeners(&self) -> usize {
            self.waiting.len()
        }

        fn pause(&mut self, listener: usize) -> Option<Duration> {
            self.pauses.get(listener).copied().flatten()
        }

        fn accept(&mut self, listener: usize) -> io::Result<(NumberedStream, ListenerRules)> {
            self.asked.push(listener);
            match self.waiting[listener].front_mut() {
                None | Some(ScriptedAccept::Connections(0)) => Err(io::ErrorKind::WouldBlock.into()),
                Some(ScriptedAccept::Connections(count)) => {
                    *count -= 1;
                    if *count == 0 {
                        self.waiting[listener].pop_front();
                    }
                    self.accepted += 1;
                    Ok((NumberedStream(self.accepted), RULES))
                }
                Some(&mut error) => {
                    self.waiting[listener].pop_front();
                    Err(match error {
                        ScriptedAccept::Error(code) => io::Error::from_raw_os_error(code),
                        _ => io::ErrorKind::OutOfMemory.into(),
                    })
                }
            }
        }

        fn stop_listening(&mut self) {}

        fn block_reader(&mut self) -> io::Result<Self::Reader> {
            unreachable!("nothing is read")
        }
    }

    #[derive(Debug, Default)]
    struct AcceptWakes(AtomicUsize);

    impl Wake for AcceptWakes {
        fn wake(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// An acceptor of a server with so many loops and listeners.
    struct AcceptFixture {
        acceptor: Acceptor,
        system: ScriptedListeners,
        inboxes: Vec<Inbox<NumberedStream>>,
        woken: Arc<AcceptWakes>,
        counters: Counters,
        journal: Journal,
        now: Instant,
    }

    impl AcceptFixture {
        fn new(loops: usize, connections_max: usize, waiting: &[&[ScriptedAccept]]) -> Self {
            let (woken, now) = (Arc::new(AcceptWakes::default()), Instant::now());
            let waiting = waiting.iter().map(|waiting| waiting.iter().copied().collect()).collect::<Vec<_>>();
            Self {
                acceptor: Acceptor::new(waiting.len(), connections_max),
                system: ScriptedListeners { waiting, ..ScriptedListeners::default() },
                inboxes: (0..loops).map(|_| Inbox::new(Arc::clone(&woken) as Arc<dyn Wake>)).collect(),
                woken,
                counters: Counters::new(loops),
                journal: Journal::new(now),
                now,
            }
        }

        /// The numbers of the streams that fall to the first loop.
        fn accept(&mut self) -> Vec<usize> {
            let Self { acceptor, system, inboxes, counters, journal, now, .. } = self;
            let own = acceptor.accept(system, inboxes, counters, *now, journal);
            own.into_iter().map(|(NumberedStream(number), _)| number).collect()
        }

        fn inbox(&self, i: usize) -> Vec<usize> {
            self.inboxes[i].take().into_iter().map(|(NumberedStream(number), _)| number).collect()
        }

        fn loads(&self) -> Vec<usize> {
            self.counters.connections.iter().map(|open| open.load(Ordering::Relaxed)).collect()
        }

        fn counted(&self) -> (u64, u64) {
            let counts = &self.counters.loops[0];
            (counts.connections_opened.get(), counts.connections_refused.get())
        }
    }

    #[test]
    fn each_loop_gets_as_many_and_equals_take_turns() {
        let mut server = AcceptFixture::new(3, 100, &[&[ScriptedAccept::Connections(7)]]);
        assert_eq!(server.accept(), [1, 4, 7]);
        assert_eq!((server.inbox(1), server.inbox(2), server.inbox(0)), (vec![2, 5], vec![3, 6], vec![]));
        assert_eq!((server.loads(), server.counted()), (vec![3, 2, 2], (7, 0)));
        assert_eq!(server.woken.0.load(Ordering::Relaxed), 4, "one for each that another loop gets");
        // Where many have gone, the next ones come, wherever the turn is.
        server.counters.connections[2].store(0, Ordering::Relaxed);
        server.system.waiting[0].push_back(ScriptedAccept::Connections(3));
        server.acceptor.note(0);
        assert_eq!(server.accept(), [0; 0]);
        assert_eq!((server.inbox(1), server.inbox(2)), (vec![10], vec![8, 9]));
    }

    #[test]
    fn connections_that_end_at_once_are_not_all_the_first_loops() {
        let mut server = AcceptFixture::new(3, 100, &[&[]]);
        let mut of_first = Vec::new();
        for _ in 0..7 {
            server.system.waiting[0].push_back(ScriptedAccept::Connections(1));
            server.acceptor.note(0);
            of_first.extend(server.accept());
            server.counters.connections.iter().for_each(|open| open.store(0, Ordering::Relaxed));
        }
        assert_eq!((of_first, server.inbox(1), server.inbox(2)), (vec![1, 4, 7], vec![2, 5], vec![3, 6]));
    }

    #[test]
    fn as_many_connections_are_open_as_may_be_and_not_one_more() {
        let mut server = AcceptFixture::new(2, 3, &[&[ScriptedAccept::Connections(5)]]);
        assert_eq!(server.accept(), [1, 3]);
        assert_eq!((server.loads(), server.counted()), (vec![2, 1], (3, 2)));
        server.counters.connections[1].store(0, Ordering::Relaxed);
        server.system.waiting[0].push_back(ScriptedAccept::Connections(1));
        server.acceptor.note(0);
        assert_eq!(server.accept(), [0; 0]);
        assert_eq!((server.inbox(1), server.counted()), (vec![2, 6], (4, 2)));
    }

    #[test]
    fn a_listener_is_asked_again_when_it_has_news() {
        let mut server = AcceptFixture::new(1, 100, &[&[ScriptedAccept::Connections(1)], &[]]);
        assert_eq!(server.acceptor.due(server.now), Some(Duration::ZERO), "each may have some at first");
        assert_eq!(server.accept(), [1]);
        assert_eq!(server.system.asked, [0, 0, 1]);
        assert_eq!((server.acceptor.due(server.now), server.accept()), (None, vec![]));
        assert_eq!(server.system.asked.len(), 3, "nobody is asked");
        server.acceptor.note(1);
        server.acceptor.note(2);
        assert_eq!(server.acceptor.due(server.now), Some(Duration::ZERO));
        server.accept();
        assert_eq!(server.system.asked[3..], [1]);
    }

    #[test]
    fn no_listener_keeps_the_others_waiting_for_longer_than_its_turn() {
        let mut server = AcceptFixture::new(
            1,
            10_000,
            &[&[ScriptedAccept::Connections(1000)], &[ScriptedAccept::Connections(1)]],
        );
        assert_eq!(server.accept().len(), ACCEPTS_PER_TURN + 1);
        assert_eq!(server.acceptor.due(server.now), Some(Duration::ZERO), "there are more");
        assert_eq!(server.accept().len(), ACCEPTS_PER_TURN);
    }

    #[test]
    fn when_the_system_has_run_out_accepting_waits() {
        for error in [
            ScriptedAccept::Error(24),
            ScriptedAccept::Error(23),
            ScriptedAccept::Error(105),
            ScriptedAccept::OutOfMemory,
        ] {
            let more = [ScriptedAccept::Connections(1), error, ScriptedAccept::Connections(1)];
            let mut server = AcceptFixture::new(1, 100, &[&more, &[ScriptedAccept::Connections(1)]]);
            assert_eq!(server.accept(), [1], "{error:?}");
            assert_eq!(server.acceptor.due(server.now), Some(PAUSE));
            server.now += PAUSE / 2;
            assert_eq!(
                (server.accept(), server.system.asked.len()),
                (vec![], 2),
                "nobody is asked meanwhile"
            );
            assert_eq!(server.acceptor.due(server.now), Some(PAUSE / 2));
            server.now += PAUSE / 2;
            assert_eq!(server.acceptor.due(server.now), Some(Duration::ZERO));
            assert_eq!(server.accept(), [2, 3]);
            assert_eq!(server.acceptor.due(server.now), None);
        }
    }

    #[test]
    fn a_connection_that_is_gone_before_it_was_accepted_keeps_nobody_waiting() {
        // `ECONNABORTED` and `EPERM`.
        let waiting = [ScriptedAccept::Error(103), ScriptedAccept::Error(1), ScriptedAccept::Connections(2)];
        let mut server = AcceptFixture::new(1, 100, &[&waiting]);
        assert_eq!(server.accept(), [1, 2]);
        assert_eq!(server.acceptor.due(server.now), None);
    }

    #[test]
    fn a_listener_that_pauses_is_left_alone_for_so_long_and_keeps_no_other_from_accepting() {
        let waiting = [ScriptedAccept::Connections(2)];
        let mut server = AcceptFixture::new(1, 100, &[&waiting, &waiting]);
        server.system.pauses = vec![Some(Duration::from_millis(50)), None];
        assert_eq!(server.accept(), [1, 2]);
        assert_eq!(server.system.asked, [1, 1, 1]);
        assert_eq!(server.acceptor.due(server.now), Some(Duration::from_millis(50)));
        server.system.pauses.clear();
        server.now += Duration::from_millis(49);
        assert_eq!(
            (server.accept(), server.acceptor.due(server.now)),
            (vec![], Some(Duration::from_millis(1)))
        );
        server.now += Duration::from_millis(1);
        assert_eq!((server.accept(), server.acceptor.due(server.now)), (vec![3, 4], None));
    }

    #[test]
    fn what_waits_at_the_end_is_accepted_as_far_as_it_may_be_open() {
        let waiting: [&[ScriptedAccept]; 3] = [
            &[ScriptedAccept::Connections(2)],
            &[ScriptedAccept::Error(24), ScriptedAccept::Connections(2)],
            &[ScriptedAccept::Connections(5)],
        ];
        for (open, accepted) in [(0, 7), (4, 6), (5, 5), (9, 1), (10, 0), (11, 0)] {
            let mut server = AcceptFixture::new(2, 10, &waiting);
            server.counters.connections[1].store(open, Ordering::Relaxed);
            let AcceptFixture { acceptor, system, counters, .. } = &mut server;
            let rest = acceptor.accept_rest(system, counters);
            assert_eq!(rest.len(), accepted, "{open} are open");
            assert_eq!((server.loads(), server.counted()), (vec![accepted, open], (accepted as u64, 0)));
        }
    }
}
