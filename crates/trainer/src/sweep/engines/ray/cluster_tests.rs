//! Does all that hold on a cluster of Ray itself? `tests/peers/sweep_ray.sh` starts one and says where it is.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::jobs::Stand;
use super::{Ending, Event, Workers, conduct, server};
use crate::sweep::engines::Standing;

/// Workers that are scripts: each writes its process number and waits for a file, or fails at once if its folder is `fails`.
const SCRIPT: &str = r#"#!/bin/sh
[ "$FIREBOX_STUDY" = "postgres://me:s3cret@db/sweeps#stand-in" ] || { echo "error: no study: $*"; exit 3; }
[ "$1 $2 $3" = "sweep worker --run" ] || exit 4
case $4 in */fails) echo "error: on purpose"; exit 2 ;; esac
trap 'touch "$4/saved.$$"; exit 130' TERM
touch "$4/pid.$$"
while [ ! -e "$4/over" ]; do sleep 0.2; done
touch "$4/done.$$"
"#;

fn place() -> (String, PathBuf) {
    let variable =
        |name| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; use tests/peers/sweep_ray.sh"));
    (variable("FIREBOX_RAY"), variable("FIREBOX_RAY_FOLDER").into())
}

fn workers(folder: &Path, count: usize) -> Workers {
    std::fs::create_dir_all(folder).unwrap();
    let script = folder.join("worker.sh");
    std::fs::write(&script, SCRIPT).unwrap();
    assert!(Command::new("chmod").arg("+x").arg(&script).status().unwrap().success());
    Workers {
        program: script.display().to_string(),
        run: Some(folder.display().to_string()),
        cpus: 0.5,
        look: Duration::from_millis(500),
        ..Workers::new(
            "postgres://me:s3cret@db/sweeps#stand-in",
            &format!("postgres://me@db/sweeps#{}", folder.display()),
            count,
        )
    }
}

fn files(folder: &Path, start: &str) -> Vec<String> {
    let names =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.filter_map(|name| name.strip_prefix(start).map(str::to_owned)).collect()
}

fn tokens(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[test]
#[ignore = "needs a cluster of Ray: tests/peers/sweep_ray.sh"]
fn a_worker_that_is_killed_is_begun_again() {
    let (address, folder) = place();
    let folder = folder.join("killed");
    let workers = workers(&folder, 3);
    let (mut begun, mut killed, mut done, mut struck) = (0, 0, 0, false);
    let inside = folder.clone();
    let mut standing = || Ok(if inside.join("over").exists() { Standing::Over } else { Standing::Open });
    let ended =
        conduct(&server(&address, tokens).unwrap(), &workers, &AtomicBool::new(false), &mut standing, &mut |event| {
            match event {
                Event::Begun { .. } => begun += 1,
                Event::Stands { stand: Stand::Killed(reason), .. } => {
                    assert!(reason.contains("signal 9"), "{reason}");
                    killed += 1;
                }
                Event::Stands { stand: Stand::Done, .. } => done += 1,
                Event::Stands { stand: Stand::Running, .. } if begun == 3 && !struck => {
                    struck = true;
                    // Scripts write their numbers a moment after they run.
                    std::thread::sleep(Duration::from_secs(2));
                    let first = files(&folder, "pid.").pop().unwrap();
                    assert!(Command::new("kill").args(["-9", &first]).status().unwrap().success());
                }
                Event::Stands { stand: Stand::Running, .. } if begun == 4 => {
                    std::thread::sleep(Duration::from_secs(2));
                    std::fs::write(folder.join("over"), "").unwrap();
                }
                _ => {}
            }
        });
    assert_eq!(ended.unwrap(), Ending::Done);
    assert_eq!((begun, killed, done), (4, 1, 3));
    assert_eq!((files(&folder, "pid.").len(), files(&folder, "done.").len()), (4, 3));
}

#[test]
#[ignore = "needs a cluster of Ray: tests/peers/sweep_ray.sh"]
fn an_interrupt_lets_workers_save() {
    let (address, folder) = place();
    let folder = folder.join("interrupted");
    let workers = workers(&folder, 2);
    let interrupt = AtomicBool::new(false);
    let mut running = 0;
    let server = server(&address, tokens).unwrap();
    let ended = conduct(&server, &workers, &interrupt, &mut || Ok(Standing::Open), &mut |event| {
        running += usize::from(matches!(event, Event::Stands { stand: Stand::Running, .. }));
        if running == 2 {
            std::thread::sleep(Duration::from_secs(2));
            interrupt.store(true, Ordering::Relaxed);
        }
    });
    assert_eq!(ended.unwrap(), Ending::Interrupted);
    assert_eq!(files(&folder, "saved.").len(), 2);
}

#[test]
#[ignore = "needs a cluster of Ray: tests/peers/sweep_ray.sh"]
fn a_worker_that_fails_shows_its_log() {
    let (address, folder) = place();
    let folder = folder.join("fails");
    let workers = workers(&folder, 1);
    let server = server(&address, tokens).unwrap();
    let ended = conduct(&server, &workers, &AtomicBool::new(false), &mut || Ok(Standing::Open), &mut |_| ());
    let error = ended.unwrap_err().to_string();
    assert!(error.contains("3 times") && error.contains("error: on purpose"), "{error}");
    assert!(!error.contains("s3cret"), "{error}");
}
