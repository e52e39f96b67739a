//! Listing, reading and writing small objects, on conditions.

use graven_objects::{ObjectProblem, PutCondition, PutOutcome};

use crate::fake_s3::{Conditions, Fault};
use crate::{first, folder};

fn tag(outcome: PutOutcome) -> String {
    match outcome {
        PutOutcome::Written { tag } => tag.unwrap(),
        PutOutcome::Refused => panic!("refused"),
    }
}

#[test]
fn a_listing_has_all_pages_and_nothing_of_its_neighbours() {
    let (fake, objects) = folder();
    for i in 0..10 {
        fake.put(&format!("root/t/{i:02}"), &vec![0; i]);
    }
    fake.put("rooted/t/x", b"x");
    fake.put("root2", b"x");
    let listed = objects.list("").unwrap();
    let found: Vec<(&str, u64)> = listed.iter().map(|object| (object.key.as_str(), object.bytes)).collect();
    assert_eq!(found.len(), 10);
    assert_eq!((found[0], found[9]), (("t/00", 0), ("t/09", 9)));
    assert!(listed.iter().all(|object| object.tag.is_some()));
    assert!(objects.list("nothing").unwrap().is_empty());
}

#[test]
fn a_write_happens_if_its_condition_holds_and_not_otherwise() {
    let (fake, objects) = folder();
    let one = tag(objects.write("CURRENT", b"1", &PutCondition::Absent).unwrap());
    assert_eq!(objects.write("CURRENT", b"2", &PutCondition::Absent).unwrap(), PutOutcome::Refused);
    let two = tag(objects.write("CURRENT", b"2", &PutCondition::Tag(one.clone())).unwrap());
    assert_eq!(objects.write("CURRENT", b"3", &PutCondition::Tag(one)).unwrap(), PutOutcome::Refused);
    assert_eq!(objects.read("CURRENT", 10).unwrap(), Some((b"2".to_vec(), Some(two))));
    assert_eq!(fake.get("root/CURRENT").unwrap(), b"2");
}

#[test]
fn a_write_whose_answer_is_lost_is_made_again_and_known_for_its_own() {
    let (fake, objects) = folder();
    fake.fail(first(1, Fault::AnswerLost, |request| request.method == "PUT"));
    let one = tag(objects.write("CURRENT", b"mine", &PutCondition::Absent).unwrap());
    fake.fail(first(1, Fault::Status(503, "SlowDown"), |request| request.method == "PUT"));
    tag(objects.write("CURRENT", b"mine, too", &PutCondition::Tag(one)).unwrap());
    assert_eq!(fake.get("root/CURRENT").unwrap(), b"mine, too");
}

#[test]
fn a_store_without_conditions_says_so() {
    let (fake, objects) = folder();
    fake.set_conditions(Conditions::NotImplemented);
    let error = objects.write("CURRENT", b"1", &PutCondition::Absent).unwrap_err();
    assert!(matches!(error.problem, ObjectProblem::Unsupported { .. }), "{error}");
}

#[test]
fn what_is_not_there_is_none_and_a_bucket_that_is_not_there_is_an_error() {
    let (fake, objects) = folder();
    assert_eq!(objects.read("x", 10).unwrap(), None);
    assert_eq!(objects.info_of("x").unwrap(), None);
    objects.remove("x").unwrap();
    fake.fail(|_| Some(Fault::Status(404, "NoSuchBucket")));
    let error = objects.read("x", 10).unwrap_err().to_string();
    assert!(
        error.contains("cannot read s3://shop/root/x") && error.contains("name of the bucket"),
        "{error}"
    );
}

#[test]
fn an_object_that_is_too_large_is_not_read() {
    let (fake, objects) = folder();
    fake.put("root/x", &[0; 11]);
    let error = objects.read("x", 10).unwrap_err();
    assert!(matches!(error.problem, ObjectProblem::TooLarge { bytes_max: 10 }), "{error}");
    assert_eq!(objects.read("x", 11).unwrap().unwrap().0.len(), 11);
}

#[test]
fn a_refusal_names_the_object_the_status_and_what_to_look_at_and_is_not_repeated() {
    let (fake, objects) = folder();
    for (status, code, look_at) in [
        (403, "AccessDenied", "may read, list and write"),
        (403, "RequestTimeTooSkewed", "clock"),
        (403, "SignatureDoesNotMatch", "AWS_SECRET_ACCESS_KEY"),
        (400, "AuthorizationHeaderMalformed", "AWS_REGION"),
    ] {
        fake.fail(move |_| Some(Fault::Status(status, code)));
        fake.take_log();
        let read = objects.read("t/CURRENT", 10).unwrap_err();
        assert!(!read.problem.may_pass());
        let listed = objects.list("t").unwrap_err();
        for error in [read.to_string(), listed.to_string()] {
            for part in ["s3://shop/root/t", &status.to_string(), code, look_at] {
                assert!(error.contains(part), "{part}: {error}");
            }
        }
        assert_eq!(fake.take_log().len(), 2, "{code}");
    }
}

#[test]
fn what_fails_for_a_moment_is_asked_again() {
    let (fake, objects) = folder();
    fake.put("root/t/CURRENT", b"1");
    for fault in [
        Fault::Status(500, "InternalError"),
        Fault::Status(503, "SlowDown"),
        Fault::Silence,
        Fault::Truncated,
    ] {
        fake.fail(first(2, fault, |request| request.method == "GET"));
        assert_eq!(objects.read("t/CURRENT", 10).unwrap().unwrap().0, b"1", "{fault:?}");
        fake.fail(first(2, fault, |request| request.method == "GET"));
        assert_eq!(objects.list("t").unwrap().len(), 1, "{fault:?}");
    }
}
