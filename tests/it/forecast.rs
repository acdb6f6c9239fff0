//! Does a series go from a file to forecasts, and are they judged as by hand?

use serde_json::Value;

use crate::sandbox::{Sandbox, repository, run, shipped};

const CONFIG: &str = "co2_patch_tst";
const LENGTH: usize = 24;
const HORIZON: usize = 12;
const SEASON: usize = 12;
/// Windows of the test split, the last ones of all.
const TEST: usize = 65;

/// The concentrations of all months.
fn months() -> Vec<f64> {
    let text = std::fs::read_to_string(repository().join("datasets/co2/co2.csv")).unwrap();
    text.lines().skip(1).map(|line| line.split(',').nth(2).unwrap().parse().unwrap()).collect()
}

#[test]
fn every_coming_month_is_told_by_quantiles_and_judged_as_by_hand() {
    let sandbox = Sandbox::empty();
    let (config, place) = (shipped(CONFIG), sandbox.path("r"));
    let place = place.to_str().unwrap();
    run(["train", config.to_str().unwrap(), "--run", place, "--device", "cpu", "--set", "train.steps=40"]).succeeded();
    let file = repository().join("datasets/co2/co2.csv");
    let predict = |model: &str| run(["predict", model, file.to_str().unwrap(), "--json"]).expect(0).json();
    let answers = predict(place);
    let answers = answers.as_array().unwrap();
    let months = months();
    // Every two years of the file, those at its end too, behind which nothing is known.
    assert_eq!(answers.len(), months.len() - LENGTH + 1);
    assert_eq!(predict(&format!("{place}@best")).as_array().unwrap(), answers);
    assert_eq!(answers[0]["scores"][0][0], "co2+1 at 0.1");
    assert_eq!(answers[0]["scores"][3 * HORIZON - 1][0], "co2+12 at 0.9");

    let windows = months.len() - LENGTH - HORIZON + 1;
    let (mut mae, mut inside, mut pinball, mut mase) = (0.0, 0.0, 0.0, 0.0);
    for start in windows - TEST..windows {
        let told: Vec<f64> =
            answers[start]["scores"].as_array().unwrap().iter().map(|score| score[1].as_f64().unwrap()).collect();
        let known = &months[start..start + LENGTH];
        let naive = (SEASON..LENGTH).map(|k| (known[k] - known[k - SEASON]).abs()).sum::<f64>();
        let naive = naive / (LENGTH - SEASON) as f64;
        for (step, truth) in months[start + LENGTH..][..HORIZON].iter().enumerate() {
            let quantiles = &told[3 * step..3 * step + 3];
            assert!(quantiles.is_sorted(), "{quantiles:?}");
            mae += (truth - quantiles[1]).abs();
            mase += (truth - quantiles[1]).abs() / naive;
            inside += f64::from(u8::from(quantiles[0] <= *truth && *truth <= quantiles[2]));
            for (quantile, level) in quantiles.iter().zip([0.1, 0.5, 0.9]) {
                pinball += f64::max(level * (truth - quantile), (level - 1.0) * (truth - quantile)) / 3.0;
            }
        }
    }
    let judged = run(["evaluate", place, "--json"]).expect(0).json();
    assert_eq!(judged["examples"], TEST);
    let count = (TEST * HORIZON) as f64;
    for (name, sum) in [("mae", mae), ("mase", mase), ("coverage", inside), ("pinball", pinball)] {
        let found = judged[format!("test_{name}")].as_f64().unwrap();
        assert!((found - sum / count).abs() < 1e-4 * (sum / count), "{name}: {found}, by hand {}", sum / count);
    }
}

#[test]
fn one_number_a_step_is_told_where_no_quantiles_are_asked_for() {
    let sandbox = Sandbox::empty();
    sandbox.write("c.toml", without_quantiles());
    let trained = sandbox.run("train c.toml --run r --device cpu --set train.steps=20 --json").succeeded().json();
    assert!(trained["test_mae"].as_f64().unwrap() > 0.0 && trained["test_coverage"] == Value::Null, "{trained}");
    let file = repository().join("datasets/co2/co2.csv");
    let text = sandbox.run(&format!("predict r {}", file.display())).expect(0).stdout;
    assert_eq!(text.lines().count(), months().len() - LENGTH + 1);
    assert!(text.lines().all(|line| line.contains("co2+1 ") && line.contains("co2+12 ") && !line.contains(" at ")));
}

/// The shipped config with the card wherever it is, and a single number a step.
fn without_quantiles() -> String {
    let text = std::fs::read_to_string(shipped(CONFIG)).unwrap();
    let card = repository().join("datasets/co2");
    let text = text.replace("datasets/co2", card.to_str().unwrap());
    let quantiles = "quantiles = [0.1, 0.5, 0.9]\n";
    assert!(text.contains(quantiles));
    text.replace(quantiles, "")
}

#[test]
fn forecasts_that_cannot_be_meant_are_refused() {
    let sandbox = Sandbox::empty();
    let plain = without_quantiles();
    let with = |line: &str| plain.replace("season = 12\n", &format!("season = 12\n{line}\n"));
    let network = |name: &str| plain.replace("[model.patch_tst]\n", name);
    for (text, word) in [
        (plain.replace("horizon = 12", "horizon = 0"), "data.windows.horizon"),
        (plain.replace("season = 12", "season = 25"), "24 steps are known"),
        (with("quantiles = [0.9, 0.1]"), "must ascend"),
        (with("quantiles = [0.0, 0.5]"), "must ascend"),
        (format!("{}\n[loss.mse]\n", with("quantiles = [0.5]")), "cannot judge quantiles"),
        (format!("{plain}\n[loss.quantile]\n"), "without `quantiles`"),
        (format!("{plain}\n[loss.cross_entropy]\n"), "cannot judge a forecast"),
        (network("[model.patch_tst]\npatch = 25"), "does not fit into 24 known steps"),
        (network("[model.tcn]\nkernel = 25"), "does not fit into 24 steps"),
        (network("[model.gru]"), "text feature"),
    ] {
        sandbox.write("c.toml", &text);
        let said = sandbox.run("train c.toml --run r --device cpu").expect(2).stderr;
        assert!(said.contains(word), "{word}: {said}");
    }
}
