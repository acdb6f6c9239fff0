//! How does a server run under `KServe`? As a runtime for models of Firebox, and a service that names it.
//!
//! The runtime is called after the version, so that an older revision of the service keeps the server that it was tried
//! with, and a canary compares both. Without an address in a store the bundle in the image is served, and nothing is
//! fetched.

use data_loader::Entry;
use serde_json::{Value, json};

use super::plan::folder::Folder;
use super::plan::{Deployment, METRICS, NOBODY, yaml};
use super::{kubernetes, typed};
use crate::Error;

/// This member.
pub const ENTRY: Entry = Entry {
    name: "kserve",
    summary: "a ServingRuntime and an InferenceService for KServe, with a canary if one is wanted",
};

const FILE: &str = "kserve.yaml";
/// What the format of our bundles is called, and its version.
const FORMAT: &str = "firebox";
/// Where `KServe` lays what it fetched.
const FETCHED: &str = "/mnt/models";
/// How long a request may take, in seconds.
const TIMEOUT: u32 = 60;
/// So many times ten seconds a server may say nothing before it is begun again: it may be reading its bundle.
const SILENCES: u32 = 30;

pub(super) fn write(deployment: &Deployment, folder: &mut Folder) -> Result<Vec<String>, Error> {
    let bundle = deployment.storage_uri.as_deref().unwrap_or("the image");
    let comment = format!(
        "The model {} in version {} for KServe: the image {} serves the bundle of {bundle}.\n\
         Resources are {}.\n\
         canaryTrafficPercent divides requests between the last version that was rolled out and this one, where KServe \
         runs on Knative; without it, this one gets all.",
        deployment.name,
        deployment.version,
        deployment.image,
        deployment.resources().origin
    );
    folder.text(FILE, &yaml::documents(&comment, &manifests(deployment))?)?;
    let file = folder.place().join(FILE);
    Ok(vec![
        format!("kubectl apply -f {}", typed(&file)),
        format!("kubectl wait --for=condition=Ready --timeout=10m inferenceservice/{}", deployment.name),
    ])
}

/// The runtime and the service.
fn manifests(deployment: &Deployment) -> Vec<Value> {
    let runtime_name = format!("{}-{}", deployment.name, deployment.version);
    let labels = kubernetes::labels(deployment);
    let own = deployment.model_folder();
    let fetched = deployment.storage_uri.is_some();
    let mut container = kubernetes::container(deployment, "kserve-container", if fetched { FETCHED } else { &own });
    // Pods of KServe have no settings for the whole pod.
    container["securityContext"]["runAsUser"] = json!(NOBODY);
    container["securityContext"]["runAsGroup"] = json!(NOBODY);
    container["livenessProbe"]["failureThreshold"] = json!(SILENCES);
    let runtime = json!({
        "apiVersion": "serving.kserve.io/v1alpha1",
        "kind": "ServingRuntime",
        "metadata": { "name": runtime_name, "labels": labels },
        "spec": {
            "annotations": {
                "prometheus.kserve.io/port": deployment.port.to_string(),
                "prometheus.kserve.io/path": METRICS,
                "firebox/resources": deployment.resources().origin,
            },
            // Two versions of one model must not be taken for each other: the service names the one that it means.
            "supportedModelFormats": [{ "name": FORMAT, "version": "1", "autoSelect": false }],
            "protocolVersions": ["v2"],
            "multiModel": false,
            "containers": [container],
            "volumes": [kubernetes::temporary()],
        },
    });
    let mut model = json!({
        "modelFormat": { "name": FORMAT, "version": "1" },
        "protocolVersion": "v2",
        "runtime": runtime_name,
    });
    if let Some(uri) = &deployment.storage_uri {
        model["storageUri"] = json!(uri);
    }
    let mut predictor = json!({
        "minReplicas": deployment.replicas.min,
        "maxReplicas": deployment.replicas.max,
        "timeout": TIMEOUT,
        "automountServiceAccountToken": false,
        "model": model,
    });
    if let Some(percent) = deployment.canary_percent {
        predictor["canaryTrafficPercent"] = json!(percent);
        // A canary asks for Knative, which can count requests; elsewhere KServe would make of this an autoscaler that
        // nobody takes, and scales by the processor if nothing is said. Three quarters of what was measured leave time
        // to begin another server.
        if let Some(measured) = &deployment.measured {
            let target = (measured.requests_per_second * 0.75).clamp(1.0, f64::from(i32::MAX)).floor();
            predictor["scaleMetric"] = json!("rps");
            predictor["scaleTarget"] = json!(target as u32);
        }
    }
    let service = json!({
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": { "name": deployment.name, "labels": labels },
        "spec": { "predictor": predictor },
    });
    vec![runtime, service]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::plan::tests::{bundle, full};

    #[test]
    fn a_service_names_the_runtime_of_its_version() {
        let folder = bundle("penguins");
        let deployment = full(folder.path());
        let [runtime, service] = manifests(&deployment).try_into().unwrap();
        let name = format!("penguins-{}", deployment.version());
        assert_eq!(runtime["metadata"]["name"], *name);
        let predictor = &service["spec"]["predictor"];
        assert_eq!(predictor["model"]["runtime"], *name);
        assert_eq!(predictor["model"]["storageUri"], "s3://models/penguins");
        assert_eq!((&predictor["canaryTrafficPercent"], &predictor["scaleTarget"]), (&json!(10), &json!(315)));
        let container = &runtime["spec"]["containers"][0];
        assert_eq!(container["name"], "kserve-container");
        assert_eq!(
            container["args"],
            json!(["/mnt/models", "--address", "0.0.0.0:8080", "--max-body", "4194304", "--name", "penguins"])
        );
        assert_eq!(runtime["spec"]["protocolVersions"], json!(["v2"]));
    }

    #[test]
    fn without_a_store_the_bundle_in_the_image_is_served() {
        let folder = bundle("penguins");
        let deployment = Deployment { storage_uri: None, canary_percent: None, measured: None, ..full(folder.path()) };
        let [runtime, service] = manifests(&deployment).try_into().unwrap();
        assert_eq!(runtime["spec"]["containers"][0]["args"][0], "/models/penguins");
        let predictor = &service["spec"]["predictor"];
        for absent in ["canaryTrafficPercent", "scaleTarget", "scaleMetric"] {
            assert!(predictor.get(absent).is_none(), "{absent}");
        }
        assert!(predictor["model"].get("storageUri").is_none());
    }
}
