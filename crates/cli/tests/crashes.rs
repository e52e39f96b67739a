//! Roots survive what happens to the commands that change them: killed at any moment, and several at once.
//!
//! `GRAVEN_TEST_CRASHES=200` has every kill and every race made so many times; `--nocapture` shows what came of them.

mod support;

use std::env;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};
use std::thread;
use std::time::Instant;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use support::Ended;
use support::published::{Listed, PublishedTable, TABLE};

/// How often each is done, where `usual` is enough from day to day.
fn rounds(usual: u32) -> u32 {
    env::var("GRAVEN_TEST_CRASHES").map_or(usual, |rounds| rounds.parse().unwrap())
}

fn start(table: &PublishedTable, arguments: &[&str]) -> Child {
    table
        .command(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn end(child: Child) -> Ended {
    child.wait_with_output().unwrap().into()
}

/// Kills `arguments` at `rounds` moments all over its run, and checks each time that the table is as it was or as `is_done` says.
fn kill(table: &PublishedTable, arguments: &[&str], rounds: u32, is_done: impl Fn(&Listed) -> bool) {
    let old = table.listed();
    let began = Instant::now();
    end(start(table, arguments)).ends_with(0);
    let usual = began.elapsed();
    let new = table.listed();
    assert!(is_done(&new) && new != old, "{new:?}");
    let (mut killed, mut done, mut left) = (0, 0, 0);
    let mut random = Xoshiro256PlusPlus::seed_from_u64(15);
    while killed < rounds {
        table.restore();
        // It takes a while until it has read its arguments.
        let share = 0.2 + f64::from(random.next_u32()) / f64::from(u32::MAX);
        let moment = usual.mul_f64(share);
        let mut child = start(table, arguments);
        thread::sleep(moment);
        child.kill().unwrap();
        let status = child.wait().unwrap();
        if status.signal().is_none() {
            // It was faster; the next moment is an earlier one, perhaps.
            assert_eq!(status.code(), Some(0));
            continue;
        }
        killed += 1;
        left += u32::from(table.files().iter().any(|name| name.ends_with(".partial")));
        let found = table.assert_sound();
        done += u32::from(is_done(&found));
        if !is_done(&found) {
            assert_eq!((&found.current, &found.history), (&old.current, &old.history));
            let published = |version: &String| !old.versions.contains(version);
            let versions: Vec<String> =
                found.versions.iter().filter(|version| !published(version)).cloned().collect();
            assert_eq!(versions, old.versions, "something was removed that answers or answered");
        }
        table.assert_next_publish_cleans_up(&found);
    }
    println!(
        "{}: killed {killed} times within {} ms: {done} were done, {} were not, {left} left a file that was being written",
        arguments[0],
        usual.as_millis(),
        killed - done,
    );
}

/// Enough pairs that a copy and its verification take most of the time.
const PAIRS: u32 = 30_000;

#[test]
fn a_publisher_that_is_killed_leaves_the_old_version_or_the_new_one() {
    let table = PublishedTable::new(PAIRS);
    let publish = ["publish", "b.graven", TABLE, "--as", "v4", "--keep", "1", "--keep-grace", "0s"];
    kill(&table, &publish, rounds(8), |listed| listed.current.as_deref() == Some("v4"));
}

#[test]
fn a_switch_or_a_rollback_or_a_resume_that_is_killed_is_done_or_not() {
    let mut table = PublishedTable::new(PAIRS);
    kill(&table, &["switch", TABLE, "v1"], rounds(4), |listed| listed.current.as_deref() == Some("v1"));
    table.restore();
    let is_back = |listed: &Listed| listed.frozen && listed.current.as_deref() == Some("v2");
    kill(&table, &["rollback", TABLE], rounds(4), is_back);
    table.restore();
    table.run(&["rollback", TABLE]).ends_with(0);
    table.keep_as_made();
    kill(&table, &["resume", TABLE], rounds(4), |listed| !listed.frozen);
}

#[test]
fn of_two_publishers_at_once_one_switches_or_both_in_turn() {
    let table = PublishedTable::new(1_000);
    let (mut both, mut one) = (0, 0);
    for _ in 0..rounds(20) {
        table.restore();
        let before = table.listed();
        let children = [("a.graven", "w1"), ("b.graven", "w2")]
            .map(|(file, version)| (version, start(&table, &["publish", file, TABLE, "--as", version])));
        let ended = children.map(|(version, child)| (version, end(child)));
        let after = table.assert_sound();
        assert_eq!(after.versions, ["v1", "v2", "v3", "w1", "w2"]);
        assert_eq!(table.files().len(), 6, "{:?}", table.files());
        let (switched, refused): (Vec<_>, Vec<_>) =
            ended.iter().partition(|(_, ended)| ended.status == Some(0));
        assert!(!switched.is_empty(), "{ended:?}");
        for (version, ended) in refused {
            assert_eq!(ended.status, Some(3), "{ended:?}");
            let said =
                format!("; {version} is there, but not switched to; look with `graven versions {TABLE}`");
            assert!(
                ended.err.contains("ids was switched by somebody else meanwhile")
                    && ended.err.contains(&said)
            );
        }
        let new = &after.history[..after.history.len() - before.history.len()];
        let mut names: Vec<&str> = new.iter().map(|(_, version)| version.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, switched.iter().map(|(version, _)| *version).collect::<Vec<_>>());
        if switched.len() == 2 { both += 1 } else { one += 1 }
    }
    println!(
        "two publishers at once, {} times: one switched {one} times, both in turn {both} times",
        both + one
    );
}

#[test]
fn whatever_is_done_at_once_every_command_that_says_it_is_done_is_in_the_history() {
    let table = PublishedTable::new(100);
    let commands: [&[&str]; 5] = [
        &["publish", "a.graven", TABLE, "--as", "w1", "--keep", "2", "--keep-grace", "0s"],
        &["publish", "b.graven", TABLE, "--keep", "2", "--keep-grace", "0s"],
        &["switch", TABLE, "v2"],
        &["switch", TABLE, "latest"],
        &["rollback", TABLE],
    ];
    for _ in 0..rounds(10) {
        table.restore();
        let before = table.listed();
        let ended = commands.map(|command| start(&table, command)).map(end);
        let after = table.assert_sound();
        let done = ended.iter().filter(|ended| ended.status == Some(0)).count();
        assert_eq!(after.history.len(), before.history.len() + done, "{ended:?} {after:?}");
        for ended in &ended {
            // A version that is switched to may have been removed by then.
            assert!(matches!(ended.status, Some(0 | 1 | 3)), "{ended:?}");
        }
        table.assert_next_publish_cleans_up(&after);
    }
}

#[test]
fn versions_published_one_after_the_other_are_kept_as_many_as_asked_for() {
    let table = PublishedTable::new(100);
    let mut answered = Vec::new();
    for _ in 0..6 {
        table.run(&["publish", "b.graven", TABLE, "--keep", "2", "--keep-grace", "0s"]).ends_with(0);
        let listed = table.assert_sound();
        let current = listed.current.unwrap();
        // Names by time come before the other ones, which are newer by name, and sort by time among each other.
        assert!(answered.last().is_none_or(|last| *last < current), "{answered:?} {current}");
        answered.push(current);
        assert!(listed.versions.len() <= 5, "{:?}", listed.versions);
    }
}
