//! `graven serve --storage`: where a table is kept, what is said of it, and what is refused.

mod support;

use graven_client::{Client, Target, Timeouts};
use support::{Serving, carved, example_data, example_pairs, file_with, run};

fn answers_every_key(arguments: &[&str]) -> Vec<String> {
    let (_directory, path) = carved(&example_data(), &["--for", "disk"]);
    let mut all = vec![path.to_str().unwrap()];
    all.extend(arguments);
    let serving = Serving::start(&all);
    let target: Target = serving.address().parse().unwrap();
    let mut client = Client::connect(&target, Timeouts::default()).unwrap();
    for (key, value) in example_pairs() {
        assert_eq!(client.get(key.as_bytes()).unwrap().as_deref(), Some(value.as_bytes()), "{key}");
    }
    assert_eq!(client.get(b"none").unwrap(), None);
    serving.said.clone()
}

#[test]
fn a_table_on_disk_answers_every_key_and_says_what_its_index_takes() {
    for arguments in [
        &["--cache", "0"][..],
        &["--cache", "1MiB", "--disk-reads", "threads"],
        &["--max-disk-reads", "16"],
        &["--disk-queue", "1"],
    ] {
        let said = answers_every_key(&[&["--storage", "disk"], arguments].concat());
        assert_eq!(said[1], "storage disk: as was asked for");
        assert!(said[2].starts_with("index 0.0 MB in memory, 0."), "{said:?}");
        assert!(said[2].contains(" bits a key; cache "), "{said:?}");
    }
}

#[test]
fn a_mapped_table_answers_every_key() {
    assert_eq!(answers_every_key(&["--storage", "mmap"])[1], "storage mmap: as was asked for");
}

#[test]
fn text_is_not_served_from_disk_and_the_way_there_is_named() {
    let (_directory, path) = file_with(b"key value\n");
    for storage in ["disk", "mmap"] {
        let ended = run(&["serve", path.to_str().unwrap(), "--listen", "127.0.0.1:0", "--storage", storage]);
        assert_eq!(ended.status, Some(2));
        assert!(
            ended.err.contains(" -o FILE --for disk` makes a file that is served from disk"),
            "{}",
            ended.err
        );
    }
}

#[test]
fn a_table_whose_index_is_damaged_is_not_served_from_disk() {
    let (_directory, path) = carved(&example_data(), &["--for", "disk"]);
    let ended = run(&["info", "--json", path.to_str().unwrap()]);
    let info: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    let sections = info["sections"].as_array().unwrap();
    let index = sections.iter().find(|section| section["name"] == "index").unwrap();
    let index = usize::try_from(index["offset"].as_u64().unwrap()).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[index + 10] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let ended = run(&["serve", path.to_str().unwrap(), "--listen", "127.0.0.1:0", "--storage", "disk"]);
    assert_eq!(ended.status, Some(2));
    assert!(ended.err.contains(&format!("damaged index at byte {index}: ")), "{}", ended.err);
}
