//! Does a chart hold the same objects as the file for Kubernetes, once its values stand in them?

use super::*;
use crate::deploy::plan::tests::{bundle, full};

/// What an expression gives for a release that is called as the model is, with the values of the chart.
fn given(expression: &str, deployment: &Deployment, plain: &Value) -> Value {
    let resources = deployment.resources();
    match expression {
        ".Release.Name" => json!(deployment.name),
        ".Chart.AppVersion" => json!(deployment.version),
        ".Values.image" => json!(deployment.image),
        ".Values.threads | toString" => json!(resources.threads.to_string()),
        ".Values.resourcesOrigin" => json!(resources.origin),
        ".Values.replicas.min" => json!(deployment.replicas.min),
        ".Values.replicas.max" => json!(deployment.replicas.max),
        ".Values.replicas.busyPercent" => json!(kubernetes::BUSY),
        ".Values.service.port" => json!(80),
        ".Values.service.type" => json!("ClusterIP"),
        ".Values.resources" => plain.clone(),
        other => panic!("`{other}` is an expression that this test does not know"),
    }
}

#[test]
fn a_chart_holds_the_objects_of_kubernetes() {
    let folder = bundle("server");
    let deployment = full(folder.path());
    let resources = kubernetes::container(&deployment, "", "")["resources"].clone();
    let mut marks = Marks::default();
    let mut all = objects(&deployment, &mut marks);
    for object in &mut all {
        let labels = object["metadata"]["labels"].as_object_mut().unwrap();
        assert!(labels.shift_remove("helm.sh/chart").is_some());
        assert!(labels.shift_remove("app.kubernetes.io/managed-by").is_some());
        if object["kind"] == "Deployment" {
            for (pointer, key, ..) in OPTIONAL {
                // Their values are empty, and so they are not there.
                object.pointer_mut(pointer).unwrap().as_object_mut().unwrap().shift_remove(*key).unwrap();
            }
        }
        replace(object, &mut |text| marks.meant(text).map(|(meant, _)| given(meant, &deployment, &resources)));
    }
    assert_eq!(all, kubernetes::manifests(&deployment));
}

#[test]
fn every_place_of_a_value_is_there() {
    let folder = bundle("penguins");
    let deployment = full(folder.path());
    let all = kubernetes::manifests(&deployment);
    for (kind, pointer, _) in PLACES {
        let object = all.iter().find(|one| one["kind"] == *kind).unwrap();
        assert!(object.pointer(pointer).is_some(), "{kind} has no {pointer}");
    }
    for (kind, _) in CONDITIONS {
        assert!(all.iter().any(|one| one["kind"] == *kind), "{kind}");
    }
}

#[test]
fn templates_hold_no_marks_and_ask_for_values_that_the_schema_knows() {
    let folder = bundle("penguins");
    let deployment = full(folder.path());
    let schema = values::schema();
    let mut asked = 0;
    let mut texts = templates(&deployment).unwrap();
    texts.push(("NOTES.txt".into(), notes(&deployment)));
    for (file, text) in &texts {
        assert!(!text.contains("FIREBOX-"), "{file}: {text}");
        for path in text.split(".Values.").skip(1) {
            let path = path.split(|c: char| !c.is_ascii_alphanumeric() && c != '.').next().unwrap();
            let pointer: String = path.split('.').flat_map(|part| ["/properties/", part]).collect();
            assert!(schema.pointer(&pointer).is_some(), "{file} asks for {path}");
            asked += 1;
        }
        assert_eq!(text.matches("{{").count(), text.matches("}}").count(), "{file}");
    }
    assert!(asked > 15, "{asked}");
    let names: Vec<&str> = texts.iter().map(|(file, _)| file.as_str()).collect();
    assert_eq!(
        names,
        [
            "serviceaccount.yaml",
            "networkpolicy.yaml",
            "service.yaml",
            "deployment.yaml",
            "poddisruptionbudget.yaml",
            "horizontalpodautoscaler.yaml",
            "NOTES.txt"
        ]
    );
    for key in schema["properties"].as_object().unwrap().keys().filter(|key| *key != "global") {
        assert!(values::text(&deployment).lines().any(|line| line.starts_with(&format!("{key}:"))), "{key}");
    }
}
