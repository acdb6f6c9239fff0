//! Which functions are searchers judged on? Those of the literature (Surjanovic and Bingham, "Virtual Library of Simulation Experiments"), whose
//! least values are known, and one with choices and parameters that do not always count. `tests/peers/sweep_quality.py` defines the same.

use std::collections::BTreeMap;
use std::f64::consts::{E, PI, TAU};

use serde_json::Value;

use super::{cube, dimensions};
use crate::sweep::dimensions::Dimensions;

/// A function of settings.
pub(super) struct Function {
    pub(super) name: &'static str,
    /// Its space, as it is written.
    space: fn() -> String,
    /// Its losses, more than one where there are several objectives.
    losses: fn(&Values) -> Vec<f64>,
}

/// The values of settings.
pub(super) struct Values(BTreeMap<String, Value>);

impl Values {
    fn number(&self, address: &str) -> f64 {
        self.0[address].as_f64().unwrap()
    }

    fn word(&self, address: &str) -> &str {
        self.0[address].as_str().unwrap()
    }

    /// x0, x1, and so on.
    fn numbers(&self) -> Vec<f64> {
        self.0.values().map(|value| value.as_f64().unwrap()).collect()
    }
}

impl Function {
    pub(super) fn dimensions(&self) -> Dimensions {
        dimensions(&(self.space)())
    }

    pub(super) fn losses(&self, dimensions: &Dimensions, point: &[Option<f64>]) -> Vec<f64> {
        (self.losses)(&Values(dimensions.settings(point).into_iter().collect()))
    }
}

/// Those with one loss.
pub(super) const SINGLE: &[Function] = &[
    Function { name: "branin", space: || PLANE.into(), losses: |v| vec![branin(v)] },
    Function { name: "hartmann3", space: || cube(3, 0.0, 1.0), losses: |v| vec![hartmann(v, &WIDTHS_3, &PEAKS_3)] },
    Function { name: "hartmann6", space: || cube(6, 0.0, 1.0), losses: |v| vec![hartmann(v, &WIDTHS_6, &PEAKS_6)] },
    Function { name: "rosenbrock4", space: || cube(4, -2.048, 2.048), losses: |v| vec![rosenbrock(v)] },
    Function { name: "ackley5", space: || cube(5, -5.0, 10.0), losses: |v| vec![ackley(v)] },
    Function { name: "conditional", space: || CONDITIONAL.into(), losses: |v| vec![conditional(v)] },
];

/// The first one by steps.
pub(super) const STEPS: Function =
    Function { name: "branin_grid", space: || PLANE.replace(" }", ", step = 1.5 }"), losses: |v| vec![branin(v)] };

/// One with two losses.
pub(super) const TWO: Function = Function { name: "zdt1", space: || cube(5, 0.0, 1.0), losses: zdt1 };

const PLANE: &str = "x = { low = -5.0, high = 10.0 }\ny = { low = 0.0, high = 15.0 }";

fn branin(v: &Values) -> f64 {
    let (x, y) = (v.number("x"), v.number("y"));
    let (b, c, t) = (5.1 / (4.0 * PI * PI), 5.0 / PI, 1.0 / (8.0 * PI));
    (y - b * x * x + c * x - 6.0).powi(2) + 10.0 * (1.0 - t) * x.cos() + 10.0
}

const WIDTHS_3: [[f64; 3]; 4] = [[3.0, 10.0, 30.0], [0.1, 10.0, 35.0], [3.0, 10.0, 30.0], [0.1, 10.0, 35.0]];
const PEAKS_3: [[f64; 3]; 4] =
    [[0.3689, 0.1170, 0.2673], [0.4699, 0.4387, 0.7470], [0.1091, 0.8732, 0.5547], [0.0381, 0.5743, 0.8828]];
const WIDTHS_6: [[f64; 6]; 4] = [
    [10.0, 3.0, 17.0, 3.5, 1.7, 8.0],
    [0.05, 10.0, 17.0, 0.1, 8.0, 14.0],
    [3.0, 3.5, 1.7, 10.0, 17.0, 8.0],
    [17.0, 8.0, 0.05, 10.0, 0.1, 14.0],
];
const PEAKS_6: [[f64; 6]; 4] = [
    [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
    [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
    [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
    [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
];

fn hartmann<const N: usize>(v: &Values, widths: &[[f64; N]; 4], peaks: &[[f64; N]; 4]) -> f64 {
    let x = v.numbers();
    let heights = [1.0, 1.2, 3.0, 3.2];
    let peak = |k: usize| (0..N).map(|d| widths[k][d] * (x[d] - peaks[k][d]).powi(2)).sum::<f64>();
    -(0..4).map(|k| heights[k] * (-peak(k)).exp()).sum::<f64>()
}

fn rosenbrock(v: &Values) -> f64 {
    v.numbers().windows(2).map(|x| 100.0 * (x[1] - x[0] * x[0]).powi(2) + (1.0 - x[0]).powi(2)).sum()
}

fn ackley(v: &Values) -> f64 {
    let x = v.numbers();
    let n = x.len() as f64;
    let near = 20.0 * (-0.2 * (x.iter().map(|x| x * x).sum::<f64>() / n).sqrt()).exp();
    20.0 + E - near - (x.iter().map(|x| (TAU * x).cos()).sum::<f64>() / n).exp()
}

const CONDITIONAL: &str = r#"
    penalty = { low = 1e-6, high = 1e-1, log = true }
    arm = { choices = ["smooth", "rough"] }
    rate = { low = 1e-4, high = 1.0, log = true, when = { arm = "smooth" } }
    momentum = { low = 0.0, high = 0.99, when = { arm = "smooth" } }
    depth = { low = 1, high = 12, when = { arm = "rough" } }
    leaf = { choices = ["a", "b", "c"], when = { arm = "rough" } }
    shrink = { low = 0.0, high = 1.0, step = 0.05, when = { arm = "rough" } }
"#;

/// Two arms with parameters of their own, of which the second is a little better.
fn conditional(v: &Values) -> f64 {
    let loss = 0.05 * (v.number("penalty").log10() + 3.5).powi(2);
    if v.word("arm") == "smooth" {
        let rate = 0.1 * (v.number("rate").log10() + 2.2).powi(2);
        return loss + 0.15 + rate + 0.5 * (v.number("momentum") - 0.8).powi(2);
    }
    let leaf = match v.word("leaf") {
        "a" => 0.2,
        "b" => 0.0,
        _ => 0.1,
    };
    loss + 0.1 + 0.02 * (v.number("depth") - 7.0).abs() + leaf + (v.number("shrink") - 0.35).powi(2)
}

/// The first test function of Zitzler, Deb and Thiele ("Comparison of Multiobjective Evolutionary Algorithms", 2000), in five dimensions: its front
/// is y = 1 - sqrt(x).
fn zdt1(v: &Values) -> Vec<f64> {
    let x = v.numbers();
    let g = 1.0 + 9.0 * x[1..].iter().sum::<f64>() / (x.len() as f64 - 1.0);
    vec![x[0], g * (1.0 - (x[0] / g).sqrt())]
}

#[test]
fn least_values_are_those_of_the_literature() {
    let at = |name: &str, settings: &[(&str, Value)]| {
        let function = SINGLE.iter().find(|function| function.name == name).unwrap();
        let settings: BTreeMap<String, Value> = settings.iter().map(|(a, v)| ((*a).to_owned(), v.clone())).collect();
        let dimensions = function.dimensions();
        function.losses(&dimensions, &dimensions.point(&settings).unwrap())[0]
    };
    let middle = |name: &str, x: &[f64]| {
        let names: Vec<String> = (0..x.len()).map(|k| format!("x{k}")).collect();
        at(name, &names.iter().zip(x).map(|(name, x)| (name.as_str(), Value::from(*x))).collect::<Vec<_>>())
    };
    for (x, y) in [(-PI, 12.275), (PI, 2.275), (9.424_78, 2.475)] {
        assert!((at("branin", &[("x", x.into()), ("y", y.into())]) - 0.397_887).abs() < 1e-6);
    }
    assert!((middle("hartmann3", &[0.114_614, 0.555_649, 0.852_547]) + 3.862_78).abs() < 1e-5);
    assert!(
        (middle("hartmann6", &[0.201_69, 0.150_011, 0.476_874, 0.275_332, 0.311_652, 0.657_3]) + 3.322_37).abs() < 1e-5
    );
    assert!(middle("rosenbrock4", &[1.0; 4]).abs() < 1e-20);
    assert!(middle("ackley5", &[0.0; 5]).abs() < 1e-12);
    let rough = [
        ("penalty", Value::from(10_f64.powf(-3.5))),
        ("arm", "rough".into()),
        ("depth", 7.into()),
        ("leaf", "b".into()),
        ("shrink", 0.35.into()),
    ];
    assert!((at("conditional", &rough) - 0.1).abs() < 1e-12);
    let front = TWO.losses(&TWO.dimensions(), &[Some(0.25), Some(0.0), Some(0.0), Some(0.0), Some(0.0)]);
    assert_eq!(front, [0.25, 0.5]);
    assert_eq!(STEPS.dimensions().all[0].kind.exact(0.0), 0.5 / 11.0);
}
