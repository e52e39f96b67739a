//! Serves a text file on one endpoint until it is killed: `serve_text FILE ENDPOINT THREADS`.

use std::num::NonZeroUsize;

use graven_format::{Duplicates, StoreBuilder};
use graven_server::{Endpoint, Listener, Options, Shutdown, run};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut argument = || arguments.next().ok_or("usage: serve_text FILE ENDPOINT THREADS");
    let text = std::fs::read(argument()?)?;
    let endpoint: Endpoint = argument()?.parse()?;
    let options = Options { threads: argument()?.parse::<NonZeroUsize>()?, ..Options::default() };
    let mut builder = StoreBuilder::new(Duplicates::Last);
    for line in text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        let end = line.iter().position(|byte| b" \t".contains(byte)).unwrap_or(line.len());
        builder.insert(&line[..end], line.get(end + 1..).unwrap_or_default())?;
    }
    let store = builder.finish();
    let listener = Listener::bind(&endpoint, &options)?;
    println!("{} pairs on {}", store.len(), listener.endpoint());
    run(vec![listener], &store, &options, &Shutdown::new())?;
    Ok(())
}
