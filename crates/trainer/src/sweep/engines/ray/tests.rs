//! Are workers begun on Ray, looked after, begun again and stopped as they should be? Ray is a thread of this process here.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::jobs::{Stand, command, stand, submission};
use super::{Ending, Event, Workers, conduct, server};
use crate::Error;
use crate::sweep::engines::Standing;
use crate::sweep::web::tests::{Asked, serve};

fn workers(count: usize) -> Workers {
    let look = Duration::from_millis(1);
    Workers {
        look,
        ..Workers::new("postgres://me:s3cret@db/sweeps#penguins", "postgres://me@db/sweeps#penguins", count)
    }
}

/// Ray, as far as it is needed: `next` says what becomes of a job each time somebody looks, by how many looks there were.
struct Ray {
    jobs: BTreeMap<String, (Value, u64)>,
}

type Shared = Arc<Mutex<Ray>>;

fn ray(next: impl Fn(&str, u64) -> Value + Send + 'static) -> (String, Shared) {
    let ray = Arc::new(Mutex::new(Ray { jobs: BTreeMap::new() }));
    let shared = Arc::clone(&ray);
    let answer = move |asked: &Asked| {
        let mut ray = shared.lock().unwrap();
        let parts: Vec<&str> = asked.path.trim_matches('/').split('/').collect();
        match (asked.method.as_str(), &parts[..]) {
            ("GET", ["api", "jobs"]) => {
                let job = |(id, (sent, looks)): (&String, &(Value, u64))| {
                    let mut job = next(id, *looks);
                    job["submission_id"] = id.as_str().into();
                    job["metadata"] = sent["metadata"].clone();
                    job
                };
                (200, ray.jobs.iter().map(job).collect::<Value>())
            }
            ("POST", ["api", "jobs"]) => {
                let id = asked.body["submission_id"].as_str().unwrap().to_owned();
                let first = ray.jobs.is_empty();
                ray.jobs.insert(id.clone(), (asked.body.clone(), 0));
                match next(&id, 0)["status"] == "LOST" && first {
                    true => (504, Value::Null),
                    false => (200, json!({ "submission_id": id })),
                }
            }
            ("GET", ["api", "jobs", _, "logs"]) => (200, json!({ "logs": "first\nerror: no device\n" })),
            ("POST", ["api", "jobs", id, "stop"]) => {
                ray.jobs.get_mut(*id).unwrap().1 = 1000;
                (200, json!({ "stopped": true }))
            }
            ("GET", ["api", "jobs", id]) => match ray.jobs.get_mut(*id) {
                Some((_, looks)) => {
                    *looks += 1;
                    (200, next(id, *looks))
                }
                None => (404, Value::Null),
            },
            other => panic!("{other:?}"),
        }
    };
    (serve(answer).0, ray)
}

type Said = Vec<String>;

/// Looks after workers until what was said shows that it is over.
fn run(address: &str, workers: &Workers, over: impl Fn(&Said) -> bool) -> (Result<Ending, Error>, Said) {
    let said = std::cell::RefCell::new(Said::new());
    let server = server(address, |_| None).unwrap();
    let mut standing = || Ok(if over(&said.borrow()) { Standing::Over } else { Standing::Open });
    let mut told = |event: Event<'_>| {
        said.borrow_mut().push(match event {
            Event::Begun { worker, .. } => format!("begun {worker}"),
            Event::Found { worker, .. } => format!("found {worker}"),
            Event::Stands { worker, stand, .. } => format!("{} {worker}", stand.name()),
            Event::Silent(reason) => format!("silent {reason}"),
        });
    };
    let ended = conduct(&server, workers, &AtomicBool::new(false), &mut standing, &mut told);
    (ended, said.into_inner())
}

#[test]
fn the_password_travels_in_the_environment_alone() {
    let workers = Workers {
        program: "/opt/fire box/firebox".into(),
        run: Some("/data/it's".into()),
        device: Some("vulkan:0".into()),
        gpus: 0.5,
        memory: Some(1 << 30),
        resources: BTreeMap::from([("big".into(), 1.0)]),
        ..workers(2)
    };
    assert_eq!(command(&workers), "exec '/opt/fire box/firebox' sweep worker --run '/data/it'\\''s' --device vulkan:0");
    let mut sent = submission(&workers, 1, "id");
    let variables = sent["runtime_env"]["env_vars"].take();
    assert_eq!(variables["FIREBOX_STUDY"], "postgres://me:s3cret@db/sweeps#penguins");
    assert!(!sent.to_string().contains("s3cret"), "{sent}");
    assert_eq!(sent["metadata"], json!({ "firebox_study": "postgres://me@db/sweeps#penguins", "firebox_worker": "1" }));
    assert_eq!((&sent["entrypoint_num_gpus"], &sent["entrypoint_memory"]), (&json!(0.5), &json!(1 << 30)));
}

#[test]
fn what_ray_says_is_understood() {
    let failed = |code: Value, kind: &str| {
        stand(&json!({ "status": "FAILED", "driver_exit_code": code, "error_type": kind, "message": "a\nb" })).unwrap()
    };
    let command = "JOB_ENTRYPOINT_COMMAND_ERROR";
    assert_eq!(failed(json!(-9), command), Stand::Killed("signal 9 ended it".into()));
    assert_eq!(failed(json!(137), command), Stand::Killed("signal 9 ended it".into()));
    assert!(matches!(failed(json!(130), command), Stand::Killed(reason) if reason.contains("saved")));
    assert_eq!(failed(json!(2), command), Stand::Failed("it ended with code 2: b".into()));
    assert!(
        matches!(failed(Value::Null, "RUNTIME_ENV_SETUP_FAILURE"), Stand::Failed(reason) if reason.starts_with("runtime env"))
    );
    assert_eq!(failed(Value::Null, "JOB_SUPERVISOR_ACTOR_DIED"), Stand::Killed("b".into()));
    assert_eq!(stand(&json!({ "status": "ODD" })), None);
    assert_eq!(stand(&json!([])), None);
}

#[test]
fn who_is_killed_is_begun_again_and_who_is_done_is_not() {
    let (address, ray) = ray(|id, looks| match (id.contains("-penguins-1-"), looks) {
        (_, 0..=1) => json!({ "status": "PENDING" }),
        (_, 2) => json!({ "status": "RUNNING" }),
        (true, _) => json!({ "status": "FAILED", "driver_exit_code": -9 }),
        (false, _) => json!({ "status": "SUCCEEDED" }),
    });
    let (ended, said) = run(&address, &workers(2), |said| said.iter().filter(|line| *line == "killed 1").count() == 2);
    assert_eq!(ended.unwrap(), Ending::Done);
    let count = |what: &str| said.iter().filter(|line| *line == what).count();
    assert!(count("begun 1") >= 2 && count("killed 1") >= 2 && count("done 0") >= 1, "{said:?}");
    let ids: Vec<String> = ray.lock().unwrap().jobs.keys().cloned().collect();
    assert_eq!(ids.len(), said.iter().filter(|line| line.starts_with("begun")).count());
}

#[test]
fn who_fails_again_and_again_ends_everything_with_its_log() {
    let (address, _ray) = ray(|id, looks| match (id.contains("-penguins-0-"), looks) {
        (true, 1..) => json!({ "status": "FAILED", "driver_exit_code": 2, "message": "code 2" }),
        (_, 1000..) => json!({ "status": "STOPPED" }),
        _ => json!({ "status": "RUNNING" }),
    });
    let (ended, said) = run(&address, &workers(2), |_| false);
    let error = ended.unwrap_err();
    assert!(error.to_string().contains("3 times") && error.to_string().contains("error: no device"), "{error}");
    assert!(error.hint().unwrap().contains("ray job logs firebox-penguins-0-"));
    assert_eq!(said.iter().filter(|line| *line == "begun 0").count(), 3);
    assert!(said.contains(&"killed 1".to_owned()), "the other one is stopped: {said:?}");
}

#[test]
fn jobs_that_are_there_are_taken_over() {
    let (address, ray) = ray(|_, looks| json!({ "status": if looks > 3 { "SUCCEEDED" } else { "RUNNING" } }));
    let there = submission(&workers(1), 0, "old");
    ray.lock().unwrap().jobs.insert("old".into(), (there, 0));
    let other = Workers { shown: "postgres://db/other#x".into(), ..workers(1) };
    ray.lock().unwrap().jobs.insert("other".into(), (submission(&other, 0, "other"), 0));
    let (ended, said) = run(&address, &workers(1), |_| true);
    assert_eq!(ended.unwrap(), Ending::Done);
    assert_eq!(said, ["found 0", "done 0"]);
    assert_eq!(ray.lock().unwrap().jobs.len(), 2);
}

#[test]
fn a_job_whose_beginning_got_no_answer_is_not_begun_twice() {
    let (address, ray) = ray(|_, looks| match looks {
        0 => json!({ "status": "LOST" }),
        1..=3 => json!({ "status": "RUNNING" }),
        _ => json!({ "status": "SUCCEEDED" }),
    });
    let (ended, said) = run(&address, &workers(1), |said| !said.is_empty());
    assert_eq!(ended.unwrap(), Ending::Done);
    assert_eq!(said, ["silent it answers with status 504", "running 0", "done 0"]);
    assert_eq!(ray.lock().unwrap().jobs.len(), 1);
}

#[test]
fn an_interrupt_stops_all_jobs() {
    let (address, ray) = ray(|_, looks| json!({ "status": if looks > 900 { "STOPPED" } else { "RUNNING" } }));
    let server = server(&address, |_| None).unwrap();
    let (interrupt, mut begun) = (AtomicBool::new(false), 0);
    let ended = conduct(&server, &workers(3), &interrupt, &mut || Ok(Standing::Open), &mut |event| {
        begun += usize::from(matches!(event, Event::Begun { .. }));
        interrupt.store(begun == 3, Ordering::Relaxed);
    });
    assert_eq!(ended.unwrap(), Ending::Interrupted);
    assert!(ray.lock().unwrap().jobs.values().all(|(_, looks)| *looks > 900));
}

#[test]
fn a_study_that_is_over_begins_nobody() {
    let (address, ray) = ray(|_, _| json!({ "status": "RUNNING" }));
    let (ended, said) = run(&address, &workers(2), |_| true);
    assert_eq!((ended.unwrap(), said.len()), (Ending::Done, 0));
    assert!(ray.lock().unwrap().jobs.is_empty());
}

#[test]
fn tokens_and_headers_are_those_of_rays_own_client() {
    let (address, asks) = serve(|_| (200, json!([])));
    let with = |pairs: &'static [(&'static str, &'static str)]| {
        server(&address, |name| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    };
    with(&[("RAY_AUTH_TOKEN", " t0ken\n")]).unwrap().demand("GET", "/api/jobs/", None).unwrap();
    with(&[("RAY_JOB_HEADERS", "{\"X-One\": \"1\"}")]).unwrap().demand("GET", "/api/jobs/", None).unwrap();
    let asks = asks.lock().unwrap();
    assert!(asks[0].headers.contains(&"authorization: Bearer t0ken".to_owned()), "{asks:?}");
    assert!(asks[1].headers.contains(&"x-one: 1".to_owned()), "{asks:?}");
    assert!(with(&[("RAY_JOB_HEADERS", "[1]")]).err().unwrap().to_string().contains("no table of texts"));
}
