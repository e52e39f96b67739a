//! Every seed and every case once found, run again on stable Rust.

use std::path::Path;

fn replay(target: &str, check: fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    let mut files = 0;
    for entry in
        std::fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
    {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        check(&bytes);
        // A decoder has to bear the same bytes cut short, too.
        (0..bytes.len()).for_each(|end| check(&bytes[..end]));
        files += 1;
    }
    assert!(files > 0, "{} holds no seeds", directory.display());
}

macro_rules! targets {
    ($($target:ident: $check:path,)*) => {
        $(#[test]
        fn $target() {
            replay(stringify!($target), $check);
        })*

        #[test]
        fn every_directory_of_seeds_has_its_target() {
            let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
            let targets = [$(stringify!($target)),*];
            for entry in std::fs::read_dir(seeds).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                assert!(targets.contains(&&*name), "seeds/{name} belongs to no target");
            }
        }
    };
}

targets! {
    resp_request: graven_fuzz::resp::request,
    resp_reply: graven_fuzz::resp::reply,
    memcached_request: graven_fuzz::memcached::request,
    memcached_reply: graven_fuzz::memcached::reply,
    address: graven_fuzz::address::parse,
    glob: graven_fuzz::glob::matches,
    proxy_header: graven_fuzz::proxy::header,
    http_request: graven_fuzz::http::request,
    http_response: graven_fuzz::http::response,
    ingest_json: graven_fuzz::json::document,
    ingest_pairs: graven_fuzz::ingest::pairs,
    ingest_rows: graven_fuzz::rows::input,
    ingest_parquet: graven_fuzz::parquet::file,
    redis_dump: graven_fuzz::redis_dump::input,
    table_row: graven_fuzz::rows::row,
    table_open: graven_fuzz::table::open,
    table_long: graven_fuzz::table::long,
    table_model: graven_fuzz::table::model,
}
