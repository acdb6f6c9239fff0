//! Is speed measured, and does the number of threads change nothing but that?

use crate::sandbox::{Sandbox, run};

#[test]
fn speed_is_measured_by_workload() {
    let json = run(["bench", "--workload", "mlp", "--seconds", "0.1", "--json"]).expect(0).json();
    let above_nothing = |value: &serde_json::Value| value.as_f64().unwrap() > 0.0;
    assert!(above_nothing(&json["mlp"]["steps_per_second"]), "{json}");
    let latency = &json["mlp"]["latency"];
    assert!(above_nothing(&latency["median"]) && latency["p99"].as_f64() >= latency["median"].as_f64(), "{json}");
    // Several are measured in processes of their own.
    let json = run(["bench", "--workload", "mlp,cnn,mlp", "--seconds", "0.1", "--json"]).expect(0).json();
    assert!(["mlp", "cnn"].iter().all(|name| above_nothing(&json[name]["steps_per_second"])), "{json}");
    run(["bench", "--workload", "mpl"]).refused(2, &["`mpl`", "mlp"]);
    run(["bench", "--workload", "mlp", "--seconds", "nan"]).refused(2, &["--seconds"]);
}

#[test]
fn speed_of_reading_photographs_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..64 {
        let class = folder.path().join(["a", "b"][number % 2]);
        std::fs::create_dir_all(&class).unwrap();
        std::fs::write(class.join(format!("{number}.png")), PIXEL).unwrap();
    }
    let path = folder.path().to_str().unwrap();
    let json = run(["bench", "data", path, "--threads", "1", "--seconds", "0.1", "--json"]).expect(0).json();
    assert!(json["images_per_second"][0].as_f64().unwrap() > 0.0 && json["images"] == 64, "{json}");
    assert!(run(["bench", "data", path, "--seconds", "0.1"]).expect(0).stdout.contains("64 images by"));
    run(["bench", "data", path, "--seconds", "0"]).refused(2, &["--seconds"]);
    run(["bench", "data", "/nowhere"]).refused(2, &["/nowhere"]);
    let both = run(["bench", "--workload", "mlp", "data", path]).expect(2);
    assert!(both.stderr.contains("--workload"), "{}", both.stderr);
}

/// A PNG of one red pixel.
#[rustfmt::skip]
const PIXEL: &[u8] = &[
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52,
    0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x02, 0x00, 0x00, 0x00, 0x90, 0x77, 0x53,
    0xde, 0x00, 0x00, 0x00, 0x0c, 0x49, 0x44, 0x41, 0x54, 0x78, 0x9c, 0x63, 0xf8, 0xcf, 0xc0, 0x00,
    0x00, 0x03, 0x01, 0x01, 0x00, 0xc9, 0xfe, 0x92, 0xef, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e,
    0x44, 0xae, 0x42, 0x60, 0x82,
];

#[test]
fn the_time_of_a_step_is_told_phase_by_phase() {
    let sandbox = Sandbox::new();
    let told = sandbox.run("bench train config.toml --seconds 0.2 --json").succeeded().json();
    let phases = told["phases"].as_object().unwrap();
    assert_eq!(phases.keys().collect::<Vec<_>>(), ["wait", "copy", "forward", "backward", "update"]);
    let known: f64 = phases.values().map(|milliseconds| milliseconds.as_f64().unwrap()).sum();
    let whole = 1e3 * told["seconds"].as_f64().unwrap() / told["steps"].as_f64().unwrap();
    assert!(known > 0.5 * whole && known <= whole, "{known} of {whole}");
    let text = sandbox.run("bench train config.toml --seconds 0.2").succeeded().stdout;
    assert!(["wait", "forward", "read back", "all", "100 %"].iter().all(|word| text.contains(word)), "{text}");
    sandbox.run("bench train config.toml --seconds 0").refused(2, &["--seconds"]);
    sandbox.run("bench train nowhere.toml").refused(2, &["nowhere.toml"]);
}

#[test]
fn any_number_of_threads_gives_the_same_losses_and_is_told() {
    let sandbox = Sandbox::new();
    let losses = |run: &str, threads: u64| {
        sandbox
            .run(&format!("train config.toml --run {run} --threads {threads} --set train.record_every=1"))
            .succeeded();
        let environment = std::fs::read(sandbox.path(&format!("{run}/environment.json"))).unwrap();
        let environment: serde_json::Value = serde_json::from_slice(&environment).unwrap();
        assert_eq!(environment["threads"], threads);
        let progress = sandbox.history(run).progress;
        assert!(progress.iter().all(|progress| (0.0..=1.0).contains(&progress.waiting.unwrap())), "{progress:?}");
        progress.iter().map(|progress| progress.loss).collect::<Vec<_>>()
    };
    assert_eq!(losses("one", 1), losses("three", 3));
    assert!(sandbox.run("train config.toml --threads 0").expect(2).stderr.contains("--threads"));
}
