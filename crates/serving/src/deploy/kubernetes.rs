//! How does a server run on Kubernetes? As a Deployment with everything that belongs to it, which may do as little as
//! possible.
//!
//! Pods satisfy the restricted profile of the Pod Security Standards. A new version takes over pod by pod, each once it
//! is ready; one that is asked to end answers what it has begun. What a container asks for is what was measured.

use data_loader::Entry;
use serde_json::{Value, json};

use super::plan::folder::Folder;
use super::plan::{Deployment, GRACE, LIVE, METRICS, NOBODY, READY, SERVER, yaml};
use super::typed;
use crate::Error;

/// This member.
pub const ENTRY: Entry = Entry {
    name: "kubernetes",
    summary: "a Deployment with Service, autoscaler, disruption budget and network policy, as one file for kubectl",
};

const FILE: &str = "kubernetes.yaml";
/// So much of what was asked for is used before another pod is begun, in percent.
pub(super) const BUSY: u32 = 70;
/// So long a server may take to read its bundle and replay its golden samples, in seconds.
const START: u32 = 300;

pub(super) fn write(deployment: &Deployment, folder: &mut Folder) -> Result<Vec<String>, Error> {
    let comment = format!(
        "The model {} in version {}, served by {}.\n\
         Resources are {}.\n\
         Nothing goes out of the pods but questions to the cluster's DNS, where it enforces network policies.\n\
         kubectl apply -f FILE begins or updates it, kubectl delete -f FILE ends it.",
        deployment.name,
        deployment.version,
        deployment.image,
        deployment.resources().origin
    );
    folder.text(FILE, &yaml::documents(&comment, &manifests(deployment))?)?;
    let file = folder.place().join(FILE);
    let name = &deployment.name;
    Ok(vec![format!("kubectl apply -f {}", typed(&file)), format!("kubectl rollout status deployment/{name}")])
}

/// The objects, in the order in which they are made.
pub(super) fn manifests(deployment: &Deployment) -> Vec<Value> {
    let mut all = vec![
        service_account(deployment),
        network_policy(deployment),
        service(deployment),
        pods(deployment),
        disruption_budget(deployment),
    ];
    if deployment.replicas.max > deployment.replicas.min {
        all.push(autoscaler(deployment));
    }
    all
}

/// What tells the pods of this model from all others; it never changes.
fn selector(deployment: &Deployment) -> Value {
    json!({ "app.kubernetes.io/name": SERVER, "app.kubernetes.io/instance": deployment.name })
}

/// The labels of every object.
pub(super) fn labels(deployment: &Deployment) -> Value {
    let mut labels = selector(deployment);
    labels["app.kubernetes.io/version"] = json!(deployment.version);
    labels["app.kubernetes.io/component"] = json!("model-server");
    labels["app.kubernetes.io/part-of"] = json!("firebox");
    labels
}

fn object(api: &str, kind: &str, deployment: &Deployment) -> Value {
    json!({ "apiVersion": api, "kind": kind, "metadata": { "name": deployment.name, "labels": labels(deployment) } })
}

/// The server asks nothing of the cluster.
fn service_account(deployment: &Deployment) -> Value {
    let mut account = object("v1", "ServiceAccount", deployment);
    account["automountServiceAccountToken"] = json!(false);
    account
}

/// Requests come in by one port, and nothing goes out: a server that was taken over can tell nobody.
fn network_policy(deployment: &Deployment) -> Value {
    let mut policy = object("networking.k8s.io/v1", "NetworkPolicy", deployment);
    let dns = json!({ "namespaceSelector": {}, "podSelector": { "matchLabels": { "k8s-app": "kube-dns" } } });
    policy["spec"] = json!({
        "podSelector": { "matchLabels": selector(deployment) },
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{ "ports": [{ "protocol": "TCP", "port": deployment.port }] }],
        "egress": [{
            "to": [dns],
            "ports": [{ "protocol": "UDP", "port": 53 }, { "protocol": "TCP", "port": 53 }],
        }],
    });
    policy
}

fn service(deployment: &Deployment) -> Value {
    let mut service = object("v1", "Service", deployment);
    service["spec"] = json!({
        "type": "ClusterIP",
        "selector": selector(deployment),
        "ports": [{ "name": "http", "port": 80, "targetPort": "http", "protocol": "TCP", "appProtocol": "http" }],
    });
    service
}

fn pods(deployment: &Deployment) -> Value {
    let mut pods = object("apps/v1", "Deployment", deployment);
    let mut container = container(deployment, "server", &deployment.model_folder());
    container["ports"][0]["name"] = json!("http");
    // Until it has started, nothing else is asked: a large bundle takes as long as it takes.
    let started =
        json!({ "httpGet": { "path": READY, "port": "http" }, "periodSeconds": 1, "failureThreshold": START });
    container["startupProbe"] = started;
    container["livenessProbe"]["httpGet"]["port"] = json!("http");
    container["readinessProbe"]["httpGet"]["port"] = json!("http");
    let mut spec = json!({
        "revisionHistoryLimit": 5,
        // A new version that does not get ready is told as failed, and the old one goes on.
        "progressDeadlineSeconds": 2 * START,
        "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": 0, "maxSurge": 1 } },
        "selector": { "matchLabels": selector(deployment) },
        "template": {
            "metadata": { "labels": labels(deployment), "annotations": annotations(deployment) },
            "spec": {
                "serviceAccountName": deployment.name,
                "automountServiceAccountToken": false,
                "enableServiceLinks": false,
                "terminationGracePeriodSeconds": GRACE,
                "securityContext": {
                    "runAsNonRoot": true,
                    "runAsUser": NOBODY,
                    "runAsGroup": NOBODY,
                    "fsGroup": NOBODY,
                    "seccompProfile": { "type": "RuntimeDefault" },
                },
                "topologySpreadConstraints": [
                    spread(deployment, "topology.kubernetes.io/zone"),
                    spread(deployment, "kubernetes.io/hostname"),
                ],
                "containers": [container],
                "volumes": [temporary()],
            },
        },
    });
    // Where an autoscaler says how many there are, a number here would take it back at every update.
    if deployment.replicas.max == deployment.replicas.min {
        spec["replicas"] = json!(deployment.replicas.min);
    }
    pods["spec"] = spec;
    pods
}

/// For those who scrape by annotations, and for those who wonder where the figures are from.
pub(super) fn annotations(deployment: &Deployment) -> Value {
    json!({
        "firebox/resources": deployment.resources().origin,
        "prometheus.io/scrape": "true",
        "prometheus.io/port": deployment.port.to_string(),
        "prometheus.io/path": METRICS,
    })
}

/// A container that serves what lies in `folder`.
pub(super) fn container(deployment: &Deployment, name: &str, folder: &str) -> Value {
    let resources = deployment.resources();
    let mut limits = json!({ "memory": resources.memory() });
    if deployment.gpu {
        limits["nvidia.com/gpu"] = json!("1");
    }
    let asked = |path: &str, period: u32, failures: u32| {
        json!({
            "httpGet": { "path": path, "port": deployment.port },
            "periodSeconds": period,
            "timeoutSeconds": 2,
            "failureThreshold": failures,
        })
    };
    json!({
        "name": name,
        "image": deployment.image,
        "args": deployment.arguments(folder),
        // Without a limit on the processor it would begin a thread for every core of the machine.
        "env": [{ "name": "RAYON_NUM_THREADS", "value": resources.threads.to_string() }],
        "ports": [{ "containerPort": deployment.port, "protocol": "TCP" }],
        "resources": { "requests": { "cpu": resources.cpu(), "memory": resources.memory() }, "limits": limits },
        "readinessProbe": asked(READY, 5, 2),
        // Begun again only if it says nothing for half a minute: one that is merely busy would make the others busier.
        "livenessProbe": asked(LIVE, 10, 3),
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "runAsNonRoot": true,
            "capabilities": { "drop": ["ALL"] },
            "seccompProfile": { "type": "RuntimeDefault" },
        },
        "volumeMounts": [{ "name": "tmp", "mountPath": "/tmp" }],
    })
}

/// The only place that can be written to.
pub(super) fn temporary() -> Value {
    json!({ "name": "tmp", "emptyDir": { "sizeLimit": "64Mi" } })
}

/// Pods stand on different machines where they can.
fn spread(deployment: &Deployment, topology: &str) -> Value {
    json!({
        "maxSkew": 1,
        "topologyKey": topology,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": { "matchLabels": selector(deployment) },
    })
}

/// Whoever empties a machine takes one pod after the other. A number that must stay would forbid it where there is one
/// pod.
fn disruption_budget(deployment: &Deployment) -> Value {
    let mut budget = object("policy/v1", "PodDisruptionBudget", deployment);
    budget["spec"] = json!({ "maxUnavailable": 1, "selector": { "matchLabels": selector(deployment) } });
    budget
}

fn autoscaler(deployment: &Deployment) -> Value {
    let mut autoscaler = object("autoscaling/v2", "HorizontalPodAutoscaler", deployment);
    autoscaler["spec"] = json!({
        "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": deployment.name },
        "minReplicas": deployment.replicas.min,
        "maxReplicas": deployment.replicas.max,
        "metrics": [{
            "type": "Resource",
            "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": BUSY } },
        }],
        "behavior": { "scaleDown": { "stabilizationWindowSeconds": 300 } },
    });
    autoscaler
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::plan::Replicas;
    use crate::deploy::plan::tests::{bundle, full};

    fn kinds(all: &[Value]) -> Vec<&str> {
        all.iter().filter_map(|one| one["kind"].as_str()).collect()
    }

    fn of<'a>(all: &'a [Value], kind: &str) -> &'a Value {
        all.iter().find(|one| one["kind"] == kind).unwrap()
    }

    #[test]
    fn pods_may_do_as_little_as_possible_and_get_what_was_measured() {
        let folder = bundle("penguins");
        let deployment = full(folder.path());
        let all = manifests(&deployment);
        let pod = &of(&all, "Deployment")["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        assert_eq!(
            container["securityContext"],
            json!({
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "runAsNonRoot": true,
                "capabilities": { "drop": ["ALL"] },
                "seccompProfile": { "type": "RuntimeDefault" },
            })
        );
        assert_eq!(
            (&pod["automountServiceAccountToken"], &pod["terminationGracePeriodSeconds"]),
            (&json!(false), &json!(35))
        );
        assert_eq!(
            container["args"],
            json!(["/models/penguins", "--address", "0.0.0.0:8080", "--max-body", "4194304"])
        );
        assert_eq!(
            container["resources"],
            json!({ "requests": { "cpu": "1100m", "memory": "528Mi" }, "limits": { "memory": "528Mi" } })
        );
        assert_eq!(container["env"][0]["value"], "2");
        assert!(container.get("lifecycle").is_none(), "an image without a shell has nothing to run before it ends");
        let origin = &of(&all, "Deployment")["spec"]["template"]["metadata"]["annotations"]["firebox/resources"];
        assert!(origin.as_str().unwrap().starts_with("measured: "));
        assert_eq!(of(&all, "Deployment")["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"], 0);
    }

    #[test]
    fn objects_find_each_other_by_labels_that_never_change() {
        let folder = bundle("penguins");
        let deployment = full(folder.path());
        let all = manifests(&deployment);
        let expected = json!({ "app.kubernetes.io/name": "firebox-serve", "app.kubernetes.io/instance": "penguins" });
        assert_eq!(of(&all, "Service")["spec"]["selector"], expected);
        for pointer in ["/spec/selector/matchLabels", "/spec/podSelector/matchLabels"] {
            for selector in all.iter().filter_map(|one| one.pointer(pointer)) {
                assert_eq!(*selector, expected);
            }
        }
        let pods = &of(&all, "Deployment")["spec"]["template"]["metadata"]["labels"];
        assert!(expected.as_object().unwrap().iter().all(|(key, value)| pods[key] == *value));
        assert_eq!(pods["app.kubernetes.io/version"], deployment.version());
    }

    #[test]
    fn a_fixed_number_of_pods_has_no_autoscaler() {
        let folder = bundle("penguins");
        let mut deployment = full(folder.path());
        let all = manifests(&deployment);
        assert_eq!(kinds(&all).last(), Some(&"HorizontalPodAutoscaler"));
        assert!(of(&all, "Deployment")["spec"].get("replicas").is_none());
        deployment.replicas = Replicas { min: 3, max: 3 };
        let all = manifests(&deployment);
        assert_eq!(kinds(&all), ["ServiceAccount", "NetworkPolicy", "Service", "Deployment", "PodDisruptionBudget"]);
        assert_eq!(of(&all, "Deployment")["spec"]["replicas"], 3);
    }

    #[test]
    fn a_graphics_card_is_asked_for_where_one_is_needed() {
        let folder = bundle("penguins");
        let deployment = Deployment { gpu: true, ..full(folder.path()) };
        let all = manifests(&deployment);
        let container = &of(&all, "Deployment")["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["resources"]["limits"]["nvidia.com/gpu"], "1");
    }
}
