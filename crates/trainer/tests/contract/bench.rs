//! Can every workload be measured?

use model_zoo::device;
use trainer::bench::{WORKLOADS, Workload, run};

#[test]
fn every_workload_is_listed_under_its_name_and_can_be_measured() {
    let names: Vec<&str> = WORKLOADS.iter().map(|(_, entry)| entry.name).collect();
    assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
    // As `tests/peers/bench_pytorch.py` prints them.
    let parameters = [("cnn", 1_625_866), ("gpt", 826_433), ("mlp", 669_706), ("resnet", 272_474)];
    let cpu = device::open("cpu").unwrap();
    for ((workload, entry), (name, count)) in WORKLOADS.iter().zip(parameters) {
        assert_eq!((entry.name, workload.name(), Workload::named(entry.name)), (name, name, Some(*workload)));
        // No time at all is time for one step, and a time that is no number is no time.
        let measured = run(*workload, &cpu, if name == "mlp" { f64::NAN } else { 0.0 }).unwrap();
        assert_eq!((measured.workload.as_str(), measured.parameters, measured.steps), (name, count, 1));
        let rate = measured.examples_per_second / measured.batch_size as f64;
        assert!(measured.steps_per_second > 0.0 && (rate / measured.steps_per_second - 1.0).abs() < 1e-9);
    }
    assert_eq!(Workload::named("resnet50"), None);
}
