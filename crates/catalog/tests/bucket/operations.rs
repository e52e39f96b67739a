//! What publishers and people do to a root in an object store.

use std::collections::BTreeSet;
use std::sync::Barrier;

use graven_catalog::root::{Publish, RootError, SwitchTarget, publish, resume, rollback, switch};
use graven_catalog::{Current, Root};

use crate::fake_s3::{Conditions, Fault};
use crate::{Shop, name, table};

fn latest() -> SwitchTarget {
    SwitchTarget::Latest
}

#[test]
fn versions_are_published_switched_to_and_back_and_listed() {
    let shop = Shop::new();
    let bucket = shop.bucket();
    assert!(bucket.tables().unwrap().is_empty());
    for version in ["v1", "v2", "v3"] {
        shop.publish(version);
    }
    assert_eq!(bucket.tables().unwrap(), [table()]);
    let versions = bucket.versions(&table()).unwrap();
    let names: Vec<&str> = versions.iter().map(|version| version.name.as_str()).collect();
    assert_eq!(names, ["v1", "v2", "v3"]);
    // Another process, which has none of the versions here.
    let bucket = shop.bucket();
    assert_eq!(rollback(&bucket, &table(), None, "wrong").unwrap().version(), &name("v2"));
    let frozen = switch(&bucket, &table(), &latest(), "", false, &mut |_, _| true);
    assert!(matches!(frozen, Err(RootError::Frozen { .. })));
    resume(&bucket, &table(), "").unwrap();
    let target = SwitchTarget::Version(name("v1"));
    let current = switch(&bucket, &table(), &target, "", false, &mut |_, _| true).unwrap();
    assert_eq!(current.version(), &name("v1"));
    assert_eq!(shop.current().unwrap(), "v1");
    assert!(shop.store.keys().iter().all(|key| !key.contains("claim")), "{:?}", shop.store.keys());
}

#[test]
fn going_back_reads_the_beginning_of_a_version_and_no_more() {
    let shop = Shop::new();
    let large = shop.file("large", 300_000);
    for version in ["v1", "v2"] {
        let options = Publish {
            version: Some(name(version)),
            note: String::new(),
            switch: true,
            force: false,
            progress: &mut |_, _| true,
        };
        publish(&shop.bucket(), &table(), &large, options).unwrap();
    }
    shop.store.take_log();
    rollback(&shop.bucket(), &table(), None, "").unwrap();
    let log = shop.store.take_log();
    let read: Vec<_> =
        log.iter().filter(|request| request.key.ends_with(".graven") && request.method == "GET").collect();
    assert!(!read.is_empty() && read.iter().all(|request| request.header("range").is_some()), "{read:?}");
    assert!(log.len() <= 8, "{} requests", log.len());
}

#[test]
fn gates_keep_a_version_out_of_a_bucket_as_of_a_directory() {
    let shop = Shop::new();
    shop.publish("v1");
    shop.store.put("root/prices/table.toml", b"max-change = \"20%\"\nprobe = \"must.txt\"\n");
    shop.store.put("root/prices/must.txt", b"k7 v2\n");
    shop.publish("v2").switched.unwrap().unwrap();
    let refused = shop.publish("v3").switched.unwrap().unwrap_err();
    assert!(matches!(refused, RootError::Refused { .. }), "{refused}");
    shop.store.put("root/prices/must.txt", b"k7\n");
    let small = shop.file("small", 50);
    let options = Publish {
        version: Some(name("v4")),
        note: String::new(),
        switch: true,
        force: false,
        progress: &mut |_, _| true,
    };
    let refused = publish(&shop.bucket(), &table(), &small, options).unwrap().switched.unwrap().unwrap_err();
    assert!(refused.to_string().contains("pairs"), "{refused}");
    assert_eq!(shop.current().unwrap(), "v2");
}

#[test]
fn a_version_is_never_replaced() {
    let shop = Shop::new();
    shop.publish("v1");
    let before = shop.store.get("root/prices/v1.graven");
    let again = shop.publish_to(&shop.bucket(), "v1").unwrap_err();
    assert!(matches!(again, RootError::VersionExists { .. }), "{again}");
    // One that somebody is about to put there.
    shop.store.put("root/prices/.v2.claim", b"another");
    let claimed = shop.publish_to(&shop.bucket(), "v2").unwrap_err();
    assert!(claimed.to_string().contains("remove s3://shop/root/prices/.v2.claim"), "{claimed}");
    assert_eq!(shop.store.get("root/prices/v1.graven"), before);
    assert_eq!(shop.store.get("root/prices/v2.graven"), None);
}

#[test]
fn the_claim_of_a_publisher_that_was_killed_long_ago_is_none() {
    let shop = Shop::new();
    shop.publish("v1");
    let young = ["root/prices/.v3.claim"];
    let others = ["root/prices/notes.claim", "root/prices/.v2.claims", "root/prices/v0.graven"];
    young.iter().for_each(|key| shop.store.put(key, b"another"));
    others.iter().chain(&["root/prices/.v2.claim"]).for_each(|key| shop.store.put_years_ago(key, b"another"));
    shop.publish("v2").switched.unwrap().unwrap();
    assert_eq!(shop.current().unwrap(), "v2");
    let left = shop.store.keys();
    for key in young.iter().chain(&others) {
        assert!(left.iter().any(|left| left == key), "{key} is gone: {left:?}");
    }
    assert!(!left.contains(&"root/prices/.v2.claim".to_owned()), "{left:?}");
}

#[test]
fn of_publishers_at_once_each_has_a_name_of_its_own_and_one_switches() {
    let shop = Shop::new();
    shop.publish("20200101T000000Z");
    for _ in 0..10 {
        let before = shop.current();
        let barrier = Barrier::new(4);
        let published: Vec<_> = std::thread::scope(|scope| {
            let publishers: Vec<_> = (0..4)
                .map(|i| {
                    let (shop, barrier) = (&shop, &barrier);
                    let file = shop.file(&format!("by{i}"), 100);
                    scope.spawn(move || {
                        let bucket = shop.bucket();
                        barrier.wait();
                        let options = Publish {
                            version: None,
                            note: String::new(),
                            switch: true,
                            force: false,
                            progress: &mut |_, _| true,
                        };
                        publish(&bucket, &table(), &file, options).unwrap()
                    })
                })
                .collect();
            publishers.into_iter().map(|publisher| publisher.join().unwrap()).collect()
        });
        let names: BTreeSet<_> = published.iter().map(|published| published.version.clone()).collect();
        assert_eq!(names.len(), 4);
        let switched = published.iter().filter(|published| matches!(published.switched, Some(Ok(_))));
        let switched: Vec<_> = switched.map(|published| published.version.to_string()).collect();
        assert!(!switched.is_empty());
        assert!(switched.contains(&shop.current().unwrap()), "{switched:?}");
        assert_ne!(shop.current(), before);
        for published in &published {
            let overtaken = matches!(published.switched, Some(Err(RootError::Overtaken { .. })));
            assert!(overtaken || matches!(published.switched, Some(Ok(_))), "{published:?}");
        }
    }
}

#[test]
fn a_publisher_that_ends_at_any_request_leaves_what_was_or_what_was_to_be() {
    let shop = Shop::new();
    shop.publish("v000");
    shop.store.take_log();
    shop.publish("v001");
    let requests = shop.store.take_log().len();
    assert!((5..40).contains(&requests), "{requests}");
    let mut answers = "v001".to_owned();
    for ends_at in 0..requests {
        let version = format!("v{:03}", ends_at + 2);
        let mut count = 0;
        // From some request on, nothing comes through, as from a process that was killed.
        shop.store.fail(move |_| {
            count += 1;
            (count > ends_at).then_some(Fault::Status(403, "AccessDenied"))
        });
        let published = shop.publish_to(&shop.bucket(), &version);
        shop.store.mend();
        let is_there = shop.store.get(&format!("root/prices/{version}.graven")).is_some();
        let current = shop.current().unwrap();
        assert!(current == answers || (current == version && is_there), "{ends_at}: {current}");
        if published.is_ok_and(|published| matches!(published.switched, Some(Ok(_)))) {
            assert_eq!(current, version);
        }
        answers = current;
    }
    shop.publish("w").switched.unwrap().unwrap();
}

#[test]
fn where_the_store_knows_no_conditions_one_may_publish_at_a_time() {
    for conditions in [Conditions::NotImplemented, Conditions::PassedOver] {
        let shop = Shop::new();
        shop.store.set_conditions(conditions);
        for version in ["v1", "v2"] {
            shop.publish(version).switched.unwrap().unwrap();
        }
        rollback(&shop.bucket(), &table(), None, "").unwrap();
        assert_eq!(shop.current().unwrap(), "v1", "{conditions:?}");
    }
}

#[test]
fn a_version_that_is_removed_while_it_is_switched_to_does_not_answer() {
    let shop = Shop::new();
    shop.publish("v1");
    let bucket = shop.bucket();
    let before = bucket.current(&table()).unwrap();
    // As a switch writes it that has looked at the version before it was removed.
    let next = Current::read(b"v2\nv2 2026-11-26T02:00:00Z switch\n").unwrap();
    let gone = bucket.replace_current(&table(), &before, &next).unwrap_err();
    assert!(matches!(gone, RootError::NoVersion { .. }), "{gone}");
    assert_eq!(bucket.current(&table()).unwrap().known(), before.known());
}

#[test]
fn a_version_that_is_not_whole_is_not_published() {
    let shop = Shop::new();
    shop.publish("v1");
    let path = shop.file("v2", 100);
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.len() - 100;
    bytes[at] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let options = Publish {
        version: Some(name("v2")),
        note: String::new(),
        switch: true,
        force: false,
        progress: &mut |_, _| true,
    };
    let refused = publish(&shop.bucket(), &table(), &path, options).unwrap_err();
    assert!(matches!(refused, RootError::File { .. }), "{refused}");
    assert!(shop.store.keys().iter().all(|key| !key.contains("v2")), "{:?}", shop.store.keys());
}

#[test]
fn a_version_that_the_store_has_damaged_is_not_switched_to() {
    let shop = Shop::new();
    shop.publish("v1");
    shop.publish("v2");
    rollback(&shop.bucket(), &table(), None, "").unwrap();
    resume(&shop.bucket(), &table(), "").unwrap();
    let mut bytes = shop.store.get("root/prices/v1.graven").unwrap();
    let at = bytes.len() - 100;
    bytes[at] ^= 1;
    shop.store.put("root/prices/v3.graven", &bytes);
    let refused = switch(&shop.bucket(), &table(), &latest(), "", false, &mut |_, _| true).unwrap_err();
    assert!(matches!(refused, RootError::File { .. }), "{refused}");
    assert_eq!(shop.current().unwrap(), "v1");
}
