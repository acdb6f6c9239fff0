//! Manifests for `tests/peers/sweep_kubernetes.sh`, which shows them to those who are to take them.

use super::manifest::{Mount, Needs};
use super::{katib, kubeflow, kubernetes};
use crate::sweep::interchange::tests::Sample;

#[test]
fn manifests_are_written_for_those_who_take_them() {
    let given = std::env::var_os("FIREBOX_MANIFESTS_OUT").map(std::path::PathBuf::from);
    let made = tempfile::tempdir().unwrap();
    let folder = given.unwrap_or_else(|| made.path().to_owned());
    let write = |name: &str, text: String| std::fs::write(folder.join(name), text).unwrap();

    let study = "postgres://me:s3cret@db.example.org/sweeps#penguins";
    let plain = kubernetes::Workers::new("penguins", study, 2, "firebox:1");
    write("kubernetes-plain.yaml", kubernetes::yaml(&plain).unwrap());
    let data = Mount { claim: "data".into(), path: "/data".into(), read_only: true };
    let needs = Needs {
        cpu: "3500m".into(),
        memory: "12Gi".into(),
        gpus: 1,
        mounts: vec![data],
        pull_secret: Some("registry".into()),
        namespace: Some("lab".into()),
        ..Needs::of("registry.example.org/firebox:1.0")
    };
    let full = kubernetes::Workers {
        name: "Sweep of Penguins & Others, which has a name that is much too long for Kubernetes".into(),
        device: Some("vulkan".into()),
        needs: needs.clone(),
        runs: Some("50Gi".into()),
        storage_class: Some("shared".into()),
        ..kubernetes::Workers::new("", study, 8, "")
    };
    write("kubernetes-full.yaml", kubernetes::yaml(&full).unwrap());

    let experiment = katib::Experiment {
        config: "# A config: with signs ${x} and \"quotes\".\n[model.mlp]\n".into(),
        settings: vec!["data.card=/data/penguins".into()],
        device: None,
        parallel: 3,
        needs: needs.clone(),
    };
    let two = "objectives = [\"loss\", \"accuracy\", \"seconds\"]\ntarget = 0.1\n[searcher.sobol]\n[space]\n\
        \"a.rate\" = { low = 1, high = 9, step = 2 }\n\"a_rate\" = { choices = [0.5, 1, 2] }\n\"c\" = { choices = [true, [1, 2], \"x y\"] }";
    for (name, sample) in [("one", Sample::new()), ("two", Sample::of(two))] {
        write(&format!("katib-{name}.yaml"), katib::yaml(sample.view(), &experiment).unwrap().0);
    }

    let pipeline = kubeflow::Pipeline {
        name: "penguins".into(),
        config: "/work/penguins.toml".into(),
        trials: 50,
        workers: 2,
        device: Some("vulkan".into()),
        claim: "work".into(),
        needs,
    };
    write("kubeflow-full.yaml", kubeflow::yaml(&pipeline).unwrap());
    let pipeline = kubeflow::Pipeline { device: None, needs: Needs::of("firebox:1"), ..pipeline };
    write("kubeflow-plain.yaml", kubeflow::yaml(&pipeline).unwrap());
}
