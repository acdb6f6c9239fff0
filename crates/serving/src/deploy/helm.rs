//! How does a server become a Helm chart? The objects are those for Kubernetes, made by the same code; a few places in
//! them become values, so that the two never tell of different servers.

use data_loader::Entry;
use serde_json::{Value, json};

use super::plan::folder::Folder;
use super::plan::{Deployment, READY, Replicas, yaml};
use super::{kubernetes, typed};
use crate::Error;

mod marks;
mod values;

use marks::Marks;

/// This member.
pub const ENTRY: Entry = Entry {
    name: "helm",
    summary: "a chart with the same objects as for Kubernetes, whose settings are values with a schema",
};

/// Stands for the name of a release, the version of a chart and an image until they are replaced; no name holds upper
/// case.
const RELEASE: &str = "FIREBOX-RELEASE";
const VERSION: &str = "FIREBOX-VERSION";
const IMAGE: &str = "FIREBOX-IMAGE";

/// What may be left out of a chart when it is installed: a kind of object, and under which condition it is there.
const CONDITIONS: &[(&str, &str)] = &[
    ("HorizontalPodAutoscaler", "gt (int .Values.replicas.max) (int .Values.replicas.min)"),
    ("NetworkPolicy", ".Values.networkPolicy.enabled"),
    ("PodDisruptionBudget", ".Values.podDisruptionBudget.enabled"),
];

/// Which places of an object become which values: its kind, a pointer into it, and an expression.
const PLACES: &[(&str, &str, &str)] = &[
    ("Deployment", "/spec/template/metadata/annotations/firebox~1resources", ".Values.resourcesOrigin"),
    ("Deployment", "/spec/template/spec/containers/0/resources", ".Values.resources"),
    ("Deployment", "/spec/template/spec/containers/0/env/0/value", ".Values.threads | toString"),
    ("HorizontalPodAutoscaler", "/spec/maxReplicas", ".Values.replicas.max"),
    ("HorizontalPodAutoscaler", "/spec/minReplicas", ".Values.replicas.min"),
    ("HorizontalPodAutoscaler", "/spec/metrics/0/resource/target/averageUtilization", ".Values.replicas.busyPercent"),
    ("Service", "/spec/ports/0/port", ".Values.service.port"),
    ("Service", "/spec/type", ".Values.service.type"),
];

/// Keys of a Deployment that are there only under a condition: where, the key, the condition, and its value.
const OPTIONAL: &[(&str, &str, &str, &str)] = &[
    ("/spec", "replicas", "if eq (int .Values.replicas.max) (int .Values.replicas.min)", ".Values.replicas.min"),
    ("/spec/template/spec", "imagePullSecrets", "with .Values.imagePullSecrets", "."),
    ("/spec/template/spec", "nodeSelector", "with .Values.nodeSelector", "."),
    ("/spec/template/spec", "tolerations", "with .Values.tolerations", "."),
];

pub(super) fn write(deployment: &Deployment, folder: &mut Folder) -> Result<Vec<String>, Error> {
    let (chart, name) = (&deployment.name, &deployment.name);
    folder.text(&format!("{chart}/Chart.yaml"), &yaml::documents("", &[about(deployment)])?)?;
    folder.text(&format!("{chart}/values.yaml"), &values::text(deployment))?;
    folder.text(&format!("{chart}/values.schema.json"), &format!("{:#}\n", values::schema()))?;
    for (file, text) in templates(deployment)? {
        folder.text(&format!("{chart}/templates/{file}"), &text)?;
    }
    folder.text(&format!("{chart}/templates/NOTES.txt"), &notes(deployment))?;
    let place = typed(&folder.place().join(chart));
    Ok(vec![format!("helm upgrade --install {name} {place} --wait")])
}

/// The chart itself. Its version tells one bundle from another; the hash stands behind a `+`, by which versions are not
/// ordered.
fn about(deployment: &Deployment) -> Value {
    json!({
        "apiVersion": "v2",
        "name": deployment.name,
        "description": format!("The model {}, served by Firebox", deployment.name),
        "type": "application",
        "version": format!("{}+{}", env!("CARGO_PKG_VERSION"), deployment.version),
        "appVersion": deployment.version,
        "kubeVersion": ">=1.25.0-0",
    })
}

/// Every template by the name of its file.
fn templates(deployment: &Deployment) -> Result<Vec<(String, String)>, Error> {
    let mut marks = Marks::default();
    let marked = objects(deployment, &mut marks);
    let mut all = Vec::new();
    for object in marked {
        let kind = object["kind"].as_str().unwrap_or_default();
        let text = marks.resolve(&yaml::documents("", std::slice::from_ref(&object))?);
        let text = match CONDITIONS.iter().find(|(conditional, _)| *conditional == kind) {
            Some((_, condition)) => format!("{{{{- if {condition} }}}}\n{text}{{{{- end }}}}\n"),
            None => text,
        };
        all.push((format!("{}.yaml", kind.to_lowercase()), text));
    }
    Ok(all)
}

/// The objects with marks in the places of values.
fn objects(deployment: &Deployment, marks: &mut Marks) -> Vec<Value> {
    let model = deployment.model_folder();
    let stand_in = Deployment {
        name: RELEASE.into(),
        version: VERSION.into(),
        image: IMAGE.into(),
        // So that there is an autoscaler.
        replicas: Replicas { min: 1, max: 2 },
        ..deployment.clone()
    };
    let stand_in_model = stand_in.model_folder();
    let mut all = kubernetes::manifests(&stand_in);
    for object in &mut all {
        replace(object, &mut |text| {
            let expression = match text {
                RELEASE => ".Release.Name",
                VERSION => ".Chart.AppVersion",
                IMAGE => ".Values.image",
                _ if text == stand_in_model => return Some(json!(model)),
                _ => return None,
            };
            Some(marks.value(expression))
        });
        let kind = object["kind"].as_str().unwrap_or_default().to_owned();
        for (_, pointer, expression) in PLACES.iter().filter(|(of, ..)| *of == kind) {
            if let Some(place) = object.pointer_mut(pointer) {
                *place = marks.value(expression);
            }
        }
        if kind == "Deployment" {
            for (pointer, key, condition, expression) in OPTIONAL {
                if let Some(place) = object.pointer_mut(pointer) {
                    place[*key] = marks.optional(key, condition, expression);
                }
            }
        }
        let labels = &mut object["metadata"]["labels"];
        labels["helm.sh/chart"] = marks.value(r#"printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_""#);
        labels["app.kubernetes.io/managed-by"] = marks.value(".Release.Service");
    }
    all
}

/// Gives every text in a value to `with`, and takes what that returns in its place.
fn replace(value: &mut Value, with: &mut impl FnMut(&str) -> Option<Value>) {
    match value {
        Value::String(text) => {
            if let Some(other) = with(text) {
                *value = other;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, with)),
        Value::Object(fields) => fields.values_mut().for_each(|field| replace(field, with)),
        _ => {}
    }
}

fn notes(deployment: &Deployment) -> String {
    format!(
        "\
{{{{ .Chart.Name }}}} in version {{{{ .Chart.AppVersion }}}} is served in the namespace {{{{ .Release.Namespace }}}}.

    kubectl -n {{{{ .Release.Namespace }}}} rollout status deployment/{{{{ .Release.Name }}}}
    kubectl -n {{{{ .Release.Namespace }}}} port-forward service/{{{{ .Release.Name }}}} {port}:http
    curl http://127.0.0.1:{port}{READY}

Resources are {{{{ .Values.resourcesOrigin }}}}.
",
        port = deployment.port,
    )
}

#[cfg(test)]
mod chart_tests;
