//! What can be set when a chart is installed, and what may it be?

use serde_json::{Value, json};

use super::super::plan::Deployment;
use super::kubernetes;

/// Settings with what they are, as YAML. Texts are written as JSON, which YAML reads as well.
pub fn text(deployment: &Deployment) -> String {
    let container = kubernetes::container(deployment, "server", "");
    let resources = deployment.resources();
    format!(
        "\
# The image with the server and the bundle.
image: {image}
# Secrets with which it is fetched: a list of names, as in [{{name: registry}}].
imagePullSecrets: []

# How many pods there are; if max is more than min, their load decides, and one is added once they use more than
# busyPercent of the processor that they ask for.
replicas:
  min: {min}
  max: {max}
  busyPercent: {busy}

# What a pod asks for, and with how many threads it computes.
resources: {asked}
threads: {threads}
# From what these figures were made.
resourcesOrigin: {origin}

service:
  type: ClusterIP
  port: 80

# Requests come in by one port, and nothing goes out but questions to the cluster's DNS.
networkPolicy:
  enabled: true

# Whoever empties a machine takes one pod after the other.
podDisruptionBudget:
  enabled: true

# On which machines pods may stand.
nodeSelector: {{}}
tolerations: []
",
        image = json!(deployment.image),
        min = deployment.replicas.min,
        max = deployment.replicas.max,
        busy = kubernetes::BUSY,
        asked = container["resources"],
        threads = resources.threads,
        origin = json!(resources.origin),
    )
}

/// What settings may be, so that a wrong one is refused before anything is installed.
pub fn schema() -> Value {
    let object = |properties: Value| {
        let required: Vec<&String> = properties.as_object().into_iter().flat_map(serde_json::Map::keys).collect();
        json!({ "type": "object", "additionalProperties": false, "required": required, "properties": properties })
    };
    let whole = |least: u32, most: u32| json!({ "type": "integer", "minimum": least, "maximum": most });
    let text = json!({ "type": "string", "pattern": "^\\S+$" });
    let switch = || object(json!({ "enabled": { "type": "boolean" } }));
    let mut schema = object(json!({
        "image": text,
        "imagePullSecrets": { "type": "array", "items": object(json!({ "name": text })) },
        "replicas": object(json!({
            "min": whole(1, 10_000),
            "max": whole(1, 10_000),
            "busyPercent": whole(1, 100),
        })),
        "resources": { "type": "object" },
        "threads": whole(1, 1024),
        "resourcesOrigin": { "type": "string" },
        "service": object(json!({
            "type": { "type": "string", "enum": ["ClusterIP", "NodePort", "LoadBalancer"] },
            "port": whole(1, 65_535),
        })),
        "networkPolicy": switch(),
        "podDisruptionBudget": switch(),
        "nodeSelector": { "type": "object", "additionalProperties": { "type": "string" } },
        "tolerations": { "type": "array", "items": { "type": "object" } },
    }));
    // Helm adds what charts around this one share.
    schema["properties"]["global"] = json!({ "type": "object" });
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema
}
