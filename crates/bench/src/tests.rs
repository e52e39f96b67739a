//! A worker against a simulated server and a clock moved by hand: schedule, histograms, the
//! correction for coordinated omission, and every way in which a server can fail, to the
//! nanosecond and without waiting.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::key_distribution::KeyDistribution;
use crate::key_set::KeySet;
use crate::plan::{LoadPlan, RETRY, Workload};
use crate::recorder::{GaveUp, LATE, Recorder, RequestFailure};
use crate::reply::AnswerKind;
use crate::requests::RequestPool;
use crate::schedule::{Arrivals, Pace, SECOND, Think};
use crate::simulated::{Behaviour, Simulation};
use crate::worker::{ThreadShare, Worker};

const MS: u64 = SECOND / 1_000;

const HIT: &[u8] = b"VALUE key 0 5\r\nvalue\r\nEND\r\n";

fn plan(connections: usize, pace: Pace) -> LoadPlan {
    let workload = Workload {
        distribution: KeyDistribution::Uniform,
        miss: 0.0,
        keys_per_request: 1,
        seed: 0,
        verify: true,
    };
    LoadPlan {
        connections,
        duration: Some(Duration::from_secs(1)),
        pace,
        timeout: Duration::from_secs(2),
        workload,
        ..LoadPlan::new("memcached://localhost".parse().unwrap())
    }
}

fn at_rate(rate: f64) -> Pace {
    Pace::Open { rate, arrivals: Arrivals::Constant }
}

fn pool(plan: &LoadPlan) -> RequestPool {
    let mut keys = KeySet::new(true);
    keys.push(b"key", b"value");
    // Not a multiple of any pipeline, so that the pool begins again in the middle of one.
    let drawn = LoadPlan { requests: Some(997), pace: Pace::Closed, warm_up: Duration::ZERO, ..plan.clone() };
    RequestPool::draw(&keys, &drawn)
}

/// Runs the plan, and gives what was counted, when it began, and how long it took.
fn run(
    plan: &LoadPlan,
    behaviour: Behaviour,
    service: u64,
    prepare: impl FnOnce(&mut Simulation<'_>, u64),
) -> (Recorder, u64, u64) {
    let never = AtomicBool::new(false);
    run_until(plan, behaviour, service, &never, prepare)
}

fn run_until<'a>(
    plan: &LoadPlan,
    behaviour: Behaviour,
    service: u64,
    stop: &'a AtomicBool,
    prepare: impl FnOnce(&mut Simulation<'a>, u64),
) -> (Recorder, u64, u64) {
    use crate::transport::TimeSource as _;
    let (clock, mut simulation) = Simulation::new(plan.connections, behaviour, service);
    prepare(&mut simulation, clock.now());
    let pool = pool(plan);
    let share = ThreadShare { index: 0, threads: 1, connections: plan.connections, requests: plan.requests };
    let mut worker = Worker::new(plan, &pool, clock.clone(), simulation, share);
    worker.open(stop).unwrap();
    let start = clock.now();
    let recorder = worker.run(start, stop, None).unwrap();
    (recorder, start, clock.now() - start)
}

/// The intended time, the actual time and the end of each request, from first principles:
/// requests take the connection that has been free the longest, in the order in which they are
/// due.
fn expected(rate: u64, seconds: u64, connections: usize, service: u64, stall: (u64, u64)) -> Vec<[u64; 3]> {
    let mut free_at = vec![0; connections];
    (0..rate * seconds)
        .map(|k| {
            let intended = k * SECOND / rate;
            let first = free_at.iter_mut().min().unwrap();
            let sent = intended.max(*first);
            let mut done = sent + service;
            if (stall.0..stall.1).contains(&done) {
                done = stall.1;
            }
            *first = done;
            [intended, sent, done]
        })
        .collect()
}

/// `per_mille` of a thousand took at most this.
fn percentile(mut times: Vec<u64>, per_mille: usize) -> u64 {
    times.sort_unstable();
    times[(per_mille * times.len()).div_ceil(1_000) - 1]
}

#[track_caller]
fn assert_close(found: u64, expected: u64) {
    // Three significant digits, as the histograms keep them.
    assert!(found.abs_diff(expected) as f64 <= expected as f64 / 1_000.0, "{found} is not {expected}");
}

#[test]
fn a_stall_is_measured_from_when_requests_should_have_been_sent() {
    let mut plan = plan(50, at_rate(1_000.0));
    plan.duration = Some(Duration::from_secs(10));
    let service = MS / 10;
    let (recorder, ..) = run(&plan, Behaviour::Answers(HIT), service, |simulation, start| {
        simulation.stall = start + 5 * SECOND..start + 6 * SECOND;
    });
    let expected = expected(1_000, 10, 50, service, (5 * SECOND, 6 * SECOND));
    let response: Vec<u64> = expected.iter().map(|[intended, _, done]| done - intended).collect();
    let raw: Vec<u64> = expected.iter().map(|[_, sent, done]| done - sent).collect();
    let late = expected.iter().filter(|[intended, sent, _]| sent - intended > LATE).count() as u64;

    let hits = recorder.latencies(AnswerKind::Hit).unwrap();
    let corrected = hits.response.as_ref().unwrap();
    assert_eq!((corrected.len(), hits.service.len()), (10_000, 10_000));
    for per_mille in [500, 900, 950, 990, 999, 1_000] {
        let quantile = per_mille as f64 / 1_000.0;
        assert_close(corrected.value_at_quantile(quantile), percentile(response.clone(), per_mille));
        assert_close(hits.service.value_at_quantile(quantile), percentile(raw.clone(), per_mille));
    }
    let p99 = corrected.value_at_quantile(0.99);
    assert!(p99.abs_diff(900 * MS) < 45 * MS, "the exact value is about 0.9 s, not {p99} ns");
    assert_close(hits.service.value_at_quantile(0.99), service);
    assert_eq!(recorder.late, late);
    assert!(late > 900, "{late}");
    assert_close(
        recorder.late_max,
        expected.iter().map(|[intended, sent, _]| sent - intended).max().unwrap(),
    );
    assert_eq!((recorder.in_time(), recorder.unsent.len(), recorder.cut_off), (10_000, 0, 0));
}

#[test]
fn a_stall_at_the_end_of_a_run_is_measured_too() {
    let plan = plan(2, at_rate(1_000.0));
    let (recorder, ..) = run(&plan, Behaviour::Answers(HIT), 1_000, |simulation, start| {
        simulation.stall = start + 500 * MS..start + 1_500 * MS;
    });
    let hits = recorder.latencies(AnswerKind::Hit).unwrap().response.as_ref().unwrap();
    assert_eq!((hits.len(), recorder.unsent.len()), (502, 498));
    assert_close(hits.max(), SECOND);
    assert_eq!(recorder.in_time(), 500, "the rate is that of the measured time");
    // What was due during the stall is not sent after the end, and has waited since.
    assert_close(recorder.unsent.max(), 497 * MS + MS / 2);
    assert_close(recorder.unsent.value_at_quantile(0.5), 248 * MS + MS / 2);
}

#[test]
fn nothing_is_sent_after_the_end_for_want_of_a_connection_before() {
    for oversleeps in [0, MS / 50] {
        let plan = plan(1, at_rate(1_000.0));
        let mut seen = None;
        // 100 answers a second, out of 1,000.
        let (recorder, start, took) = run(&plan, Behaviour::Answers(HIT), 10 * MS, |simulation, _| {
            simulation.oversleeps = oversleeps;
            seen = Some(simulation.seen());
        });
        let sent = 100 - u64::from(oversleeps > 0);
        assert!(recorder.sent.abs_diff(sent) <= 1, "{}", recorder.sent);
        assert_eq!(recorder.sent + recorder.unsent.len(), 1_000);
        assert_eq!(recorder.answers(AnswerKind::Hit) + recorder.cut_off, recorder.sent);
        assert!(seen.unwrap().last_request.get() < start + SECOND);
        assert!(took <= SECOND + 11 * MS, "{took}");
        assert_close(recorder.unsent.max(), 900 * MS);
    }
}

#[test]
fn what_falls_due_while_a_run_ends_is_sent() {
    let plan = plan(20, at_rate(1_000.0));
    let (recorder, ..) = run(&plan, Behaviour::Answers(HIT), MS / 10, |simulation, _| {
        simulation.oversleeps = 2 * MS;
    });
    assert_eq!((recorder.sent, recorder.unsent.len()), (1_000, 0));
}

#[test]
fn a_closed_loop_sends_when_it_is_answered() {
    let (recorder, ..) = run(&plan(10, Pace::Closed), Behaviour::Answers(HIT), MS, |_, _| {});
    let hits = recorder.latencies(AnswerKind::Hit).unwrap();
    assert!(hits.response.is_none());
    assert_eq!((recorder.sent, recorder.in_time(), hits.service.len()), (10_000, 10_000, 10_000));
    assert_close(hits.service.min(), MS);
    assert_close(hits.service.max(), MS);
    assert_eq!((recorder.key_hits, recorder.connections_opened), (10_000, 10));
}

#[test]
fn exactly_as_many_requests_are_sent_as_asked_for() {
    for pace in [Pace::Closed, at_rate(100.0), Pace::Open { rate: 100.0, arrivals: Arrivals::Poisson }] {
        let plan = LoadPlan { requests: Some(77), duration: None, pipeline: 4, ..plan(3, pace) };
        let (recorder, start, _) = run(&plan, Behaviour::Answers(HIT), MS, |_, _| {});
        assert_eq!((recorder.sent, recorder.answers(AnswerKind::Hit)), (77, 77), "{pace:?}");
        assert_eq!(recorder.ended, recorder.last, "{pace:?}");
        assert!(recorder.ended > start);
    }
}

#[test]
fn no_more_than_the_pipeline_is_in_flight_on_a_connection() {
    for (depth, pace) in [(1, Pace::Closed), (16, Pace::Closed), (4, at_rate(100_000.0))] {
        let plan = LoadPlan { pipeline: depth, ..plan(2, pace) };
        let mut seen = None;
        let (recorder, ..) =
            run(&plan, Behaviour::Answers(HIT), MS, |simulation, _| seen = Some(simulation.seen()));
        let seen = seen.unwrap();
        assert_eq!(seen.in_flight_max.get(), depth, "{pace:?}");
        assert_eq!(seen.requests.get(), recorder.sent);
        assert!(recorder.failures(RequestFailure::Lost) == 0 && recorder.answers(AnswerKind::Hit) > 1_000);
    }
}

#[test]
fn every_failure_is_counted_under_its_own_name() {
    for (behaviour, failure) in [
        (Behaviour::AnswersAndCloses(b""), RequestFailure::Closed),
        (Behaviour::AnswersAndCloses(b"VALUE key 0 5\r\nval"), RequestFailure::Truncated),
        (Behaviour::AnswersAndCloses(b"VALUE key 0 5\r\nvalue\r\n"), RequestFailure::Truncated),
        (Behaviour::Answers(b"garbage\r\n"), RequestFailure::Garbage),
        (Behaviour::IsSilent, RequestFailure::TimedOut),
    ] {
        for pace in [Pace::Closed, at_rate(20.0)] {
            let plan = plan(2, pace);
            let (recorder, _, took) = run(&plan, behaviour, 10 * MS, |_, _| {});
            assert!(recorder.sent > 0);
            assert_eq!(recorder.failures(failure) + recorder.cut_off, recorder.sent, "{failure:?} {pace:?}");
            assert!(recorder.failures(failure) >= 2, "{failure:?} {pace:?}");
            assert_eq!(recorder.in_time(), 0, "{failure:?} {pace:?}");
            assert!(took <= 3 * SECOND, "{failure:?} {pace:?} took {took}");
        }
    }
}

#[test]
fn requests_behind_one_that_failed_are_lost() {
    let plan = LoadPlan { pipeline: 4, requests: Some(4), ..plan(1, Pace::Closed) };
    let (recorder, ..) = run(&plan, Behaviour::AnswersAndCloses(HIT), MS, |_, _| {});
    assert_eq!(recorder.answers(AnswerKind::Hit), 1);
    assert_eq!((recorder.failures(RequestFailure::Closed), recorder.failures(RequestFailure::Lost)), (1, 2));
}

#[test]
fn wrong_and_refused_answers_have_latencies_of_their_own() {
    for (answer, outcome) in [
        (&b"VALUE key 0 5\r\nwrong\r\nEND\r\n"[..], AnswerKind::Wrong),
        (b"END\r\n", AnswerKind::Wrong),
        (b"SERVER_ERROR busy\r\n", AnswerKind::Refused),
    ] {
        let (recorder, ..) = run(&plan(1, Pace::Closed), Behaviour::Answers(answer), MS, |_, _| {});
        assert_eq!((recorder.answers(outcome), recorder.answers(AnswerKind::Hit)), (1_000, 0));
        assert_eq!(recorder.samples.len(), 3, "{:?}", recorder.samples);
        assert!(recorder.samples[0].contains("get key"), "{:?}", recorder.samples);
    }
}

#[test]
fn more_than_was_asked_for_ends_the_connection() {
    let plan = LoadPlan { requests: Some(5), ..plan(1, Pace::Closed) };
    let (recorder, ..) = run(&plan, Behaviour::Answers(b"END\r\nEND\r\n"), MS, |_, _| {});
    assert_eq!((recorder.answers(AnswerKind::Wrong), recorder.connections_unasked), (5, 5));
}

#[test]
fn every_request_can_have_a_connection_of_its_own() {
    let plan = LoadPlan { new_connection: true, ..plan(2, Pace::Closed) };
    let mut seen = None;
    let (recorder, ..) = run(&plan, Behaviour::Answers(HIT), MS, |simulation, _| {
        simulation.connect = 4 * MS;
        seen = Some(simulation.seen());
    });
    let hits = recorder.latencies(AnswerKind::Hit).unwrap();
    // The connection is part of the request's time.
    assert_close(hits.service.max(), 5 * MS);
    assert_eq!(recorder.sent, 2 * 200);
    assert_eq!(seen.unwrap().connections.get(), recorder.sent + 1);
    assert_eq!(recorder.phases.connect.max, 4 * MS);
    assert_eq!((recorder.phases.connect.min, recorder.phases.write.max), (4 * MS, 0));
    assert_phases_add_up(&recorder);
}

/// Asserts that the phases of answered requests are all of their time.
#[track_caller]
fn assert_phases_add_up(recorder: &Recorder) {
    let kinds = [AnswerKind::Hit, AnswerKind::Miss, AnswerKind::Refused, AnswerKind::Wrong];
    assert_eq!(recorder.phases.requests(), kinds.map(|kind| recorder.answers(kind)).iter().sum::<u64>());
    let services = kinds.into_iter().filter_map(|kind| recorder.latencies(kind));
    let all: f64 = services.map(|times| times.service.mean() * times.service.len() as f64).sum();
    assert!((recorder.phases.sum() as f64 / all - 1.0).abs() < 1e-3, "{} {all}", recorder.phases.sum());
}

#[test]
fn requests_on_a_connection_that_was_made_before_have_no_connect_phase() {
    for (pace, pipeline) in [(Pace::Closed, 1), (Pace::Closed, 16), (at_rate(5_000.0), 4)] {
        let plan = LoadPlan { pipeline, ..plan(2, pace) };
        let (recorder, ..) = run(&plan, Behaviour::Answers(HIT), MS, |simulation, _| {
            simulation.connect = 4 * MS;
        });
        assert_eq!(recorder.phases.connect.max, 0, "{pace:?}");
        assert_eq!((recorder.connecting.count, recorder.connecting.max), (2, 4 * MS));
        assert_phases_add_up(&recorder);
    }
}

#[test]
fn users_think_after_every_answer() {
    let think = Think { least: Duration::from_millis(99), most: Duration::from_millis(99) };
    let plan = LoadPlan { duration: Some(Duration::from_secs(10)), ..plan(20, Pace::Users(think)) };
    let (recorder, ..) = run(&plan, Behaviour::Answers(HIT), MS, |_, _| {});
    // Ten a second each, but for when each of them came.
    assert!((1_980..=2_000).contains(&recorder.sent), "{}", recorder.sent);
    let hits = recorder.latencies(AnswerKind::Hit).unwrap();
    assert_close(hits.service.max(), MS);
    assert_close(hits.response.as_ref().unwrap().max(), MS);
}

#[test]
fn what_is_sent_to_warm_up_is_not_measured() {
    for pace in [Pace::Closed, at_rate(1_000.0)] {
        let plan = LoadPlan { warm_up: Duration::from_millis(500), ..plan(1, pace) };
        let (recorder, _, took) = run(&plan, Behaviour::Answers(HIT), MS / 2, |simulation, start| {
            simulation.stall = start + 100 * MS..start + 200 * MS;
        });
        assert!(recorder.warm_up_requests >= 499, "{}", recorder.warm_up_requests);
        assert_close(recorder.latencies(AnswerKind::Hit).unwrap().service.max(), MS / 2);
        assert!((1_499 * MS..1_501 * MS).contains(&took), "{took}");
        // Not a byte of it is counted either.
        assert_eq!(recorder.bytes_sent, recorder.sent * b"get key\r\n".len() as u64);
        let answers = recorder.answers(AnswerKind::Hit);
        assert_eq!(recorder.bytes_received, answers * HIT.len() as u64);
        assert_eq!(recorder.bytes_in_time(), recorder.in_time() * HIT.len() as u64);
        assert_phases_add_up(&recorder);
    }
}

#[test]
fn a_run_that_is_stopped_gives_what_it_has_measured_and_says_so() {
    for (pace, sent) in [(Pace::Closed, 600), (at_rate(1_000.0), 301)] {
        let stop = AtomicBool::new(false);
        let (recorder, start, took) =
            run_until(&plan(1, pace), Behaviour::Answers(HIT), MS / 2, &stop, |simulation, start| {
                simulation.stops_at = (start + 300 * MS, Some(&stop));
            });
        assert!(recorder.sent.abs_diff(sent) <= 1, "{}", recorder.sent);
        assert_eq!(recorder.answers(AnswerKind::Hit), recorder.sent);
        assert!(took <= 302 * MS, "{took}");
        assert_eq!(recorder.ended - start, 300 * MS);
        assert!(recorder.was_stopped);
    }
    let (recorder, ..) = run(&plan(1, Pace::Closed), Behaviour::Answers(HIT), MS, |_, _| {});
    assert!(!recorder.was_stopped);
}

#[test]
fn what_fell_due_before_a_run_is_stopped_is_sent() {
    let stop = AtomicBool::new(false);
    let (recorder, start, _) =
        run_until(&plan(1, at_rate(1_000.0)), Behaviour::Answers(HIT), MS / 2, &stop, |simulation, start| {
            simulation.oversleeps = MS / 50;
            simulation.stops_at = (start + 300 * MS, Some(&stop));
        });
    assert_eq!(recorder.ended - start, 300 * MS + MS / 50);
    assert_eq!((recorder.sent, recorder.unsent.len()), (301, 0));
}

#[test]
fn what_a_silent_server_owes_when_a_run_is_stopped_is_cut_off() {
    let stop = AtomicBool::new(false);
    let (recorder, _, took) =
        run_until(&plan(3, Pace::Closed), Behaviour::IsSilent, MS, &stop, |simulation, start| {
            simulation.stops_at = (start + 100 * MS, Some(&stop));
        });
    assert_eq!((recorder.cut_off, recorder.failures(RequestFailure::TimedOut)), (3, 0));
    assert!(took <= 1_200 * MS, "{took}");
}

#[test]
fn a_server_that_goes_away_ends_a_run_that_only_counts_requests() {
    let plan = LoadPlan { duration: None, requests: Some(1_000_000), ..plan(1, Pace::Closed) };
    let (recorder, _, took) = run(&plan, Behaviour::AnswersAndCloses(HIT), MS, |simulation, start| {
        simulation.refuses_from = start + 100 * MS;
    });
    assert!(recorder.answers(AnswerKind::Hit) >= 99);
    assert!(recorder.failures(RequestFailure::Unconnected) > 10);
    assert_eq!(recorder.failures(RequestFailure::Unconnected), recorder.connections_failed);
    assert!(took < 100 * MS + 2 * SECOND + 2 * RETRY, "{took}");
}

#[test]
fn a_connection_takes_as_long_as_an_answer_may_and_no_longer() {
    let plan =
        LoadPlan { new_connection: true, timeout: Duration::from_millis(200), ..plan(1, Pace::Closed) };
    let (recorder, ..) = run(&plan, Behaviour::AnswersAndCloses(HIT), MS, |simulation, _| {
        simulation.connect = 150 * MS;
    });
    assert!(recorder.answers(AnswerKind::Hit) > 0);
    assert_eq!(recorder.failures(RequestFailure::Unconnected), 0);
    let never = AtomicBool::new(false);
    let (clock, mut simulation) = Simulation::new(1, Behaviour::Answers(HIT), MS);
    simulation.connect = SECOND;
    let pool = pool(&plan);
    let share = ThreadShare { index: 0, threads: 1, connections: 1, requests: None };
    let error = Worker::new(&plan, &pool, clock, simulation, share).open(&never).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
}

#[test]
fn a_server_that_speaks_something_else_is_recognized_and_left_alone() {
    use graven_wire::Recognized;
    use graven_wire::address::Protocol;
    for (answer, found) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], Recognized::Protocol(Protocol::Http)),
        (b"-ERR unknown command\r\n", Recognized::Protocol(Protocol::Redis)),
        (b"\x15\x03\x01\x00\x02\x02\x16\r\n", Recognized::Tls),
    ] {
        for pace in [Pace::Closed, at_rate(1_000.0)] {
            let plan = LoadPlan { duration: Some(Duration::from_secs(10)), ..plan(4, pace) };
            let mut seen = None;
            let (recorder, _, took) = run(&plan, Behaviour::Answers(answer), MS, |simulation, _| {
                seen = Some(simulation.seen());
            });
            assert_eq!(recorder.gave_up, Some(GaveUp::Unanswered(Some(found))), "{pace:?}");
            assert!(took <= 5 * MS, "{took}");
            assert_eq!(seen.unwrap().connections.get(), 4, "no connection is made again");
            assert_eq!(recorder.answers(AnswerKind::Hit), 0);
        }
    }
}

#[test]
fn a_server_that_answers_nothing_is_not_asked_without_end() {
    for behaviour in [Behaviour::AnswersAndCloses(b""), Behaviour::Answers(b"what?\r\n")] {
        let plan = LoadPlan { duration: Some(Duration::from_secs(100)), ..plan(10, Pace::Closed) };
        let mut seen = None;
        let (recorder, _, took) = run(&plan, behaviour, MS, |simulation, _| {
            seen = Some(simulation.seen());
        });
        assert_eq!(recorder.gave_up, Some(GaveUp::Unanswered(None)));
        // Ten rounds of ten connections, each begun when the one before is let rest.
        assert_eq!(seen.unwrap().connections.get(), 100);
        assert!(took.abs_diff(9 * (RETRY + MS)) < 20 * MS, "{took}");
    }
}

#[test]
fn a_server_that_has_answered_once_is_asked_until_the_end() {
    let plan = LoadPlan { duration: Some(Duration::from_secs(2)), ..plan(1, Pace::Closed) };
    let (recorder, _, took) = run(&plan, Behaviour::AnswersAndCloses(HIT), MS, |_, _| {});
    assert_eq!((recorder.gave_up, recorder.answers(AnswerKind::Hit)), (None, recorder.sent));
    assert!(recorder.sent > 200 && took <= 2_010 * MS, "{} in {took}", recorder.sent);
}
