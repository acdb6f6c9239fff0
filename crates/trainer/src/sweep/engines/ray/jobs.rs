//! What is said to Ray about a worker, and what does its answer mean? Ray's job submission API, as it is since Ray 2.10.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Workers;
use crate::sweep::engines::{STUDY, label, quoted};

/// Under which keys a job says whose it is.
const OF_STUDY: &str = "firebox_study";
const OF_WORKER: &str = "firebox_worker";
/// So many seconds a worker has for saving before Ray kills it.
const SAVING: u64 = 60;
/// What a worker returns that was interrupted and has saved everything.
const INTERRUPTED: i64 = 130;

/// How a job stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stand {
    /// It waits for a machine.
    Pending,
    /// It works.
    Running,
    /// It came to its end.
    Done,
    /// Somebody, or the death of a machine, ended it: nothing speaks against another start.
    Killed(String),
    /// It ended with an error.
    Failed(String),
}

impl Stand {
    /// Whether it may still do something.
    pub fn is_alive(&self) -> bool {
        matches!(self, Self::Pending | Self::Running)
    }

    /// A word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Done => "done",
            Self::Killed(_) => "killed",
            Self::Failed(_) => "failed",
        }
    }
}

/// The command of a worker. Its process takes the place of the shell, so that signals and exit codes are its own.
pub fn command(workers: &Workers) -> String {
    let mut words = vec!["exec".to_owned(), quoted(&workers.program), "sweep".into(), "worker".into()];
    for (flag, value) in [("--run", &workers.run), ("--device", &workers.device)] {
        words.extend(value.iter().flat_map(|value| [flag.to_owned(), quoted(value)]));
    }
    words.join(" ")
}

/// What is sent to begin a worker.
pub fn submission(workers: &Workers, worker: usize, id: &str) -> Value {
    let mut variables: BTreeMap<&str, String> =
        workers.variables.iter().map(|(k, v)| (k.as_str(), v.clone())).collect();
    variables.insert(STUDY, workers.study.clone());
    variables.insert("RAY_JOB_STOP_WAIT_TIME_S", SAVING.to_string());
    let mut sent = json!({
        "entrypoint": command(workers),
        "submission_id": id,
        "runtime_env": { "env_vars": variables },
        "metadata": { OF_STUDY: workers.shown, OF_WORKER: worker.to_string() },
        "entrypoint_num_cpus": workers.cpus,
    });
    if workers.gpus > 0.0 {
        sent["entrypoint_num_gpus"] = workers.gpus.into();
    }
    if let Some(bytes) = workers.memory {
        sent["entrypoint_memory"] = bytes.into();
    }
    if !workers.resources.is_empty() {
        sent["entrypoint_resources"] = json!(workers.resources);
    }
    sent
}

/// The name of a job that no other has.
pub fn id(workers: &Workers, worker: usize, moment: u64) -> String {
    let name = workers.shown.rsplit('#').next().unwrap_or_default();
    format!("firebox-{}-{worker}-{moment:x}", label(name, 40))
}

/// Which worker of a study a job is; nothing if it is of another study, or none of ours.
pub fn worker_of(job: &Value, workers: &Workers) -> Option<usize> {
    let metadata = job.get("metadata")?;
    (metadata.get(OF_STUDY)?.as_str()? == workers.shown).then_some(())?;
    metadata.get(OF_WORKER)?.as_str()?.parse().ok()
}

/// How a job stands that Ray describes; nothing if that cannot be read.
pub fn stand(job: &Value) -> Option<Stand> {
    let message = job.get("message").and_then(Value::as_str).unwrap_or_default();
    let message: String = message.lines().last().unwrap_or_default().trim().chars().take(300).collect();
    let kind = job.get("error_type").and_then(Value::as_str).unwrap_or_default();
    Some(match job.get("status")?.as_str()? {
        "PENDING" => Stand::Pending,
        "RUNNING" => Stand::Running,
        "SUCCEEDED" => Stand::Done,
        "STOPPED" => Stand::Killed("it was stopped".into()),
        "FAILED" => match (job.get("driver_exit_code").and_then(Value::as_i64), kind) {
            (Some(INTERRUPTED), _) => Stand::Killed("it was interrupted, and has saved everything".into()),
            // A shell says 128 and the number of the signal.
            (Some(code), _) if code < 0 => Stand::Killed(format!("signal {} ended it", -code)),
            (Some(code), _) if code > 128 => Stand::Killed(format!("signal {} ended it", code - 128)),
            (Some(127), _) => Stand::Failed(format!("the machine knows no such program: {message}")),
            (Some(code), _) => Stand::Failed(format!("it ended with code {code}: {message}")),
            (None, "JOB_SUPERVISOR_ACTOR_DIED" | "JOB_SUPERVISOR_ACTOR_UNKNOWN_FAILURE" | "") => {
                Stand::Killed(if message.is_empty() { "its machine was lost".into() } else { message })
            }
            (None, kind) => Stand::Failed(format!("{}: {message}", kind.to_lowercase().replace('_', " "))),
        },
        _ => return None,
    })
}
