//! What do a hundred small trees say, each of which learnt what those before it got wrong?
//!
//! Gradient boosting of squared errors (`LS_Boost` of Friedman, "Greedy Function Approximation", 2001) by smartcore. Of classes the
//! chance of each is learnt as a number, 1 where it is the right one and 0 elsewhere, whose best guess by squared error is its
//! probability; they are brought to a sum of 1.

use burn::tensor::Device;
use smartcore::linalg::basic::matrix::DenseMatrix;
use smartcore::xgboost::{XGRegressor, XGRegressorParameters};

use super::{Learnt, Table, Told, classes, failed, features, matrix, score, values};
use crate::{Error, Plan};

/// One line for lists.
pub const SUMMARY: &str = "100 small trees, each of which learns what those before it got wrong";

/// How many trees there are.
const TREES: usize = 100;
/// How much of what a tree says is believed.
const RATE: f64 = 0.1;
/// How many questions a tree asks one after the other.
const DEPTH: u16 = 3;
/// How many rows a leaf has at least.
const LEAST: usize = 5;
/// Numbers that the trees are fitted on at most, over all rows, columns and classes: sorting more takes minutes.
const MOST_NUMBERS: usize = 20_000_000;

type Trees = XGRegressor<f64, f64, DenseMatrix<f64>, Vec<f64>>;

fn grow(rows: &DenseMatrix<f64>, told: &Vec<f64>) -> Result<Trees, Error> {
    let parameters = XGRegressorParameters::default()
        .with_n_estimators(TREES)
        .with_learning_rate(RATE)
        .with_max_depth(DEPTH)
        .with_min_child_weight(LEAST)
        // As Friedman has it: a leaf says the mean of what is left in it.
        .with_lambda(0.0)
        .with_gamma(0.0)
        .with_subsample(1.0)
        .with_base_score(told.iter().sum::<f64>() / told.len().max(1) as f64);
    XGRegressor::fit(rows, told, parameters).map_err(|error| failed("boosted", error))
}

/// Grows the trees.
pub(super) fn learn(table: &Table, plan: &Plan, device: &Device) -> Result<Learnt, Error> {
    let rows = table.matrix("boosted")?;
    let (signature, device, width) = (plan.signature.clone(), device.clone(), table.width);
    let answer: super::Answer = match &table.told {
        Told::Classes(told, count) => {
            let (count, decoding) = (*count, plan.loss.decoding());
            // Of two classes one says it all.
            let learnt = if count == 2 { 1..2 } else { 0..count };
            let numbers = table.numbers.len().saturating_mul(learnt.len());
            if numbers > MOST_NUMBERS {
                let reason = format!("{} rows, {width} columns and {count} classes would take minutes", table.rows);
                return Err(failed("boosted", reason));
            }
            let chance = |class: usize| told.iter().map(|&t| f64::from(u8::from(t as usize == class))).collect();
            let forests: Vec<Trees> = learnt.map(|class| grow(&rows, &chance(class))).collect::<Result<_, _>>()?;
            let least = 0.5 / table.rows.max(1) as f64;
            Box::new(move |batch| {
                let rows = matrix(features(batch, &signature)?, width, "boosted")?;
                let told = forests.iter().map(|trees| trees.predict(&rows).map_err(|error| failed("boosted", error)));
                let told: Vec<Vec<f64>> = told.collect::<Result<_, _>>()?;
                let scores = (0..batch.len()).flat_map(|row| {
                    let of_class = |class: usize| match count {
                        2 if class == 0 => 1.0 - told[0][row],
                        2 => told[0][row],
                        _ => told[class][row],
                    };
                    let chances: Vec<f64> = (0..count).map(|class| of_class(class).clamp(least, 1.0 - least)).collect();
                    let sum: f64 = chances.iter().sum();
                    chances.into_iter().map(move |chance| score(chance / sum, decoding)).collect::<Vec<f32>>()
                });
                Ok(classes(scores.collect(), count, &device))
            })
        }
        Told::Values(told) => {
            let trees = grow(&rows, told)?;
            Box::new(move |batch| {
                let rows = matrix(features(batch, &signature)?, width, "boosted")?;
                let told = trees.predict(&rows).map_err(|error| failed("boosted", error))?;
                Ok(values(told.into_iter().map(|value| value as f32).collect(), &device))
            })
        }
    };
    Ok(Learnt { answer, parameters: None })
}
