//! What if the disk is full, or another process has the run? What was there before stays, and goes on once there is room.

use std::path::PathBuf;
use std::process::Command;

use crate::sandbox::{CARD, CONFIG, Sandbox, tiny_rows};

/// A file system of its own, of a few hundred kilobytes; gone with the test.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    pub fn mount(path: PathBuf, kilobytes: usize) -> Option<Self> {
        std::fs::create_dir_all(&path).unwrap();
        let size = format!("size={kilobytes}k");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&path).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(path)),
            Ok(output) => {
                eprintln!("skipped: a small disk cannot be mounted: {}", String::from_utf8_lossy(&output.stderr));
                None
            }
            Err(error) => {
                eprintln!("skipped: a small disk cannot be mounted: {error}");
                None
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).output();
    }
}

const SETTINGS: &str = "--set train.steps=20 --set checkpoints.every_steps=1 --set checkpoints.keep_last=1000";

/// Trains on a disk that is full up to so many kilobytes, then makes room and goes on. Gives whether there was a run to go on
/// with.
fn fills_the_disk(sandbox: &Sandbox, free: usize, expected: &[u8]) -> Option<bool> {
    const SIZE: usize = 4096;
    let disk = SmallDisk::mount(sandbox.path("disk"), SIZE)?;
    sandbox.write("disk/ballast", vec![1; (SIZE - free) * 1024]);
    let ended = sandbox.run(&format!("train config.toml --run disk/r {SETTINGS}"));
    let last = "disk/r/checkpoints/step-0000000020/network.safetensors";
    if ended.code == 0 {
        assert_eq!(std::fs::read(sandbox.path(last)).unwrap(), expected);
        drop(disk);
        return Some(false);
    }
    ended.refused(1, &["disk/r", "No space left on device", "free some space", "firebox resume"]);
    let is_run = sandbox.path("disk/r/config.toml").exists();
    assert!(is_run || !sandbox.path("disk/r").exists(), "half a run was left with {free} kB");
    // Whatever was there before the disk was full can still be read, on a disk that is still full.
    let listed = sandbox.run("runs disk --json").expect(0).json();
    let has_checkpoint = is_run && !listed[0]["checkpoints"].as_array().unwrap().is_empty();
    if has_checkpoint {
        sandbox.run("evaluate disk/r@last --json").expect(0);
    }
    std::fs::remove_file(sandbox.path("disk/ballast")).unwrap();
    if has_checkpoint {
        sandbox.run("resume disk/r").succeeded();
        assert_eq!(std::fs::read(sandbox.path(last)).unwrap(), expected, "resumed after {free} kB");
        let steps: Vec<u64> = sandbox.history("disk/r").progress.iter().map(|progress| progress.step).collect();
        assert_eq!(steps, (1..=20).collect::<Vec<_>>());
        sandbox.run("predict disk/r tiny/tiny.csv").expect(0);
    }
    drop(disk);
    Some(has_checkpoint)
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_loses_nothing() {
    let sandbox = Sandbox::new();
    sandbox.run(&format!("train config.toml --run straight {SETTINGS}")).succeeded();
    let expected = std::fs::read(sandbox.path("straight/checkpoints/step-0000000020/network.safetensors")).unwrap();
    let mut resumed = 0;
    // The disk is full at one point after the other: beginning, metrics, checkpoints, bundle, report.
    for free in
        [0, 8, 16, 24, 32, 40, 60, 80, 120, 160, 200, 260, 320, 380, 400, 420, 440, 460, 480, 500, 520, 540, 560]
    {
        let Some(went_on) = fills_the_disk(&sandbox, free, &expected) else { return };
        resumed += usize::from(went_on);
    }
    assert!(resumed >= 8, "only {resumed} of the disks became full after the first checkpoint");
}

#[test]
fn two_processes_do_not_train_into_one_run() {
    let sandbox = Sandbox::new();
    let mut first = sandbox.start("train config.toml --run r --pause-at 9 --set checkpoints.every_steps=4");
    first.wait_until(|| sandbox.history("r").progress.len() >= 9);
    let before = sandbox.contents("r");
    for line in ["resume r", "resume r@step-8", "resume r@last --set train.epochs=1"] {
        sandbox.run(line).refused(2, &["another process is training into r", "Ctrl-C"]);
    }
    sandbox.run("train config.toml --run r").refused(2, &["run folder r exists"]);
    assert!(sandbox.run("runs .").expect(0).stdout.contains("training"));
    sandbox.run("evaluate r").expect(0);
    assert_eq!(sandbox.contents("r"), before);
    assert!(first.is_alive());
    // A lock dies with its process.
    first.signal("KILL");
    drop(first);
    sandbox.run("resume r").succeeded();
}

#[test]
fn of_several_that_begin_at_once_one_trains() {
    let config = CONFIG.replace("epochs = 8", "epochs = 2");
    let sandbox = Sandbox::with(CARD, &tiny_rows(), &config);
    for round in 0..12 {
        let run = format!("r{round}");
        // An empty folder is as good as none.
        if round % 2 == 1 {
            std::fs::create_dir(sandbox.path(&run)).unwrap();
        }
        let all: Vec<_> = (0..4).map(|_| sandbox.start(&format!("train config.toml --run {run}"))).collect();
        let ended: Vec<_> = all.into_iter().map(crate::sandbox::Running::end).collect();
        let (done, refused): (Vec<_>, Vec<_>) = ended.into_iter().partition(|ended| ended.code == 0);
        assert_eq!(done.len(), 1, "{done:?} {refused:?}");
        for ended in refused {
            ended.refused(2, &[&run]);
        }
        sandbox.run(&format!("predict {run} tiny/tiny.csv")).expect(0);
    }
}

#[test]
fn looking_at_runs_does_not_disturb_them() {
    let sandbox = Sandbox::new();
    sandbox.run("train config.toml --run all/r --set train.steps=10 --set checkpoints.every_steps=5").succeeded();
    for _ in 0..20 {
        let looking: Vec<_> = (0..6).map(|_| sandbox.start("runs all")).collect();
        sandbox.run("resume all/r@step-5").succeeded();
        for one in looking {
            one.end().expect(0);
        }
    }
}
