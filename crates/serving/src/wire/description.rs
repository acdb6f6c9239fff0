//! What is said of a model to whoever wants to ask it, and of the server's addresses to programs?

use data_loader::{FeatureKind, OutputSpec, Task};
use serde_json::{Map, Value, json};

use super::metadata::{inputs, outputs};
use crate::registry::Version;

/// What a model takes at the address of its task.
fn takes(version: &Version) -> &'static str {
    let schema = version.schema();
    let shown = !matches!(version.signature().output, OutputSpec::Mask { .. } | OutputSpec::Embedding { .. });
    match schema.features.0.as_slice() {
        _ if version.signature().task == Task::Generate => "prompt",
        _ if schema.windows.is_some() || !shown => "tensors",
        [] => "tensors",
        [(_, FeatureKind::Image)] => "image",
        _ => "records",
    }
}

/// What transforms learnt of each column: the words of a category, and what stands for a missing value.
fn learnt(version: &Version) -> (Map<String, Value>, Map<String, Value>) {
    let (mut choices, mut typical) = (Map::new(), Map::new());
    let written = serde_json::to_value(version.meaning.pipeline()).unwrap_or_default();
    let transforms = written.get("transforms").and_then(Value::as_array).cloned().unwrap_or_default();
    // A transform stands under its name.
    let each = transforms.iter().filter_map(Value::as_object).flat_map(Map::iter);
    for (kind, learnt) in each {
        for (key, value) in learnt.as_object().into_iter().flatten() {
            match (kind.as_str(), key.as_str(), value.as_object()) {
                (_, "categories", Some(columns)) => choices.extend(columns.clone()),
                ("impute", _, Some(columns)) => typical.extend(columns.clone()),
                _ => {}
            }
        }
    }
    (choices, typical)
}

/// What is said of a model; `feedback` says whether it is taken.
pub(crate) fn described(version: &Version, feedback: bool) -> Value {
    let (signature, schema, manifest) = (version.signature(), version.schema(), &version.manifest);
    let (choices, typical) = learnt(version);
    let column = |(name, kind): &(String, FeatureKind)| {
        let mut column = json!({ "name": name, "kind": kind.name() });
        for (key, known) in [("choices", &choices), ("typical", &typical)] {
            if let Some(value) = known.get(name) {
                column[key] = value.clone();
            }
        }
        column
    };
    let takes = takes(version);
    let shows = matches!(takes, "image" | "records");
    let mut told = json!({
        "model_name": version.name,
        "model_version": version.id,
        "task": signature.task,
        "takes": takes,
        "columns": schema.features.0.iter().map(column).collect::<Vec<_>>(),
        "inputs": inputs(signature),
        "outputs": outputs(signature),
        "feedback": feedback && shows,
        "explain": shows,
        "card": {
            "name": manifest.name,
            "created_at": manifest.created_at,
            "created_by": manifest.created_by,
            "architecture": manifest.architecture,
            "parameters": manifest.parameters,
            "step": manifest.step,
            "metrics": manifest.metrics,
            "thresholds": manifest.thresholds,
            "data": manifest.lineage,
        },
    });
    if let OutputSpec::Classes { labels } = &signature.output {
        told["labels"] = json!(labels);
    }
    if let (Some(size), "image") = (schema.image, takes) {
        told["image"] = json!({ "channels": size.channels, "height": size.height, "width": size.width });
    }
    told
}

/// The JSON schema of a record.
fn record(version: &Version) -> Value {
    let kind = |kind: FeatureKind| match kind {
        FeatureKind::Number => json!({ "type": ["number", "string", "null"] }),
        FeatureKind::Category | FeatureKind::Date => json!({ "type": ["string", "number", "null"] }),
        FeatureKind::Text => json!({ "type": ["string", "null"] }),
        FeatureKind::Image => json!({ "type": "array", "description": "pixels, plane by plane, from 0 to 255" }),
    };
    let columns = &version.schema().features.0;
    let properties: Map<String, Value> = columns.iter().map(|(name, own)| (name.clone(), kind(*own))).collect();
    let required: Vec<&String> = columns.iter().map(|(name, _)| name).collect();
    json!({ "type": "object", "properties": properties, "required": required })
}

/// Every address, in `OpenAPI` 3.1, with the records of the models that answer.
pub(crate) fn addresses(versions: &[std::sync::Arc<Version>], with_keys: bool) -> Value {
    let content = |kind: &str, schema: Value| json!({ kind: { "schema": schema } });
    let refused = json!({ "description": "refused, with a reason", "content": content("application/json", json!({ "$ref": "#/components/schemas/Refusal" })) });
    let answered = |what: &str, kind: &str, schema: Value| json!({ "200": { "description": what, "content": content(kind, schema) }, "default": refused });
    let named = |path: &str| {
        let parameter =
            |name: &str| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } });
        let names = path.split(['{', '}']).skip(1).step_by(2).map(parameter);
        names.collect::<Vec<_>>()
    };
    let reference = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    let mut paths = Map::new();
    let mut get = |path: &str, what: &str, kind: &str, schema: Value| {
        let own =
            json!({ "get": { "summary": what, "parameters": named(path), "responses": answered(what, kind, schema) } });
        paths.insert(path.to_owned(), own);
    };
    let object = || json!({ "type": "object" });
    for (path, what) in [
        ("/v2", "the server and its extensions"),
        ("/v2/health/live", "whether the server lives"),
        ("/v2/health/ready", "whether every model answers"),
        ("/v2/models", "the names of all models"),
        ("/v2/models/stats", "what all versions did since they were read"),
        ("/v2/models/{model}", "the tensors of a model"),
        ("/v2/models/{model}/ready", "whether a model answers"),
        ("/v2/models/{model}/stats", "what a model did since it was read"),
        ("/v2/models/{model}/versions/{version}", "the tensors of a version"),
        ("/v2/models/{model}/versions/{version}/ready", "whether a version answers"),
        ("/v2/models/{model}/versions/{version}/stats", "what a version did since it was read"),
        ("/describe/{model}", "what a model takes and what is known of it"),
    ] {
        get(path, what, "application/json", object());
    }
    get("/metrics", "counts and latencies, as Prometheus reads them", "text/plain", json!({ "type": "string" }));
    let mut post = |path: &str, what: &str, body: Value, answer: (&str, Value)| {
        let own = json!({ "post": {
            "summary": what,
            "parameters": named(path),
            "requestBody": { "required": true, "content": body },
            "responses": answered(what, answer.0, answer.1),
        } });
        paths.insert(path.to_owned(), own);
    };
    let records = |schema: Value| {
        let many = json!({ "oneOf": [schema, { "type": "array", "items": schema }] });
        json!({
            "application/json": { "schema": many },
            "text/csv": { "schema": { "type": "string" } },
            "text/plain": { "schema": { "type": "string" } },
            "image/png": { "schema": { "type": "string", "contentMediaType": "image/png" } },
            "image/jpeg": { "schema": { "type": "string", "contentMediaType": "image/jpeg" } },
        })
    };
    let json = "application/json";
    post("/predict/{model}", "predictions for records", records(object()), (json, reference("Predictions")));
    for version in versions.iter().filter(|version| matches!(takes(version), "records" | "image")) {
        let (name, what) = (&version.name, format!("predictions of `{}`", version.name));
        post(&format!("/predict/{name}"), &what, records(record(version)), (json, reference("Predictions")));
    }
    post("/explain/{model}", "what speaks for an answer", records(object()), (json, object()));
    post("/generate/{model}", "the continuation of a text", content(json, reference("Prompt")), (json, object()));
    post("/feedback", "what was right", content(json, reference("Feedback")), (json, object()));
    for path in ["/v2/models/{model}/infer", "/v2/models/{model}/versions/{version}/infer"] {
        post(path, "tensors for tensors", content(json, reference("Tensors")), (json, object()));
    }
    for what in ["load", "unload"] {
        let path = format!("/v2/repository/models/{{model}}/{what}");
        post(&path, what, content(json, object()), (json, object()));
    }
    post(
        "/v2/repository/index",
        "every model, and how far it is",
        content(json, object()),
        (json, json!({ "type": "array" })),
    );
    let mut told = json!({
        "openapi": "3.1.0",
        "info": { "title": "Firebox", "version": env!("CARGO_PKG_VERSION") },
        "paths": paths,
        "components": { "schemas": schemas() },
    });
    if with_keys {
        told["components"]["securitySchemes"] = json!({ "key": { "type": "http", "scheme": "bearer" } });
        told["security"] = json!([{ "key": [] }]);
    }
    told
}

fn schemas() -> Value {
    let text = || json!({ "type": "string" });
    json!({
        "Refusal": { "type": "object", "properties": { "error": text(), "hint": text() }, "required": ["error"] },
        "Predictions": { "type": "object", "properties": {
            "model_name": text(), "model_version": text(), "milliseconds": { "type": "number" },
            "predictions": { "type": "array", "items": { "type": "object", "properties": {
                "id": text(), "label": text(),
                "scores": { "type": "array", "items": { "type": "array", "prefixItems": [text(), { "type": "number" }] } },
            } } },
        } },
        "Prompt": { "type": "object", "properties": {
            "prompt": text(), "tokens": { "type": "integer" }, "temperature": { "type": "number" },
            "top_k": { "type": "integer" }, "top_p": { "type": "number" }, "seed": { "type": "integer" },
            "stream": { "type": "boolean" },
        } },
        "Feedback": { "type": "object", "required": ["request_id"], "properties": {
            "request_id": text(), "example": { "type": "integer" }, "label": text(), "value": { "type": "number" }, "comment": text(),
        } },
        "Tensors": { "type": "object", "required": ["inputs"], "properties": { "id": text(), "inputs": {
            "type": "array", "items": { "type": "object", "required": ["name", "datatype", "shape", "data"], "properties": {
                "name": text(), "datatype": text(), "shape": { "type": "array", "items": { "type": "integer" } },
                "data": { "type": "array" },
            } },
        } } },
    })
}
