//! Which parameters matter? Their shares of the variance as bars.

use std::fmt::Write as _;

use super::super::html::text::{escape, grouped};
use super::area::instead;
use super::slices::percent;
use super::told::Told;
use crate::sweep::importance::{Importance, TRIALS};

/// So many pairs are listed at most.
const PAIRS: usize = 5;
/// Pairs with less are not listed.
const LEAST: f64 = 0.005;
/// A forest that explains less of what it has not seen is not to be trusted.
const TRUSTED: f64 = 0.3;

/// A card for each objective.
pub(super) fn draw(told: &Told) -> String {
    let cards: Vec<String> = (0..told.goals.len())
        .map(|objective| {
            let title = match told.goals.len() {
                1 => "Importance".to_owned(),
                _ => format!("Importance for {}", told.goals[objective].name),
            };
            match told.importance.get(objective).and_then(Option::as_ref) {
                Some(importance) => card(told, importance, &title),
                None => instead(&title, &missing(told)),
            }
        })
        .collect();
    if cards.is_empty() { String::new() } else { format!("<div class=\"split\">{}</div>", cards.concat()) }
}

fn missing(told: &Told) -> String {
    match told.ranked.len() {
        _ if told.axes.is_empty() => "Nothing is varied.".into(),
        few if few < TRIALS => {
            format!(
                "What matters is told from {TRIALS} complete trials on; there {}.",
                match few {
                    0 => "are none yet".to_owned(),
                    1 => "is 1 so far".to_owned(),
                    _ => format!("are {few} so far"),
                }
            )
        }
        _ => "All complete trials reached the same, so nothing can be told apart.".into(),
    }
}

fn card(told: &Told, importance: &Importance, title: &str) -> String {
    let mut shares: Vec<(usize, f64)> =
        importance.dimensions.iter().map(|dimension| dimension.share).enumerate().collect();
    shares.sort_by(|a, b| b.1.total_cmp(&a.1));
    let most = shares.first().map_or(1.0, |(_, share)| share.max(f64::MIN_POSITIVE));
    let mut html = format!(
        "<div class=\"card scroll\"><table class=\"shares\"><caption>{}: the share of the variance that each parameter explains.</caption>\
         <thead><tr><th scope=\"col\">Parameter</th><td></td><th scope=\"col\" class=\"n\">Share</th></tr></thead><tbody>",
        escape(title)
    );
    for &(axis, share) in &shares {
        let Some(axis) = told.axes.get(axis) else { continue };
        html += &row(&escape(&axis.short), &escape(&axis.name), share, most, "");
    }
    let alone: f64 = shares.iter().map(|(_, share)| share).sum();
    let pairs = importance.pairs.iter().take(PAIRS).filter(|pair| pair.share >= LEAST);
    let named: Vec<_> = pairs
        .filter_map(|pair| Some((told.axes.get(pair.dimensions.0)?, told.axes.get(pair.dimensions.1)?, pair.share)))
        .collect();
    for (first, second, share) in &named {
        let short = format!("{} <span class=\"with\">with</span> {}", escape(&first.short), escape(&second.short));
        html += &row(&short, &escape(&format!("{} with {}", first.name, second.name)), *share, most, "pair");
    }
    let rest = (1.0 - alone - named.iter().map(|(.., share)| share).sum::<f64>()).max(0.0);
    html += &row("everything else together", "smaller pairs, and what lies in three or more", rest, most, "rest");
    html += "</tbody></table>";
    let explained = importance.explained;
    let _ = write!(
        html,
        "<p class=\"why\">fANOVA from {} complete trials. Its forest explains {} of what it has not seen{}</p></div>",
        grouped(importance.trials as f64),
        percent(explained.max(0.0)),
        if explained < TRUSTED { ", which is little: more trials may change the order." } else { "." }
    );
    html
}

/// Both texts are HTML.
fn row(name: &str, full: &str, share: f64, most: f64, class: &str) -> String {
    format!(
        "<tr class=\"{class}\"><th scope=\"row\" title=\"{full}\">{name}</th><td class=\"bar\"><i style=\"width:{:.1}%\"></i></td>\
         <td class=\"n\">{}</td></tr>",
        (share / most * 100.0).clamp(0.0, 100.0),
        percent(share)
    )
}
