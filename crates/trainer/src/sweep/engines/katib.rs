//! How does Katib search our space? As an `Experiment` whose trials are jobs of `firebox train`: its own searchers propose, and
//! our metrics come to it from the run's `metrics.jsonl`.
//!
//! Katib knows no conditions and no lists: what it cannot express stays as the config has it, and a remark says so. Trials are
//! trained by themselves, without our pruners, and what is killed begins anew.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::label;
use super::manifest::{self, Needs};
use crate::Error;
use crate::metrics::Direction;
use crate::sweep::interchange::{View, as_text, refused};
use crate::sweep::objectives::OF_TRIALS;
use crate::sweep::pruners::Pruner;
use crate::sweep::space::{Range, Values};

/// Where the config lies in a container, and its run.
const CONFIG: &str = "/config";
const RUN: &str = "/katib/run";
/// The longest name of an experiment whose trials have eight letters behind theirs.
const NAME: usize = 40;

/// An experiment as it is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Experiment {
    /// What is varied, as `firebox train` takes it; paths in it are those of the image.
    pub config: String,
    /// Further settings of every trial, `PATH=VALUE`: where the data lie, say.
    pub settings: Vec<String>,
    /// On what to compute.
    pub device: Option<String>,
    /// How many trials run beside each other.
    pub parallel: u32,
    /// What each needs.
    pub needs: Needs,
}

/// What became of a study.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// A config map with the config, and the experiment.
    pub manifests: Vec<Value>,
    /// What Katib cannot express, a sentence each.
    pub remarks: Vec<String>,
}

/// The manifests of a study.
///
/// # Errors
/// [`Error::Interchange`] if Katib could not search at all.
pub fn manifests(view: View<'_>, wanted: &Experiment) -> Result<Written, Error> {
    wanted.needs.check()?;
    let name = label(view.name, NAME);
    let mut remarks = Vec::new();
    let objective = objective(view, &mut remarks)?;
    let mut parameters = Vec::new();
    let mut trial_parameters = Vec::new();
    let mut args = vec!["train".to_owned(), format!("{CONFIG}/config.toml"), "--run".into(), RUN.into()];
    args.extend(wanted.device.iter().flat_map(|device| ["--device".to_owned(), device.clone()]));
    args.extend(wanted.settings.iter().flat_map(|setting| ["--set".to_owned(), setting.clone()]));
    let mut taken = BTreeMap::new();
    for (address, parameter) in &view.sweep.space {
        if !parameter.when.is_empty() {
            let on: Vec<&str> = parameter.when.keys().map(String::as_str).collect();
            let on = on.join("`, `");
            remarks.push(format!(
                "`{address}` counts only by `{on}`; Katib knows no conditions, and it stays as the config has it."
            ));
            continue;
        }
        let feasible = match &parameter.values {
            Values::Fixed(value) => {
                args.extend(["--set".to_owned(), format!("{address}={}", as_text(value))]);
                continue;
            }
            Values::List { .. } => {
                remarks.push(format!(
                    "`{address}` is a list; Katib varies one value at a time, and it stays as the config has it."
                ));
                continue;
            }
            Values::Range(range) => of_range(range),
            Values::Choices(choices) => of_choices(choices),
        };
        let short = unique(address, &mut taken);
        args.extend(["--set".to_owned(), format!("{address}=${{trialParameters.{short}}}")]);
        let (kind, space) = feasible;
        parameters.push(json!({ "name": address, "parameterType": kind, "feasibleSpace": space }));
        trial_parameters
            .push(json!({ "name": short, "reference": address, "description": format!("the setting {address}") }));
    }
    if parameters.is_empty() {
        let way_out = "give `sweep.space` a range or choices without `when`";
        return Err(refused(view.name, "nothing is left in its space that Katib could vary", way_out));
    }
    let algorithm = algorithm(view, &parameters, &mut remarks);
    let metrics = objective_metrics(&objective);
    let config = (
        json!({ "name": "config", "configMap": { "name": format!("{name}-config") } }),
        json!({ "name": "config", "mountPath": CONFIG, "readOnly": true }),
    );
    let container = json!({ "name": "training", "command": ["firebox"], "args": args });
    let mut pod = wanted.needs.pod(container, &[config]);
    // Katib writes beside the run, as whoever the image names.
    pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"] = json!(false);
    // It reads the processes of its neighbour to know when that has ended.
    pod["shareProcessNamespace"] = json!(true);
    let count = view.sweep.trials.unwrap_or(crate::sweep::config::TRIALS);
    let mut spec = json!({
        "objective": objective,
        "algorithm": algorithm,
        "parallelTrialCount": u64::from(wanted.parallel.max(1)).min(count),
        "maxTrialCount": count,
        "maxFailedTrialCount": (count / 4).max(1),
        "parameters": parameters,
        "metricsCollectorSpec": {
            "collector": { "kind": "File" },
            "source": {
                "fileSystemPath": { "kind": "File", "path": format!("{RUN}/metrics.jsonl"), "format": "TEXT" },
                "filter": { "metricsFormat": metrics.iter().map(|metric| filter(metric)).collect::<Vec<_>>() },
            },
        },
        "trialTemplate": {
            "primaryContainerName": "training",
            "trialParameters": trial_parameters,
            "trialSpec": {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "spec": {
                    "backoffLimit": 0,
                    "template": { "metadata": { "annotations": { "sidecar.istio.io/inject": "false" } }, "spec": pod },
                },
            },
        },
    });
    if let Some(stopping) = early_stopping(view, &mut remarks) {
        spec["earlyStopping"] = stopping;
    }
    let config = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": wanted.needs.metadata(&format!("{name}-config"), &name),
        "data": { "config.toml": wanted.config },
    });
    let experiment = json!({
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Experiment",
        "metadata": wanted.needs.metadata(&name, &name),
        "spec": spec,
    });
    Ok(Written { manifests: vec![config, experiment], remarks })
}

/// The manifests as one file, with the remarks above them.
///
/// # Errors
/// As [`manifests`].
pub fn yaml(view: View<'_>, wanted: &Experiment) -> Result<(String, Vec<String>), Error> {
    let written = manifests(view, wanted)?;
    let mut comment = format!("The space of the study {}, to be searched by Katib: kubectl apply -f FILE.", view.name);
    for remark in &written.remarks {
        comment += "\n";
        comment += remark;
    }
    Ok((manifest::yaml(&comment, &written.manifests)?, written.remarks))
}

fn objective(view: View<'_>, remarks: &mut Vec<String>) -> Result<Value, Error> {
    let is_seen = |metric: &str| !OF_TRIALS.contains(&metric);
    let Some(first) = view.sweep.objectives.first().filter(|first| is_seen(&first.metric)) else {
        let way_out = "let the first of `sweep.objectives` be a metric of the validation split";
        return Err(refused(view.name, "its first objective is none that Katib could read from a run", way_out));
    };
    let mut others = Vec::new();
    for other in &view.sweep.objectives[1..] {
        let of = &other.metric;
        if is_seen(of) {
            others.push(json!(of));
            remarks.push(format!("Katib strives for one objective: `{of}` is shown, and decides nothing."));
        } else {
            remarks.push(format!("Katib strives for one objective: `{of}` is left out."));
        }
    }
    let kind = match first.direction() {
        Direction::Higher => "maximize",
        Direction::Lower => "minimize",
    };
    let mut objective = json!({ "type": kind, "objectiveMetricName": first.metric });
    if let Some(target) = view.sweep.target {
        objective["goal"] = json!(target);
    }
    if !others.is_empty() {
        objective["additionalMetricNames"] = others.into();
    }
    Ok(objective)
}

fn objective_metrics(objective: &Value) -> Vec<String> {
    let others = objective["additionalMetricNames"].as_array().into_iter().flatten();
    std::iter::once(&objective["objectiveMetricName"])
        .chain(others)
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// By which Katib finds name and value of a metric in a line about the validation split.
fn filter(metric: &str) -> String {
    let is_sign = |c: char| c == ' ' || (c.is_ascii_punctuation() && c != '_');
    let letter = |c: char| if is_sign(c) { format!("\\{c}") } else { c.to_string() };
    let name: String = metric.chars().map(letter).collect();
    format!(
        r#""part":"validation","values":\{{(?:[^{{}}]*,)?"({name})":([+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)"#
    )
}

fn of_range(range: &Range) -> (&'static str, Value) {
    let text = |number: f64| as_text(&range.value(number));
    let mut space =
        Map::from_iter([("min".to_owned(), json!(text(range.low))), ("max".to_owned(), json!(text(range.high)))]);
    if let Some(step) = range.step {
        space.insert("step".into(), json!(text(step)));
    }
    let word = if range.log { "logUniform" } else { "uniform" };
    space.insert("distribution".into(), json!(word));
    (if range.whole { "int" } else { "double" }, Value::Object(space))
}

fn of_choices(choices: &[Value]) -> (&'static str, Value) {
    let kind = if choices.iter().all(Value::is_number) { "discrete" } else { "categorical" };
    let list: Vec<String> = choices.iter().map(as_text).collect();
    (kind, json!({ "list": list }))
}

fn algorithm(view: View<'_>, parameters: &[Value], remarks: &mut Vec<String>) -> Value {
    let name = match view.sweep.searcher.name() {
        "cma_es" => "cmaes",
        "gaussian_process" => "bayesianoptimization",
        "grid" => "grid",
        "random" => "random",
        "sobol" => "sobol",
        "tpe" => "tpe",
        other => {
            remarks.push(format!("Katib has no `{other}`; `tpe` proposes instead."));
            "tpe"
        }
    };
    if view.sweep.population.is_some() {
        remarks.push("Trials of Katib know nothing of each other's checkpoints: there is no population.".into());
    }
    let numbers = |one: &&Value| matches!(one["parameterType"].as_str(), Some("int" | "double"));
    if name == "cmaes" && parameters.iter().filter(numbers).count() < 2 {
        remarks.push("Katib's `cmaes` wants two ranges at least; `tpe` proposes instead.".into());
        return json!({ "algorithmName": "tpe" });
    }
    let without_step = |one: &&Value| one["parameterType"] == "double" && one["feasibleSpace"].get("step").is_none();
    if name == "grid" && parameters.iter().any(|one| without_step(&one)) {
        remarks
            .push("Katib's `grid` wants a step for every range, and some have none; `sobol` proposes instead.".into());
        return json!({ "algorithmName": "sobol" });
    }
    json!({ "algorithmName": name })
}

fn early_stopping(view: View<'_>, remarks: &mut Vec<String>) -> Option<Value> {
    let (startup, warmup) = match view.sweep.pruner.as_ref()? {
        Pruner::None(_) => return None,
        Pruner::Median(median) => (median.startup, median.warmup),
        other => {
            remarks.push(format!("Katib has no `{}`; `medianstop` ends trials instead.", other.name()));
            (5, 0)
        }
    };
    let setting = |name: &str, value: usize| json!({ "name": name, "value": value.max(1).to_string() });
    let settings = [setting("min_trials_required", startup), setting("start_step", warmup + 1)];
    Some(json!({ "algorithmName": "medianstop", "algorithmSettings": settings }))
}

/// An address as a word, which no other address has.
fn unique(address: &str, taken: &mut BTreeMap<String, usize>) -> String {
    let word: String = address.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let times = taken.entry(word.clone()).or_default();
    *times += 1;
    if *times == 1 { word } else { format!("{word}_{times}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::interchange::tests::Sample;

    fn experiment() -> Experiment {
        Experiment {
            config: "[model.mlp]\n".into(),
            settings: vec!["data.card=/data/penguins".into()],
            device: Some("cpu".into()),
            parallel: 3,
            needs: Needs::of("firebox:1"),
        }
    }

    #[test]
    fn what_katib_can_vary_it_varies_and_the_rest_is_named() {
        let sample = Sample::new();
        let written = manifests(sample.view(), &experiment()).unwrap();
        let spec = &written.manifests[1]["spec"];
        let names: Vec<&str> =
            spec["parameters"].as_array().unwrap().iter().filter_map(|p| p["name"].as_str()).collect();
        assert_eq!(names, ["model", "optimizer.adamw.learning_rate", "train.batch_size"]);
        assert_eq!(
            spec["parameters"][1]["feasibleSpace"],
            json!({ "min": "0.0001", "max": "0.1", "distribution": "logUniform" })
        );
        assert_eq!(
            spec["parameters"][2],
            json!({
                "name": "train.batch_size", "parameterType": "categorical", "feasibleSpace": { "list": ["16", "32", "auto"] }
            })
        );
        let args = &spec["trialTemplate"]["trialSpec"]["spec"]["template"]["spec"]["containers"][0]["args"];
        let args: Vec<&str> = args.as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!(
            args.contains(&"optimizer.adamw.learning_rate=${trialParameters.optimizer_adamw_learning_rate}"),
            "{args:?}"
        );
        assert!(args.contains(&"train.epochs=7") && args.contains(&"data.card=/data/penguins"), "{args:?}");
        let all = written.remarks.join("\n");
        for word in ["`model.mlp.hidden` counts only by `model`", "`model.gru.dropout` counts only", "no `asha`"] {
            assert!(all.contains(word), "{word}: {all}");
        }
        assert_eq!(spec["objective"], json!({ "type": "maximize", "objectiveMetricName": "accuracy" }));
        assert_eq!((&spec["parallelTrialCount"], &spec["maxTrialCount"]), (&json!(3), &json!(20)));
        let (text, _) = yaml(sample.view(), &experiment()).unwrap();
        assert!(text.contains("# `model.gru.dropout` counts only"), "{text}");
    }

    #[test]
    fn algorithms_are_mapped_as_far_as_they_can_be() {
        let of = |sweep: &str| {
            let sample = Sample::of(&format!("objectives = [\"loss\", \"seconds\"]\n{sweep}"));
            let written = manifests(sample.view(), &experiment()).unwrap();
            let spec = written.manifests[1]["spec"].clone();
            (spec["algorithm"]["algorithmName"].as_str().unwrap().to_owned(), written.remarks.join(" "))
        };
        let (a, b) = ("\"a.b\" = { low = 0.0, high = 1.0 }", "\"a.c\" = { low = 1, high = 9 }");
        assert_eq!(of(&format!("[searcher.cma_es]\n[space]\n{a}\n{b}")).0, "cmaes");
        assert_eq!(of(&format!("[searcher.cma_es]\n[space]\n{a}")).0, "tpe");
        assert_eq!(of(&format!("[searcher.grid]\n[space]\n{a}\n{b}")).0, "sobol");
        assert_eq!(of(&format!("[searcher.grid]\n[space]\n{b}")).0, "grid");
        assert_eq!(of(&format!("[searcher.gaussian_process]\n[space]\n{b}")).0, "bayesianoptimization");
        let (name, remarks) = of(&format!(
            "[searcher.nsga2]\n[space]\n{a}\n\"c\" = {{ each = {{ low = 1, high = 2 }}, count = {{ low = 1, high = 2 }} }}"
        ));
        assert!(
            name == "tpe" && remarks.contains("no `nsga2`") && remarks.contains("`seconds` is left out"),
            "{remarks}"
        );
        assert!(remarks.contains("`c` is a list"));
    }

    #[test]
    fn what_katib_cannot_search_at_all_is_refused() {
        let sample = Sample::of("objectives = [\"seconds\"]\n[space]\n\"a\" = { low = 0, high = 1 }");
        assert!(manifests(sample.view(), &experiment()).unwrap_err().to_string().contains("first objective"));
        let sample = Sample::of(
            "objectives = [\"loss\"]\n[space]\n\"a\" = { each = { low = 0, high = 1 }, count = { low = 1, high = 2 } }",
        );
        assert!(manifests(sample.view(), &experiment()).unwrap_err().to_string().contains("nothing is left"));
    }

    #[test]
    fn addresses_become_words_of_their_own() {
        let mut taken = BTreeMap::new();
        let words = ["a.b", "a_b", "a-b", "c"].map(|address| unique(address, &mut taken));
        assert_eq!(words, ["a_b", "a_b_2", "a_b_3", "c"]);
        assert!(filter("f1/a b").contains(r#""(f1\/a\ b)""#));
    }
}
