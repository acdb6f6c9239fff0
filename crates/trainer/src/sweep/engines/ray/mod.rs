//! How do workers run on a cluster of Ray? Each is a job of its own, which is begun again when it is killed, as long as there
//! is more to do.
//!
//! Whoever may see the jobs of a cluster may see the address of the study with its password: that is how Ray hands
//! environment variables over. Machines that have the password in `PGPASSWORD` already need none in the address.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::Standing;
use crate::Error;
use crate::sweep::interchange::{counted, failed};
use crate::sweep::web::{Server, Silent};

pub mod jobs;

use jobs::Stand;

/// A worker that ends with an error is begun again so often.
const STARTS: u32 = 3;
/// So long Ray may be silent before whoever waits for it gives up: the jobs go on meanwhile.
const PATIENCE: Duration = Duration::from_mins(10);
/// So long workers may take to save and end.
const ENDING: Duration = Duration::from_secs(90);
/// The last lines of a log that an error shows.
const LINES: usize = 5;

/// Workers as they are wanted.
#[derive(Clone, PartialEq)]
pub struct Workers {
    /// The study, `postgres://...#NAME`; a secret.
    pub study: String,
    /// The same without a password.
    pub shown: String,
    /// How many.
    pub count: usize,
    /// The program, as the machines of the cluster know it.
    pub program: String,
    /// The folder for the runs of trials; workers that share it go on with each other's trials.
    pub run: Option<String>,
    /// On what to compute.
    pub device: Option<String>,
    /// Processors that each is given.
    pub cpus: f64,
    /// Graphics cards, or a share of one.
    pub gpus: f64,
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// What else of a machine it needs, by names that the cluster knows.
    pub resources: BTreeMap<String, f64>,
    /// Further environment variables.
    pub variables: BTreeMap<String, String>,
    /// How often they are looked after.
    pub look: Duration,
}

impl Workers {
    /// So many workers on a study, each with one processor. `shown` is the study without its password.
    pub fn new(study: &str, shown: &str, count: usize) -> Self {
        Self {
            study: study.to_owned(),
            shown: shown.to_owned(),
            count,
            program: "firebox".into(),
            run: None,
            device: None,
            cpus: 1.0,
            gpus: 0.0,
            memory: None,
            resources: BTreeMap::new(),
            variables: BTreeMap::new(),
            look: Duration::from_secs(2),
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A job was begun for a worker.
    Begun {
        /// Which worker, from 0.
        worker: usize,
        /// The job.
        job: &'a str,
    },
    /// A job that was begun earlier is looked after again.
    Found {
        /// Which worker, from 0.
        worker: usize,
        /// The job.
        job: &'a str,
    },
    /// A job stands otherwise than before.
    Stands {
        /// Which worker, from 0.
        worker: usize,
        /// The job.
        job: &'a str,
        /// How.
        stand: &'a Stand,
    },
    /// Ray does not answer, and is asked again.
    Silent(&'a str),
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// There is nothing more to do.
    Done,
    /// Somebody interrupted; all jobs were stopped.
    Interrupted,
}

/// The server at an address. Headers and a token come from the variables that Ray's own client reads: `RAY_JOB_HEADERS` (a
/// table in JSON) and `RAY_AUTH_TOKEN`.
///
/// # Errors
/// [`Error::Interchange`].
pub fn server(address: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Server, Error> {
    let mut headers: Vec<(String, String)> = Vec::new();
    if let Some(text) = variable("RAY_JOB_HEADERS").filter(|text| !text.trim().is_empty()) {
        let table: BTreeMap<String, String> = serde_json::from_str(&text).map_err(|_| {
            let way_out = "write it as in RAY_JOB_HEADERS='{\"Authorization\": \"Bearer ...\"}'";
            crate::sweep::interchange::refused("RAY_JOB_HEADERS", "it is no table of texts in JSON", way_out)
        })?;
        headers.extend(table);
    }
    let has_one = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    if let Some(token) = variable("RAY_AUTH_TOKEN").filter(|token| !token.trim().is_empty() && !has_one) {
        headers.push(("authorization".into(), format!("Bearer {}", token.trim())));
    }
    Server::new("Ray", address, &headers)
}

/// A worker that is looked after.
struct Seat {
    job: Option<String>,
    stand: Option<Stand>,
    /// How often it may still end with an error.
    left: u32,
    /// When it was begun, and how long to wait before it is begun again.
    begun: Instant,
    pause: Duration,
    over: bool,
}

/// Lets workers work until there is nothing more to do, or somebody interrupts. Jobs of the same study that are there already
/// are taken over.
///
/// # Errors
/// [`Error::Interchange`] if Ray is silent for long, or a worker ends with errors again and again; what `standing` returns.
pub fn conduct(
    server: &Server,
    workers: &Workers,
    interrupt: &AtomicBool,
    standing: &mut dyn FnMut() -> Result<Standing, Error>,
    told: &mut dyn FnMut(Event<'_>),
) -> Result<Ending, Error> {
    let found = server.demand("GET", "/api/jobs/", None)?;
    let mut crew: Vec<Seat> = (0..workers.count).map(|_| Seat::new(workers.look)).collect();
    for job in found.as_array().into_iter().flatten() {
        let Some(worker) = jobs::worker_of(job, workers).filter(|worker| *worker < workers.count) else { continue };
        let id = job.get("submission_id").and_then(Value::as_str);
        let stand = jobs::stand(job).filter(Stand::is_alive);
        if let (Some(id), Some(stand)) = (id, stand) {
            told(Event::Found { worker, job: id });
            crew[worker].job = Some(id.to_owned());
            crew[worker].stand = Some(stand);
        }
    }
    let mut silent: Option<Instant> = None;
    loop {
        if interrupt.load(Ordering::Relaxed) {
            return stop_all(server, &mut crew, workers, told);
        }
        match look(server, workers, &mut crew, standing, told) {
            Ok(()) => silent = None,
            Err(Stumble::Silent(reason)) => {
                let since = *silent.get_or_insert_with(Instant::now);
                if since.elapsed() > PATIENCE {
                    return Err(server.silence(&reason));
                }
                told(Event::Silent(&reason));
            }
            Err(Stumble::Broken(error)) => {
                // What one cannot do the others cannot either.
                stop_all(server, &mut crew, workers, told)?;
                return Err(*error);
            }
        }
        if crew.iter().all(|seat| seat.over) {
            return Ok(Ending::Done);
        }
        std::thread::sleep(workers.look);
    }
}

/// Why nothing came of looking after a worker.
enum Stumble {
    Silent(String),
    Broken(Box<Error>),
}

impl From<Silent> for Stumble {
    fn from(Silent(reason): Silent) -> Self {
        Self::Silent(reason)
    }
}

impl From<Error> for Stumble {
    fn from(error: Error) -> Self {
        Self::Broken(Box::new(error))
    }
}

impl Seat {
    fn new(look: Duration) -> Self {
        Self { job: None, stand: None, left: STARTS, begun: Instant::now(), pause: look, over: false }
    }

    /// Asks how the job stands.
    fn ask(&mut self, server: &Server, worker: usize, told: &mut dyn FnMut(Event<'_>)) -> Result<(), Stumble> {
        let Some(job) = self.job.clone() else { return Ok(()) };
        let answer = server.ask("GET", &format!("/api/jobs/{job}"), None)?;
        let stand = match answer.status {
            200 => jobs::stand(&answer.body).ok_or_else(|| Stumble::from(server.refusal(&answer)))?,
            // The head of the cluster was begun anew, and knows of nothing.
            404 => Stand::Killed("Ray does not know it any more".into()),
            500.. => return Err(Stumble::Silent(format!("it answers with status {}", answer.status))),
            _ => return Err(Stumble::from(server.refusal(&answer))),
        };
        if self.stand.as_ref() != Some(&stand) {
            told(Event::Stands { worker, job: &job, stand: &stand });
            self.stand = Some(stand);
        }
        Ok(())
    }

    fn begin(
        &mut self,
        server: &Server,
        workers: &Workers,
        worker: usize,
        told: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Stumble> {
        let moment = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
        let id = jobs::id(workers, worker, moment);
        // Kept before it is known whether it arrived: the next look asks for it, and no second one is begun beside it.
        self.begun = Instant::now();
        self.job = Some(id.clone());
        self.stand = Some(Stand::Pending);
        let answer = server.ask("POST", "/api/jobs/", Some(&jobs::submission(workers, worker, &id)))?;
        match answer.status {
            200..300 => {
                told(Event::Begun { worker, job: &id });
                Ok(())
            }
            500.. => Err(Stumble::Silent(format!("it answers with status {}", answer.status))),
            _ => Err(Stumble::from(server.refusal(&answer))),
        }
    }
}

/// Looks after every worker once.
fn look(
    server: &Server,
    workers: &Workers,
    crew: &mut [Seat],
    standing: &mut dyn FnMut() -> Result<Standing, Error>,
    told: &mut dyn FnMut(Event<'_>),
) -> Result<(), Stumble> {
    for (worker, seat) in crew.iter_mut().enumerate().filter(|(_, seat)| !seat.over) {
        seat.ask(server, worker, told)?;
        if seat.stand.as_ref().is_some_and(Stand::is_alive) {
            continue;
        }
        if standing().map_err(Stumble::from)? != Standing::Open {
            seat.over = true;
            continue;
        }
        if seat.job.is_some() {
            if let Some(Stand::Failed(reason)) = &seat.stand {
                seat.left = seat.left.saturating_sub(1);
                if seat.left == 0 {
                    return Err(Stumble::from(broken(server, worker, seat, reason)));
                }
            }
            // Whoever dies at once waits longer and longer.
            let lived_long = seat.begun.elapsed() > 20 * workers.look.max(seat.pause);
            seat.pause = if lived_long { workers.look } else { (2 * seat.pause).min(Duration::from_mins(1)) };
            seat.begun = Instant::now();
            seat.job = None;
            continue;
        }
        if seat.stand.is_none() || seat.begun.elapsed() >= seat.pause {
            seat.begin(server, workers, worker, told)?;
        }
    }
    Ok(())
}

fn broken(server: &Server, worker: usize, seat: &Seat, reason: &str) -> Error {
    let job = seat.job.clone().unwrap_or_default();
    let log = server.ask("GET", &format!("/api/jobs/{job}/logs"), None).ok();
    let log = log.and_then(|answer| Some(answer.body.get("logs")?.as_str()?.to_owned())).unwrap_or_default();
    let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines[lines.len().saturating_sub(LINES)..].join("\n  ");
    let said = if last.is_empty() { String::new() } else { format!("; the end of its log:\n  {last}") };
    let reason = format!("worker {worker} ended with an error {STARTS} times; {reason}{said}");
    failed(server.address(), reason, format!("`ray job logs {job} --address {}` shows everything", server.address()))
}

/// Asks all jobs to save and end, and waits for them.
fn stop_all(
    server: &Server,
    crew: &mut [Seat],
    workers: &Workers,
    told: &mut dyn FnMut(Event<'_>),
) -> Result<Ending, Error> {
    let begun = Instant::now();
    let mut asked = vec![false; crew.len()];
    loop {
        let mut alive = 0;
        for (worker, seat) in crew.iter_mut().enumerate() {
            if !seat.stand.as_ref().is_some_and(Stand::is_alive) {
                continue;
            }
            if let Some(job) = seat.job.clone().filter(|_| !asked[worker]) {
                let answer = server.ask("POST", &format!("/api/jobs/{job}/stop"), Some(&Value::Null));
                asked[worker] = answer.is_ok_and(|answer| answer.status < 500);
            }
            let _ = seat.ask(server, worker, told);
            alive += usize::from(seat.stand.as_ref().is_some_and(Stand::is_alive));
        }
        if alive == 0 {
            return Ok(Ending::Interrupted);
        }
        if begun.elapsed() > ENDING {
            let reason = format!("{} did not end", counted(alive, "worker"));
            return Err(failed(server.address(), reason, "`ray job list` shows them, `ray job stop` ends them"));
        }
        std::thread::sleep(workers.look);
    }
}

#[cfg(test)]
mod cluster_tests;
#[cfg(test)]
mod tests;
