//! How does a sweep become a pipeline of Kubeflow? Four steps on one volume: the data are checked, settings are searched, the
//! best are trained in full, and the model is judged on data that it never saw.
//!
//! Written is what Kubeflow Pipelines 2 takes in: a `PipelineSpec`, and behind it what Kubernetes is to mount.

use serde_json::{Value, json};

use super::label;
use super::manifest::{self, Needs, is_name};
use crate::Error;
use crate::sweep::interchange::refused;

/// The version of the form.
const SCHEMA: &str = "2.1.0";
/// Who wrote it.
const WRITER: &str = concat!("firebox-", env!("CARGO_PKG_VERSION"));
/// Where the volume is seen.
const WORK: &str = "/work";

/// A pipeline as it is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pipeline {
    /// Its name.
    pub name: String,
    /// The config, as containers see it: in the image, or on the volume below `/work`.
    pub config: String,
    /// How many trials, unless a run of the pipeline says otherwise.
    pub trials: u64,
    /// How many processes train trials beside each other.
    pub workers: u16,
    /// On what to compute.
    pub device: Option<String>,
    /// The claim to the volume that the steps share.
    pub claim: String,
    /// What each step needs.
    pub needs: Needs,
}

/// A step: its name, its command, the inputs it takes, and the step before it.
struct Step {
    name: &'static str,
    args: Vec<String>,
    inputs: &'static [&'static str],
    after: Option<&'static str>,
    computes: bool,
}

const INPUTS: &[(&str, &str, &str)] = &[
    ("config", "STRING", "The config, as containers see it."),
    ("trials", "NUMBER_INTEGER", "How many trials are to be finished."),
    ("folder", "STRING", "Where study and run lie; another one begins anew."),
];

/// The two documents: the pipeline, and what its steps mount.
///
/// # Errors
/// [`Error::Interchange`] if Kubernetes would not take them.
pub fn manifests(wanted: &Pipeline) -> Result<Vec<Value>, Error> {
    wanted.needs.check()?;
    if !is_name(&wanted.claim) {
        let way_out =
            "name the claim to a volume that all steps can write to by lower-case letters, digits and hyphens";
        return Err(refused("the pipeline, claim", format!("`{}` is none", wanted.claim), way_out));
    }
    let steps = steps(wanted);
    let component = |step: &Step| (format!("comp-{}", step.name), component(step));
    let executor = |step: &Step| (format!("exec-{}", step.name), executor(step, &wanted.needs));
    let task = |step: &Step| (step.name.to_owned(), task(step));
    let collected = |make: &dyn Fn(&Step) -> (String, Value)| Value::Object(steps.iter().map(make).collect());
    let default = |name: &str| match name {
        "config" => json!(wanted.config),
        "trials" => json!(wanted.trials),
        _ => json!(format!("{WORK}/{}", label(&wanted.name, 40))),
    };
    let parameters = INPUTS.iter().map(|(name, kind, told)| {
        let parameter =
            json!({ "parameterType": kind, "defaultValue": default(name), "isOptional": true, "description": told });
        ((*name).to_owned(), parameter)
    });
    let pipeline = json!({
        "pipelineInfo": {
            "name": label(&wanted.name, 60),
            "description": "Checks the data, searches settings, trains with the best, and evaluates the model.",
        },
        "schemaVersion": SCHEMA,
        "sdkVersion": WRITER,
        "components": collected(&component),
        "deploymentSpec": { "executors": collected(&executor) },
        "root": {
            "inputDefinitions": { "parameters": Value::Object(parameters.collect()) },
            "dag": { "tasks": collected(&task) },
        },
    });
    let mount = |step: &Step| {
        let volume = json!([{ "mountPath": WORK, "constant": wanted.claim }]);
        let mut mounts = json!({ "pvcMount": volume });
        for mount in &wanted.needs.mounts {
            let more = json!({ "mountPath": mount.path, "constant": mount.claim });
            mounts["pvcMount"].as_array_mut().into_iter().for_each(|all| all.push(more.clone()));
        }
        if let Some(secret) = &wanted.needs.pull_secret {
            mounts["imagePullSecret"] = json!([{ "secretName": secret }]);
        }
        (format!("exec-{}", step.name), mounts)
    };
    let platform = json!({
        "platforms": { "kubernetes": { "deploymentSpec": { "executors": collected(&mount) } } },
    });
    Ok(vec![pipeline, platform])
}

/// The documents as one file.
///
/// # Errors
/// As [`manifests`].
pub fn yaml(wanted: &Pipeline) -> Result<String, Error> {
    let comment = format!(
        "The pipeline {}: upload it to Kubeflow Pipelines 2, or `kfp pipeline create -p NAME FILE`.",
        wanted.name
    );
    manifest::yaml(&comment, &manifests(wanted)?)
}

fn input(name: &str) -> String {
    format!("{{{{$.inputs.parameters['{name}']}}}}")
}

fn steps(wanted: &Pipeline) -> Vec<Step> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
    let (config, trials, folder) = (input("config"), input("trials"), input("folder"));
    let (study, run, report) = (format!("{folder}/study"), format!("{folder}/run"), format!("{folder}/data"));
    let workers = wanted.workers.to_string();
    let mut all = vec![
        Step {
            name: "data-check",
            args: words(&["data", "check", &config, "--out", &report]),
            inputs: &["config", "folder"],
            after: None,
            computes: false,
        },
        Step {
            name: "sweep",
            args: words(&["sweep", &config, "--trials", &trials, "--workers", &workers, "--run", &study]),
            inputs: &["config", "trials", "folder"],
            after: Some("data-check"),
            computes: true,
        },
        Step {
            name: "train",
            args: words(&["train", "--from", &study, "--run", &run]),
            inputs: &["folder"],
            after: Some("sweep"),
            computes: true,
        },
        Step {
            name: "evaluate",
            args: words(&["evaluate", &run, "--json"]),
            inputs: &["folder"],
            after: Some("train"),
            computes: true,
        },
    ];
    for step in all.iter_mut().filter(|step| step.computes) {
        match (&wanted.device, step.name) {
            // Sweeps take it as a setting.
            (Some(device), "sweep") => step.args.extend(["--set".to_owned(), format!("device={device}")]),
            (Some(device), _) => step.args.extend(["--device".to_owned(), device.clone()]),
            (None, _) => {}
        }
    }
    all
}

fn component(step: &Step) -> Value {
    let kind = |name: &str| INPUTS.iter().find(|(known, ..)| *known == name).map_or("STRING", |(_, kind, _)| kind);
    let parameters = step.inputs.iter().map(|name| ((*name).to_owned(), json!({ "parameterType": kind(name) })));
    json!({
        "executorLabel": format!("exec-{}", step.name),
        "inputDefinitions": { "parameters": Value::Object(parameters.collect()) },
    })
}

fn executor(step: &Step, needs: &Needs) -> Value {
    let mut resources = json!({ "resourceCpuRequest": needs.cpu, "resourceMemoryRequest": needs.memory, "resourceMemoryLimit": needs.memory });
    if step.computes && needs.gpus > 0 {
        resources["accelerator"] = json!({ "resourceType": needs.gpu_name, "resourceCount": needs.gpus.to_string() });
    }
    json!({ "container": { "image": needs.image, "command": ["firebox"], "args": step.args, "resources": resources } })
}

fn task(step: &Step) -> Value {
    let parameters = step.inputs.iter().map(|name| ((*name).to_owned(), json!({ "componentInputParameter": name })));
    let mut task = json!({
        "taskInfo": { "name": step.name },
        "componentRef": { "name": format!("comp-{}", step.name) },
        "inputs": { "parameters": Value::Object(parameters.collect()) },
        // What was found yesterday need not be true of the data of today.
        "cachingOptions": {},
    });
    if let Some(after) = step.after {
        task["dependentTasks"] = json!([after]);
    }
    task
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pipeline() -> Pipeline {
        Pipeline {
            name: "Penguins, best".into(),
            config: "/work/penguins.toml".into(),
            trials: 20,
            workers: 2,
            device: Some("vulkan".into()),
            claim: "work".into(),
            needs: Needs { gpus: 1, ..Needs::of("firebox:1") },
        }
    }

    #[test]
    fn four_steps_follow_each_other() {
        let all = manifests(&pipeline()).unwrap();
        let tasks = &all[0]["root"]["dag"]["tasks"];
        let after = |name: &str| tasks[name]["dependentTasks"][0].as_str().unwrap_or_default().to_owned();
        assert_eq!(
            [after("data-check"), after("sweep"), after("train"), after("evaluate")],
            ["", "data-check", "sweep", "train"]
        );
        let executors = &all[0]["deploymentSpec"]["executors"];
        let args = |name: &str| {
            let words = executors[format!("exec-{name}")]["container"]["args"].as_array().unwrap().iter();
            words.filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
        };
        let folder = "{{$.inputs.parameters['folder']}}";
        assert_eq!(args("train"), format!("train --from {folder}/study --run {folder}/run --device vulkan"));
        assert!(args("sweep").ends_with("--set device=vulkan") && !args("data-check").contains("vulkan"));
        // Every input that a command names is one that its component takes and its task is given.
        for (name, task) in tasks.as_object().unwrap() {
            let inputs = task["inputs"]["parameters"].as_object().unwrap();
            let component = &all[0]["components"][format!("comp-{name}")]["inputDefinitions"]["parameters"];
            for (input, ..) in INPUTS {
                let named = args(name).contains(&format!("['{input}']"));
                assert_eq!(
                    (named, named),
                    (inputs.contains_key(*input), component.get(input).is_some()),
                    "{name} {input}"
                );
            }
        }
        assert_eq!(all[0]["pipelineInfo"]["name"], "penguins-best");
        let mounts = &all[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"];
        assert_eq!(mounts["exec-evaluate"]["pvcMount"][0], json!({ "mountPath": "/work", "constant": "work" }));
    }

    #[test]
    fn a_claim_without_a_name_is_refused() {
        let error = manifests(&Pipeline { claim: "My Work".into(), ..pipeline() }).unwrap_err();
        assert!(error.to_string().contains("`My Work` is none"), "{error}");
    }
}
