//! How do workers run on Kubernetes? As the pods of one job, which are begun again when they are killed.
//!
//! A pod that is moved away by the cluster does not count as a failure; one that ends with an error is begun again three
//! times; where the config itself is wrong, the whole job ends. What was asked to end by `firebox sweep stop` stays so.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::manifest::{self, Needs};
use super::{STUDY, label};
use crate::Error;
use crate::sweep::interchange::{failed, refused};

/// How often a worker that ends with an error is begun again.
const RETRIES: u32 = 3;
/// What a worker returns that was asked to end, and one whose words or config are wrong.
const INTERRUPTED: u8 = 130;
const USAGE: u8 = 2;
/// Where the runs of trials lie in a container.
const RUNS: &str = "/runs";
/// The longest name of a job whose pods have numbers behind theirs.
const NAME: usize = 44;

/// Workers as they are wanted.
#[derive(Clone, PartialEq, Eq)]
pub struct Workers {
    /// The name of the study.
    pub name: String,
    /// The study, `postgres://...#NAME`, as containers reach it; a secret.
    pub study: String,
    /// How many.
    pub count: u32,
    /// On what to compute.
    pub device: Option<String>,
    /// What each needs.
    pub needs: Needs,
    /// How large the volume for the runs of trials is to be, which all share; each has a place of its own if there is none.
    pub runs: Option<String>,
    /// The kind of that volume; what the cluster takes for usual if there is none.
    pub storage_class: Option<String>,
    /// So many seconds after its end the job is removed.
    pub keep: u32,
}

impl Workers {
    /// So many workers with an image, on a study with a name.
    pub fn new(name: &str, study: &str, count: u32, image: &str) -> Self {
        Self {
            name: name.to_owned(),
            study: study.to_owned(),
            count,
            device: None,
            needs: Needs::of(image),
            runs: None,
            storage_class: None,
            keep: 86_400,
        }
    }
}

/// The manifests: a secret with the address of the study, a claim to a volume if one is wanted, and the job.
///
/// # Errors
/// [`Error::Interchange`] if Kubernetes would not take them.
pub fn manifests(workers: &Workers) -> Result<Vec<Value>, Error> {
    workers.needs.check()?;
    if workers.count == 0 {
        return Err(refused(
            "the manifest, workers",
            "there are none",
            "name as many as are to work beside each other",
        ));
    }
    if workers.runs.as_ref().is_some_and(|size| !manifest::is_quantity(size)) {
        let found = workers.runs.as_deref().unwrap_or_default();
        return Err(refused("the manifest, runs", format!("`{found}` is no size"), "write it as in 50Gi"));
    }
    let name = label(&workers.name, NAME);
    let metadata = |kind: &str| workers.needs.metadata(&format!("{name}-{kind}"), &name);
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata("study"),
        "type": "Opaque",
        "stringData": { "study": workers.study },
    });
    let mut all = vec![secret];
    let runs = match &workers.runs {
        Some(size) => {
            let mut claim = json!({
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": metadata("runs"),
                // Pods of several machines write to it.
                "spec": { "accessModes": ["ReadWriteMany"], "resources": { "requests": { "storage": size } } },
            });
            if let Some(class) = &workers.storage_class {
                claim["spec"]["storageClassName"] = json!(class);
            }
            all.push(claim);
            json!({ "name": "runs", "persistentVolumeClaim": { "claimName": format!("{name}-runs") } })
        }
        None => json!({ "name": "runs", "emptyDir": {} }),
    };
    let mut args = vec!["sweep", "worker", "--run", RUNS];
    args.extend(workers.device.iter().flat_map(|device| ["--device", device.as_str()]));
    let container = json!({
        "name": "worker",
        "command": ["firebox"],
        "args": args,
        "env": [{ "name": STUDY, "valueFrom": { "secretKeyRef": { "name": format!("{name}-study"), "key": "study" } } }],
    });
    let pod = workers.needs.pod(container, &[(runs, json!({ "name": "runs", "mountPath": RUNS }))]);
    all.push(json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata("workers"),
        "spec": {
            "completionMode": "Indexed",
            "completions": workers.count,
            "parallelism": workers.count,
            "backoffLimitPerIndex": RETRIES,
            "podReplacementPolicy": "Failed",
            "ttlSecondsAfterFinished": workers.keep,
            "podFailurePolicy": { "rules": [
                { "action": "Ignore", "onPodConditions": [{ "type": "DisruptionTarget", "status": "True" }] },
                { "action": "FailJob", "onExitCodes": { "containerName": "worker", "operator": "In", "values": [USAGE] } },
                { "action": "FailIndex", "onExitCodes": { "containerName": "worker", "operator": "In", "values": [INTERRUPTED] } },
            ] },
            "template": {
                "metadata": { "labels": { "app.kubernetes.io/name": "firebox", "app.kubernetes.io/instance": name } },
                "spec": pod,
            },
        },
    }));
    Ok(all)
}

/// The manifests as one file.
///
/// # Errors
/// As [`manifests`].
pub fn yaml(workers: &Workers) -> Result<String, Error> {
    let comment = format!(
        "{} workers on the study {}. The secret holds the password of its database: keep this file from others.\n\
         kubectl apply -f FILE begins them, kubectl delete -f FILE ends them; begun again they go on.",
        workers.count, workers.name
    );
    manifest::yaml(&comment, &manifests(workers)?)
}

/// Gives a file to `kubectl apply`, and returns what that says.
///
/// # Errors
/// [`Error::Interchange`] if it is not there, or the cluster does not take the file.
pub fn apply(yaml: &str) -> Result<String, Error> {
    apply_with("kubectl", yaml)
}

fn apply_with(program: &str, yaml: &str) -> Result<String, Error> {
    let mut command = Command::new(program);
    command.args(["apply", "-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| {
        let way_out = "install kubectl, or leave `--apply` out and give the file to whoever has it";
        refused(program, format!("it cannot be started: {error}"), way_out)
    })?;
    // What it does not read shows in how it ends.
    let given = child.stdin.take().map(|mut stdin| stdin.write_all(yaml.as_bytes()));
    let broken = |error: std::io::Error| failed(program, format!("it cannot be waited for: {error}"), "try again");
    let ended = child.wait_with_output().map_err(broken)?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().chars().take(2000).collect::<String>();
    if ended.status.success() && matches!(given, Some(Ok(()))) {
        return Ok(said(&ended.stdout));
    }
    let way_out = "`kubectl config current-context` says which cluster is asked; `kubectl apply --dry-run=server -f FILE` tries the file";
    Err(failed(program, format!("the cluster does not take the file: {}", said(&ended.stderr)), way_out))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workers() -> Workers {
        let mut workers = Workers::new("Sweep of Penguins_mlp", "postgres://me:s3cret@db/s#penguins", 3, "firebox:1");
        workers.runs = Some("50Gi".into());
        workers.needs.gpus = 1;
        workers.device = Some("vulkan".into());
        workers.needs.namespace = Some("lab".into());
        workers.needs.mounts.push(manifest::Mount { claim: "data".into(), path: "/data".into(), read_only: true });
        workers
    }

    #[test]
    fn the_password_stands_in_the_secret_alone() {
        let all = manifests(&workers()).unwrap();
        let kinds: Vec<&str> = all.iter().filter_map(|one| one["kind"].as_str()).collect();
        assert_eq!(kinds, ["Secret", "PersistentVolumeClaim", "Job"]);
        assert_eq!(all[0]["stringData"]["study"], "postgres://me:s3cret@db/s#penguins");
        assert!(!format!("{}{}", all[1], all[2]).contains("s3cret"));
        let names: Vec<&str> = all.iter().filter_map(|one| one["metadata"]["name"].as_str()).collect();
        assert_eq!(
            names,
            ["sweep-of-penguins-mlp-study", "sweep-of-penguins-mlp-runs", "sweep-of-penguins-mlp-workers"]
        );
        let pod = &all[2]["spec"]["template"]["spec"];
        let env = &pod["containers"][0]["env"][0];
        assert_eq!((&env["name"], &env["valueFrom"]["secretKeyRef"]["name"]), (&json!(STUDY), &json!(names[0])));
        assert_eq!(pod["containers"][0]["args"], json!(["sweep", "worker", "--run", "/runs", "--device", "vulkan"]));
        assert_eq!(pod["containers"][0]["resources"]["limits"], json!({ "memory": "2Gi", "nvidia.com/gpu": "1" }));
        assert_eq!((&all[2]["spec"]["completions"], &all[2]["spec"]["completionMode"]), (&json!(3), &json!("Indexed")));
        let volumes: Vec<&str> = pod["volumes"].as_array().unwrap().iter().filter_map(|v| v["name"].as_str()).collect();
        assert_eq!(volumes, ["runs", "data-0", "tmp"]);
    }

    #[test]
    fn what_kubernetes_would_not_take_is_refused() {
        let error = manifests(&Workers { count: 0, ..workers() }).unwrap_err();
        assert!(error.to_string().contains("there are none"));
        let error = manifests(&Workers { runs: Some("large".into()), ..workers() }).unwrap_err();
        assert!(error.to_string().contains("`large` is no size"));
        let long = Workers::new(&"a-very-long-name-".repeat(9), "x", 1, "firebox");
        let name = manifests(&long).unwrap()[1]["metadata"]["name"].as_str().unwrap().len();
        assert!(name <= 52, "pods have a number behind it: {name}");
    }

    #[test]
    fn kubectl_is_asked_by_its_standard_input() {
        let folder = tempfile::tempdir().unwrap();
        let script = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, format!("#!/bin/sh\n{text}")).unwrap();
            std::process::Command::new("chmod").arg("+x").arg(&path).status().unwrap();
            path.display().to_string()
        };
        let takes = script("takes", "[ \"$*\" = 'apply -f -' ] && cat");
        assert_eq!(apply_with(&takes, "kind: Job\n").unwrap(), "kind: Job");
        let refuses = script("refuses", "cat > /dev/null; echo 'no cluster' >&2; exit 1");
        assert!(apply_with(&refuses, &"x\n".repeat(100_000)).unwrap_err().to_string().contains("no cluster"));
        let error = apply_with("/no/such/kubectl", "").unwrap_err();
        assert!(error.to_string().contains("cannot be started") && error.hint().unwrap().contains("install kubectl"));
    }
}
