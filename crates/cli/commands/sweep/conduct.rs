//! How do workers work beside each other, and who looks after them? One trains in this process; several are processes of their own, which are
//! started again when they die.

use std::fs::OpenOptions;
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use model_zoo::device::{self, Found};
use serde_json::json;
use trainer::reports;
use trainer::sweep::place::Place;
use trainer::sweep::status::Status as Standing;
use trainer::sweep::study::Study;
use trainer::sweep::worker::{self, End};
use trainer::sweep::{engines, keep};

use super::show;
use super::{Ended, interrupt_flag, written};
use crate::child;
use crate::console::trials::Live;
use crate::failure::{Failure, Status};
use crate::report;

/// How often workers are looked after.
const LOOK: Duration = Duration::from_millis(10);
/// How often the view is brought up to date.
const SHOW: Duration = Duration::from_millis(300);
/// So long after a signal ended it a worker is started again.
const AGAIN: Duration = Duration::from_millis(100);
/// A worker that ends with an error is started again so often.
const STARTS: usize = 3;
/// The names of graphics cards among which workers are dealt out.
const CARDS: [&str; 2] = ["vulkan:", "wgpu:"];

/// Lets workers work until the budget is used up, or someone interrupts.
pub(super) fn conduct(study: Study, place: &Place, workers: u16, device: Option<&str>, json: bool) -> Ended {
    let interrupt = interrupt_flag()?;
    let asked = device.unwrap_or(&study.experiment.device).to_owned();
    let found = device::open(&asked)?;
    let folder = study.folder().to_owned();
    let mut view = Study::open(place, Some(&folder))?;
    let mut live = Live::begin(&view, &found.name, json);
    let mut crew = if workers == 1 {
        vec![Hand::thread(study, found.clone(), &interrupt)]
    } else {
        let devices = deal(&found, usize::from(workers));
        let starts = devices.into_iter().map(|device| Start::new(place, &folder, device, workers));
        starts.map(Hand::process).collect::<Result<Vec<_>, _>>()?
    };
    let mut shown: Option<Instant> = None;
    let mut broken: Option<Failure> = None;
    while !crew.is_empty() {
        if interrupt.load(Ordering::Relaxed) || broken.is_some() {
            crew.iter_mut().for_each(Hand::ask_to_end);
        }
        let mut left = Vec::new();
        for hand in crew {
            match hand.look_after(interrupt.load(Ordering::Relaxed), &folder)? {
                Looked::Works(hand) => left.push(hand),
                Looked::Done => {}
                // What one cannot do the others cannot either.
                Looked::Failed(failure) => broken = Some(failure),
            }
        }
        crew = left;
        if shown.is_none_or(|shown| shown.elapsed() >= SHOW) {
            view.refresh()?;
            live.show(&view);
            shown = Some(Instant::now());
        }
        std::thread::sleep(LOOK);
    }
    view.refresh()?;
    live.end(&view);
    if let Some(failure) = broken {
        return Err(failure);
    }
    conclude(&view, place, &found, &interrupt, json)
}

fn conclude(study: &Study, place: &Place, found: &Found, interrupt: &AtomicBool, json: bool) -> Ended {
    let standing = Standing::of(study);
    if interrupt.load(Ordering::Relaxed) || standing.state != "over" {
        let study = written(&show::address(place, study));
        if json {
            report::json(&json!(standing));
        } else {
            report::line(format!("Stopped after {} trials; everything is saved.", standing.finished));
            report::line("Go on with:");
            report::line(format!("  firebox sweep resume {study}"));
        }
        return Ok(Status::Interrupted);
    }
    let kept = keep::finish(study, found, interrupt)?;
    let address = written(&show::address(place, study));
    reports::sweep::write(&reports::sweep::facts::gather(study, &address), &study.page())?;
    if json {
        report::json(&json!(Standing::of(study)));
    } else {
        show::outcome(study, place, &kept);
    }
    if standing.complete > 0 {
        return Ok(Status::Done);
    }
    let first = study.trials.iter().find_map(|trial| trial.error.clone());
    let message = match first {
        Some(error) => format!("no trial was completed; the first error was: {error}"),
        None => "no trial was completed".into(),
    };
    Err(Failure { usage: false, ..Failure::usage(message, "`firebox sweep status STUDY` shows all errors") })
}

/// The device of each worker: graphics cards are dealt out among them.
fn deal(found: &Found, workers: usize) -> Vec<String> {
    let kind = CARDS.into_iter().find(|kind| found.name.starts_with(kind));
    let cards: Vec<String> = match kind {
        Some(kind) => {
            let all = device::list().into_iter().filter(|card| card.name.starts_with(kind) && !card.software);
            all.map(|card| card.name).collect()
        }
        None => Vec::new(),
    };
    let name = |worker: usize| cards.get(worker % cards.len().max(1)).unwrap_or(&found.name).clone();
    (0..workers).map(name).collect()
}

/// How the process of a worker is started.
struct Start {
    place: Place,
    folder: std::path::PathBuf,
    device: String,
    threads: usize,
    /// How often it may still end with an error.
    left: usize,
}

impl Start {
    fn new(place: &Place, folder: &Path, device: String, workers: u16) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = (cores / usize::from(workers)).max(1);
        Self { place: place.clone(), folder: folder.to_owned(), device, threads, left: STARTS }
    }

    fn start(&self) -> Result<(Child, Option<ChildStdin>), Failure> {
        let log = log_of(&self.folder);
        let file = OpenOptions::new().create(true).append(true).open(&log);
        let file = file.map_err(|error| Failure::broken(format!("cannot write {}: {error}", log.display())))?;
        let mut command = child::command()?;
        command.args(["sweep", "worker", "--attended", "--device", &self.device, "--run"]);
        command.arg(&self.folder).args(["--threads", &self.threads.to_string()]);
        match &self.place {
            Place::Folder(folder) => command.arg(folder),
            // Everybody on the machine sees arguments, and a password may stand in the address.
            Place::Url { url, name } => {
                let name = name.as_ref().map_or(String::new(), |name| format!("#{name}"));
                command.env(engines::STUDY, format!("{url}{name}"))
            }
        };
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(file);
        // Ctrl-C reaches whoever looks after them; that their input is closed then tells them once.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().map_err(child::not_started)?;
        let alive = child.stdin.take();
        Ok((child, alive))
    }
}

/// Where workers that are processes say what they do.
fn log_of(folder: &Path) -> std::path::PathBuf {
    folder.join("workers.log")
}

/// A worker that is looked after.
enum Hand {
    Thread(JoinHandle<Result<End, Failure>>),
    Process { start: Start, child: Child, alive: Option<ChildStdin> },
}

enum Looked {
    Works(Hand),
    Done,
    Failed(Failure),
}

impl Hand {
    fn thread(mut study: Study, found: Found, interrupt: &Arc<AtomicBool>) -> Self {
        let interrupt = Arc::clone(interrupt);
        study.when_waiting(waits());
        Self::Thread(std::thread::spawn(move || {
            let end = worker::work(&mut study, &found, &interrupt, &mut |_| ())?;
            if end == End::Over {
                // By the thread that trained, which computes as fast as it can.
                keep::finish(&study, &found, &interrupt)?;
            }
            Ok(end)
        }))
    }

    fn process(start: Start) -> Result<Self, Failure> {
        let (child, alive) = start.start()?;
        Ok(Self::Process { start, child, alive })
    }

    /// A thread looks at the flag itself.
    fn ask_to_end(&mut self) {
        if let Self::Process { alive, .. } = self {
            *alive = None;
        }
    }

    fn look_after(self, interrupted: bool, folder: &Path) -> Result<Looked, Failure> {
        match self {
            Self::Thread(thread) if !thread.is_finished() => Ok(Looked::Works(Self::Thread(thread))),
            Self::Thread(thread) => Ok(match thread.join() {
                Ok(Ok(_)) => Looked::Done,
                Ok(Err(failure)) => Looked::Failed(failure),
                Err(_) => Looked::Failed(Failure::broken("the worker broke")),
            }),
            Self::Process { mut start, mut child, alive } => {
                let ended =
                    child.try_wait().map_err(|error| Failure::broken(format!("cannot wait for a worker: {error}")))?;
                let Some(ended) = ended else { return Ok(Looked::Works(Self::Process { start, child, alive })) };
                match ended.code() {
                    Some(0 | 130) => Ok(Looked::Done),
                    _ if interrupted => Ok(Looked::Done),
                    // Ended by a signal: what it trained is taken up by whoever comes next.
                    None => {
                        std::thread::sleep(AGAIN);
                        Self::process(start).map(Looked::Works)
                    }
                    Some(_) if start.left > 1 => {
                        start.left -= 1;
                        Self::process(start).map(Looked::Works)
                    }
                    Some(code) => {
                        let log = log_of(folder);
                        let said = std::fs::read_to_string(&log).unwrap_or_default();
                        let last = said.lines().rev().find(|line| line.starts_with("error:")).unwrap_or("");
                        let message = format!("a worker ended with code {code} several times. {last}");
                        let hint = format!("{} has all that workers said", log.display());
                        Ok(Looked::Failed(Failure { hint: Some(hint), ..Failure::broken(message) }))
                    }
                }
            }
        }
    }
}

/// Says that a database does not answer, but not again and again.
fn waits() -> impl FnMut(&str) + Send + 'static {
    let mut told: Option<Instant> = None;
    move |reason| {
        if told.is_none_or(|told| told.elapsed() >= Duration::from_secs(10)) {
            told = Some(Instant::now());
            report::note(format!("The database does not answer ({reason}); waiting for it."));
        }
    }
}
