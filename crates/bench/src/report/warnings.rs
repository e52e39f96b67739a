//! What a reader of a run's figures must know before anything else.

use super::{Ending, Report};
use crate::plan::LoadPlan;
use crate::recorder::{GaveUp, Recorder};

/// The warnings of a run of `plan`, in the order of their weight.
pub(super) fn warnings(report: &Report, plan: &LoadPlan, recorder: &Recorder) -> Vec<String> {
    let protocol = plan.target.protocol();
    let mut warnings = Vec::new();
    match recorder.gave_up {
        Some(GaveUp::Unanswered(Some(found))) => {
            warnings.push(format!("The server answers in {found}, not in {protocol}, and was asked no more."))
        }
        Some(GaveUp::Unanswered(None)) => warnings.push(format!(
            "Nothing that the server sent could be understood as {protocol}, and it was asked no more."
        )),
        Some(GaveUp::Unconnected) => warnings.push(format!(
            "No connection was made for {} s; the run ended before all requests were sent.",
            plan.timeout.as_secs_f64()
        )),
        None => {}
    }
    if report.ended == Ending::CutShort {
        let meant = match (plan.duration, plan.requests) {
            (Some(duration), _) => format!("{} s", duration.as_secs_f64()),
            (None, requests) => format!("{} requests", requests.unwrap_or_default()),
        };
        warnings.push(format!("The run was cut short after {:.3} s; it was to be {meant}.", report.seconds));
    }
    let answers = report.answers();
    if report.outcomes.misses == answers && report.keys.misses > 0 && plan.workload.miss < 1.0 {
        let path = if plan.target.has_url() { ", or the URL may be another one" } else { "" };
        warnings.push(format!("Not one key was found: they may be those of another table{path}."));
    }
    if report.outcomes.refused == answers && answers > 0 {
        warnings.push("Every request was refused.".into());
    }
    if let Some(schedule) = report.schedule.as_ref().filter(|schedule| schedule.unsent > 0) {
        warnings.push(format!(
            "{} of {} requests were due and never sent, for no connection was free. The latencies of answers leave \
             them out; those of all requests that were due count them with the time that they had waited.",
            schedule.unsent,
            report.sent + schedule.unsent
        ));
    }
    warnings
}
