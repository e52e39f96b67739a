//! A distribution in the text format that HdrHistogram's plotters read, in milliseconds.

use std::io::{self, Write};

use crate::report::Report;

/// Writes the distribution of the hits of `run`, or of the first other outcome that there was;
/// nothing where there was none.
///
/// # Errors
/// When `out` takes no more.
pub fn write_hgrm(run: &Report, out: &mut impl Write) -> io::Result<()> {
    let latencies = run.latencies();
    let Some((_, latency)) = latencies.first() else { return Ok(()) };
    let times = latency.honest();
    writeln!(out, "{:>12} {:>14} {:>10} {:>14}\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)")?;
    for point in &times.curve {
        let quantile = point.percent / 100.0;
        write!(out, "{:>12.3} {quantile:>2.12} {:>10}", point.us / 1e3, point.count)?;
        if quantile < 1.0 {
            write!(out, " {:>14.2}", 1.0 / (1.0 - quantile))?;
        }
        writeln!(out)?;
    }
    let ms = |us: f64| us / 1e3;
    let (mean, deviation) = (ms(times.mean_us), ms(times.deviation_us));
    writeln!(out, "#[Mean    = {mean:>12.3}, StdDeviation   = {deviation:>12.3}]")?;
    writeln!(out, "#[Max     = {:>12.3}, Total count    = {:>12}]", ms(times.max_us), times.count)?;
    writeln!(out, "#[Buckets = {:>12}, SubBuckets     = {:>12}]", 32, 2048)?;
    run.warnings.iter().try_for_each(|warning| writeln!(out, "#[Warning: {warning}]"))
}
