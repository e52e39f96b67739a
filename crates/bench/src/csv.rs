//! Comma-separated values: the runs over time, a line for each step of each run.

use std::io::{self, Write};

use crate::report::Document;

/// The columns.
pub(crate) const HEADER: &str = "run,connections,asked_per_second,at_seconds,step_seconds,answers,answers_per_second,failures,p50_us,p99_us,max_us,ended";

/// Writes every step of every run.
///
/// # Errors
/// When `out` takes no more.
pub fn write_csv(document: &Document, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{HEADER}")?;
    let optional = |number: Option<f64>| number.map_or(String::new(), |number| number.to_string());
    for (number, run) in document.runs.iter().enumerate() {
        let ended = run.ended;
        let (connections, rate) = (run.parameters.connections, optional(run.parameters.rate));
        let step_seconds = run.over_time.step_seconds;
        for step in &run.over_time.steps {
            // The last step may end with the run.
            let lasted = step_seconds.min(run.seconds - step.at_seconds);
            let per_second = if lasted > 0.0 { step.answers as f64 / lasted } else { 0.0 };
            writeln!(
                out,
                "{},{connections},{rate},{:.3},{step_seconds},{},{per_second:.1},{},{},{},{},{ended}",
                number + 1,
                step.at_seconds,
                step.answers,
                step.failures,
                optional(step.p50_us),
                optional(step.p99_us),
                optional(step.max_us),
            )?;
        }
    }
    Ok(())
}
