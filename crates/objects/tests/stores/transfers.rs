//! Large objects, up and down, while the store fails.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use graven_objects::{
    Download, NOTES_SUFFIX, ObjectError, ObjectProblem, Objects, RETRIES_MAX, remove_partial,
};

use crate::fake_s3::{Fault, Tags};
use crate::{bytes, first, folder};

/// Three ranges and a bit.
const LEN: usize = (48 << 20) + 7;

/// Nothing here takes this long.
const PATIENCE: Duration = Duration::from_secs(60);

fn download(objects: &Objects, partial: &Path) -> Result<Vec<u8>, ObjectError> {
    let info = objects.info_of("t/v.graven").unwrap().unwrap();
    let options = Download { rate: None, progress: &mut |_, _| true };
    let mut file = objects.download(&info, partial, options)?;
    let mut found = Vec::new();
    file.read_to_end(&mut found).unwrap();
    Ok(found)
}

fn is_range(request: &crate::FakeRequest) -> bool {
    request.header("range").is_some()
}

#[test]
fn a_file_goes_up_in_parts_and_comes_down_in_ranges() {
    let (fake, objects) = folder();
    let folder = tempfile::tempdir().unwrap();
    for len in [0, 1, 16 << 20, LEN] {
        let (path, content) = (folder.path().join("file"), bytes(len));
        std::fs::write(&path, &content).unwrap();
        let mut told = 0;
        let mut progress = |done, of| {
            told = done;
            of == len as u64
        };
        let info = objects.upload("t/v.graven", &File::open(&path).unwrap(), &mut progress).unwrap();
        assert_eq!((info.bytes, told), (len as u64, len as u64));
        assert_eq!(fake.get("root/t/v.graven").unwrap(), content);
        assert!(download(&objects, &folder.path().join(len.to_string())).unwrap() == content, "{len}");
    }
}

#[test]
fn an_upload_that_fails_or_is_stopped_leaves_what_was() {
    let (fake, objects) = folder();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, bytes(LEN)).unwrap();
    fake.put("root/t/v.graven", b"before");
    let file = File::open(&path).unwrap();
    fake.fail(|request| request.query.contains("partNumber=2").then_some(Fault::Status(403, "AccessDenied")));
    let error = objects.upload("t/v.graven", &file, &mut |_, _| true).unwrap_err();
    assert!(error.to_string().contains("AccessDenied"), "{error}");
    fake.mend();
    let error = objects.upload("t/v.graven", &file, &mut |_, _| false).unwrap_err();
    assert!(matches!(error.problem, ObjectProblem::Stopped), "{error}");
    assert_eq!(fake.get("root/t/v.graven").unwrap(), b"before");
    let aborted = fake.take_log().into_iter().filter(|request| request.method == "DELETE").count();
    assert_eq!(aborted, 2);
}

#[test]
fn a_download_is_right_whatever_goes_wrong_twice() {
    let (fake, objects) = folder();
    let content = bytes(LEN);
    fake.put("root/t/v.graven", &content);
    let faults = [
        Fault::Status(500, "InternalError"),
        Fault::Status(503, "SlowDown"),
        Fault::Truncated,
        Fault::Silence,
        Fault::Slow(Duration::from_millis(300)),
    ];
    for fault in faults {
        let folder = tempfile::tempdir().unwrap();
        fake.fail(first(2, fault, is_range));
        assert!(download(&objects, &folder.path().join("x")).unwrap() == content, "{fault:?}");
    }
}

#[test]
fn another_range_than_was_asked_for_is_never_taken_for_it() {
    let (fake, objects) = folder();
    let content = bytes(LEN);
    fake.put("root/t/v.graven", &content);
    for fault in [Fault::OtherRange, Fault::Whole] {
        let folder = tempfile::tempdir().unwrap();
        fake.fail(first(1, fault, |request| {
            is_range(request) && request.header("range") != Some("bytes=0-16777215")
        }));
        let found = download(&objects, &folder.path().join("x"));
        assert!(found.as_ref().map_or(true, |found| *found == content), "{fault:?}");
        fake.mend();
        assert!(download(&objects, &folder.path().join("x")).unwrap() == content, "{fault:?}");
    }
}

#[test]
fn a_download_that_was_broken_off_goes_on_with_the_ranges_that_are_missing() {
    let (fake, objects) = folder();
    let content = bytes(LEN);
    fake.put("root/t/v.graven", &content);
    let folder = tempfile::tempdir().unwrap();
    let (partial, notes) = (folder.path().join("x"), folder.path().join("x.notes"));
    download(&objects, &partial).unwrap();
    // As a process leaves them that is killed before the second range and in the line about the
    // third.
    let text = std::fs::read_to_string(&notes).unwrap();
    let head = text.lines().next().unwrap();
    std::fs::write(&notes, format!("{head}\n0\n3\n2")).unwrap();
    let file = File::options().write(true).open(&partial).unwrap();
    file.write_all_at(&vec![0; 16 << 20], 16 << 20).unwrap();
    fake.take_log();
    assert!(download(&objects, &partial).unwrap() == content);
    let log = fake.take_log();
    let mut asked: Vec<&str> = log.iter().filter_map(|request| request.header("range")).collect();
    asked.sort_unstable();
    assert_eq!(asked, ["bytes=16777216-33554431", "bytes=33554432-50331647"]);
    // Notes about another object say nothing about this one.
    fake.put("root/t/v.graven", &content[1..]);
    assert!(download(&objects, &partial).unwrap() == content[1..]);
}

#[test]
fn an_object_that_is_another_by_now_is_not_mixed_with_what_it_was() {
    let (fake, objects) = folder();
    let (one, other) = (vec![1; LEN], vec![2; LEN]);
    fake.put("root/t/v.graven", &one);
    let info = objects.info_of("t/v.graven").unwrap().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let partial = folder.path().join("x");
    let (swapping, swapped) = (fake.clone(), other.clone());
    let mut is_swapped = false;
    let mut progress = |_, _| {
        if !is_swapped {
            is_swapped = true;
            swapping.put("root/t/v.graven", &swapped);
        }
        true
    };
    // With eight requests under way, all of it may have been asked for before.
    let options = Download { rate: Some(40 << 20), progress: &mut progress };
    match objects.download(&info, &partial, options) {
        Ok(mut file) => {
            let mut found = Vec::new();
            file.read_to_end(&mut found).unwrap();
            assert!(found == one);
        }
        Err(error) => assert!(matches!(error.problem, ObjectProblem::Changed), "{error}"),
    }
    assert!(download(&objects, &partial).unwrap() == other);
}

#[test]
fn a_file_behind_a_web_server_is_not_mixed_with_another_whatever_tells_them_apart() {
    let (fake, _) = folder();
    let one = bytes(LEN);
    fake.put("root/t/v.graven", &one);
    let web = Objects::open_with(&format!("{}/shop/root/t/v.graven", fake.endpoint()), []).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for tags in [Tags::Strong, Tags::Weak, Tags::None] {
        fake.set_tags(tags);
        let partial = folder.path().join(format!("{tags:?}"));
        let info = web.info_of("").unwrap().unwrap();
        assert_eq!(info.tag.is_some(), tags == Tags::Strong);
        let download = || web.download(&info, &partial, Download { rate: None, progress: &mut |_, _| true });
        let mut found = Vec::new();
        download().unwrap().read_to_end(&mut found).unwrap();
        assert!(found == one, "{tags:?}");
        remove_partial(&partial).unwrap();
        // Another of the same length.
        fake.put("root/t/v.graven", &one);
        let error = download().unwrap_err();
        assert!(matches!(error.problem, ObjectProblem::Changed), "{tags:?}: {error}");
    }
}

#[test]
fn a_download_is_no_faster_than_it_may_be() {
    let (fake, objects) = folder();
    fake.put("root/t/v.graven", &bytes(8 << 20));
    let info = objects.info_of("t/v.graven").unwrap().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let options = Download { rate: Some(4 << 20), progress: &mut |_, _| true };
    objects.download(&info, &folder.path().join("x"), options).unwrap();
    assert!(began.elapsed() >= Duration::from_millis(1900), "{:?}", began.elapsed());
}

#[test]
fn a_download_that_is_told_to_stop_stops() {
    let (fake, objects) = folder();
    fake.put("root/t/v.graven", &bytes(1 << 20));
    let info = objects.info_of("t/v.graven").unwrap().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let options = Download { rate: Some(1), progress: &mut |_, _| false };
    let error = objects.download(&info, &folder.path().join("x"), options).unwrap_err();
    assert!(matches!(error.problem, ObjectProblem::Stopped), "{error}");
}

#[test]
fn notes_without_their_file_count_for_nothing() {
    let (fake, objects) = folder();
    let content = bytes(LEN);
    fake.put("root/t/v.graven", &content);
    let folder = tempfile::tempdir().unwrap();
    let (partial, notes) = (folder.path().join("x"), folder.path().join(format!("x{NOTES_SUFFIX}")));
    for left in [None, Some(0), Some(LEN as u64 - 1)] {
        assert!(download(&objects, &partial).unwrap() == content);
        let lines = std::fs::read_to_string(&notes).unwrap();
        assert_eq!(lines.lines().count(), 5, "the notes name all ranges");
        match left {
            None => std::fs::remove_file(&partial).unwrap(),
            Some(len) => File::options().write(true).open(&partial).unwrap().set_len(len).unwrap(),
        }
        assert!(download(&objects, &partial).unwrap() == content, "{left:?}");
    }
    remove_partial(&partial).unwrap();
    assert!(!partial.exists() && !notes.exists());
}

#[test]
fn a_request_that_is_never_answered_is_made_so_many_times_and_no_more() {
    let (fake, objects) = folder();
    fake.put("root/t/CURRENT", b"v\n");
    for fault in [Fault::Silence, Fault::Status(503, "SlowDown")] {
        fake.fail(move |_| Some(fault));
        fake.take_log();
        objects.read("t/CURRENT", 100).unwrap_err();
        assert_eq!(fake.take_log().len(), 1 + RETRIES_MAX, "{fault:?}");
        objects.list("").unwrap_err();
        assert_eq!(fake.take_log().len(), 1 + RETRIES_MAX, "{fault:?}");
    }
}

#[test]
fn what_waits_for_a_store_that_says_nothing_ends_when_it_is_stopped() {
    let (fake, objects) = folder();
    fake.put("root/t/v.graven", &bytes(LEN));
    let folder = tempfile::tempdir().unwrap();
    let info = objects.info_of("t/v.graven").unwrap().unwrap();
    fake.fail(|_| Some(Fault::Slow(PATIENCE)));
    fake.take_log();
    let began = Instant::now();
    let problems = std::thread::scope(|scope| {
        let read = || {
            let options = Download { rate: None, progress: &mut |_, _| true };
            objects.download(&info, &folder.path().join("x"), options).unwrap_err().problem
        };
        let waiting = [
            scope.spawn(|| objects.list("").unwrap_err().problem),
            scope.spawn(|| objects.read_many(&["a".to_owned()], 1).remove(0).unwrap_err().problem),
            scope.spawn(read),
        ];
        let mut asked = 0;
        while asked < waiting.len() {
            asked += fake.take_log().len();
            std::thread::yield_now();
        }
        objects.stop();
        waiting.map(|waiting| waiting.join().unwrap())
    });
    assert!(problems.iter().all(|problem| matches!(problem, ObjectProblem::Stopped)), "{problems:?}");
    assert!(matches!(objects.read("t/CURRENT", 1).unwrap_err().problem, ObjectProblem::Stopped));
    assert!(began.elapsed() < PATIENCE);
}
