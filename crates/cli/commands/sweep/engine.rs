//! `firebox sweep --engine`: workers run where another engine puts them.

use serde_json::json;
use trainer::sweep::engines::{Standing, kubernetes, ray};
use trainer::sweep::place::Place;
use trainer::sweep::status::Status as Stands;
use trainer::sweep::study::Study;

use super::exchange::{cluster, no_image};
use super::{Ended, conduct, interrupt_flag, show, written};
use crate::args::{EngineArgs, EngineName};
use crate::failure::{Failure, Status};
use crate::report;

/// Lets workers run where the engine puts them, or here where none is named.
pub(super) fn conduct(
    args: &EngineArgs,
    study: Study,
    place: &Place,
    workers: u16,
    device: Option<&str>,
    json: bool,
) -> Ended {
    let Some(engine) = args.engine else { return conduct::conduct(study, place, workers, device, json) };
    let Place::Url { url, .. } = place else {
        return Err(Failure::usage(
            "workers of many machines share no file",
            "begin the sweep by --storage postgres://USER@HOST/DATABASE",
        ));
    };
    let secret = format!("{url}#{}", study.name());
    match engine {
        EngineName::Ray => on_ray(args, study, place, &secret, usize::from(workers), device, json),
        EngineName::Kubernetes => on_kubernetes(&study, &secret, u32::from(workers), device, json),
    }
}

fn on_ray(
    args: &EngineArgs,
    mut study: Study,
    place: &Place,
    secret: &str,
    count: usize,
    device: Option<&str>,
    json: bool,
) -> Ended {
    let Some(address) = &args.address else {
        return Err(Failure::usage(
            "`--engine ray` needs an address",
            "name the dashboard, as in --address http://HOST:8265",
        ));
    };
    let server = ray::server(address, |name| std::env::var(name).ok())?;
    let shown = show::address(place, &study);
    let workers = cluster(&study).on_ray(secret, &shown, count, device);
    let interrupt = interrupt_flag()?;
    let ending = {
        #[expect(clippy::result_large_err, reason = "the trainer's errors are as large as their sentences")]
        let mut standing = || {
            study.refresh()?;
            Ok(match Stands::of(&study).state {
                "over" => Standing::Over,
                "stopped" => Standing::Stopped,
                _ => Standing::Open,
            })
        };
        ray::conduct(&server, &workers, &interrupt, &mut standing, &mut |event| {
            if !json {
                report::note(in_words(&event));
            }
        })?
    };
    study.refresh()?;
    let standing = Stands::of(&study);
    if json {
        report::json(&json!(standing));
    } else if ending == ray::Ending::Done && standing.state == "over" {
        show::outcome(&study, place, &[]);
    } else {
        report::line(format!("Stopped after {} trials; everything is saved.", standing.finished));
        report::line("Go on with:");
        report::line(format!("  firebox sweep resume {} --engine ray --address {address}", written(&shown)));
    }
    Ok(if standing.state == "over" { Status::Done } else { Status::Interrupted })
}

fn in_words(event: &ray::Event<'_>) -> String {
    match event {
        ray::Event::Begun { worker, job } => format!("worker {worker} is job {job}"),
        ray::Event::Found { worker, job } => format!("worker {worker} is there already: job {job}"),
        ray::Event::Stands { worker, job, stand } => format!("worker {worker}, job {job}: {}", stand.name()),
        ray::Event::Silent(reason) => format!("Ray does not answer ({reason}); asking it again"),
    }
}

fn on_kubernetes(study: &Study, secret: &str, count: u32, device: Option<&str>, json: bool) -> Ended {
    let workers = cluster(study).on_kubernetes(study.name(), secret, count, device).map_err(no_image)?;
    let text = kubernetes::yaml(&workers)?;
    let said = kubernetes::apply(&text)?;
    if json {
        report::json(&json!({ "study": study.name(), "workers": count, "kubectl": said }));
    } else {
        report::line(said.trim_end());
        report::line(format!("{count} workers of {} are the cluster's to run.", study.name()));
    }
    Ok(Status::Done)
}
