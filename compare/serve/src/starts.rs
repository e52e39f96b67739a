//! How long it takes from starting a server until its first right answer, and what it holds once it is at rest.

use anyhow::Result;
use fastrand::Rng;

use crate::idle::asked_once;
use crate::pool::Pool;
use crate::rates::median;
use crate::servers::{Server, Setup};
use crate::stop::Stop;
use crate::table::Table;

/// Starts every server that has the table so many times again, and returns a table. `resident` are the bytes that each of
/// `servers` held when it was at rest, before any load.
pub(crate) fn measure(
    starts: usize,
    servers: &[Server],
    resident: &[u64],
    setup: &Setup<'_>,
    stop: &Stop,
) -> Result<String> {
    if !servers.iter().any(|server| server.system.has_the_table()) {
        return Ok(String::new());
    }
    let mut table =
        Table::new(2, &["server", "gets the pairs from", "first right answer after s", "resident MB"]);
    for (server, resident) in servers.iter().zip(resident) {
        if !server.system.has_the_table() {
            continue;
        }
        eprintln!("{} starts {starts} times", server.system.name());
        server.save()?;
        let mut pool = Pool::draw(server.protocols[0], setup.pairs, 0.0, &mut Rng::with_seed(0));
        let fixed = pool.protocol().fixed_expected();
        let answers = server.answers(&fixed);
        let mut times = Vec::new();
        for _ in 0..starts {
            let answered = |address| asked_once(address, &mut pool, answers).is_ok();
            times.push(server.start_again(setup, answered, stop)?);
        }
        table.push(vec![
            server.system.name().to_owned(),
            server.system.source().to_owned(),
            format!("{:.3}", median(times).as_secs_f64()),
            format!("{:.1}", *resident as f64 / 1e6),
        ]);
    }
    Ok(format!("### From the start to the first right answer, median of {starts}\n\n{}\n", table.markdown()))
}
