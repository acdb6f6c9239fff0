//! Which classes does the model confuse? A heat map, or the worst pairs where there are too many classes for one.

use std::fmt::Write;

use super::text::{grouped, label, number, shortened};
use crate::metrics::Matrix;

/// Up to so many classes a heat map can be read.
const DRAWN: usize = 30;

/// So many pairs are listed.
const PAIRS: usize = 20;

/// A confusion: the share and weight of the rows of `expected` that were taken for `predicted`.
struct Pair {
    expected: usize,
    predicted: usize,
    weight: f64,
    share: f64,
}

/// The figure and a sentence about it; nothing without classes.
pub(super) fn draw(matrix: &Matrix) -> String {
    let classes = matrix.labels.len();
    if classes == 0 || !matrix.counts.iter().any(|count| *count > 0.0) {
        return String::new();
    }
    let pairs = worst(matrix);
    let mut html = String::new();
    if pairs.is_empty() {
        html += "<p class=\"lead\">No class was taken for another.</p>";
    } else if classes <= DRAWN {
        let named = pairs.iter().take(3).map(|pair| {
            let (expected, predicted) = (label(&matrix.labels[pair.expected]), label(&matrix.labels[pair.predicted]));
            format!("<b>{expected}</b> as <b>{predicted}</b> ({})", weight(pair.weight))
        });
        let named: Vec<String> = named.collect();
        let _ = write!(html, "<p class=\"lead\">Most often confused: {}.</p>", named.join(", "));
    }
    html += &if classes <= DRAWN { heat_map(matrix) } else { table(matrix, &pairs) };
    html
}

/// The confusions, the most frequent first.
fn worst(matrix: &Matrix) -> Vec<Pair> {
    let classes = matrix.labels.len();
    let mut pairs = Vec::new();
    for expected in 0..classes {
        let total = row_total(matrix, expected);
        for predicted in (0..classes).filter(|predicted| *predicted != expected) {
            let weight = matrix.get(expected, predicted);
            if weight > 0.0 {
                pairs.push(Pair { expected, predicted, weight, share: weight / total });
            }
        }
    }
    pairs.sort_by(|a, b| b.weight.total_cmp(&a.weight).then(b.share.total_cmp(&a.share)));
    pairs.truncate(PAIRS);
    pairs
}

fn row_total(matrix: &Matrix, expected: usize) -> f64 {
    (0..matrix.labels.len()).map(|predicted| matrix.get(expected, predicted)).sum()
}

/// A weight; whole where all rows count 1.
fn weight(weight: f64) -> String {
    if weight.fract() == 0.0 { grouped(weight) } else { number(weight) }
}

/// A table whose cells are shaded by their share of the row.
fn heat_map(matrix: &Matrix) -> String {
    let labels: Vec<String> = matrix.labels.iter().map(|name| label(&shortened(name, 18))).collect();
    let long = matrix.labels.iter().any(|label| label.chars().count() > 4);
    let mut html = format!(
        "<p class=\"unit\">Rows: what was expected. Columns: what was predicted. Shade: the share of the row.</p>\
         <div class=\"scroll\" tabindex=\"0\"><table class=\"heat{}\"><thead><tr><td></td>",
        if long { " long" } else { "" }
    );
    for label in &labels {
        let _ = write!(html, "<th scope=\"col\"><span>{label}</span></th>");
    }
    html += "</tr></thead><tbody>";
    for (expected, label) in labels.iter().enumerate() {
        let total = row_total(matrix, expected).max(f64::MIN_POSITIVE);
        let _ = write!(html, "<tr><th scope=\"row\">{label}</th>");
        for (predicted, as_label) in labels.iter().enumerate() {
            let count = matrix.get(expected, predicted);
            if count <= 0.0 {
                html += "<td class=\"none\">·</td>";
                continue;
            }
            let share = count / total;
            // The root, because a confusion of one in a hundred should be seen beside ninety-nine.
            let shade = (share.sqrt() * 100.0).clamp(8.0, 100.0);
            // Where the figure on the shade must change its colour to keep a contrast of 4: `deep` on a light page, `mid` on
            // a dark one.
            let right = expected == predicted;
            let kind = match (right, shade) {
                (true, 82.0..) => "right mid deep",
                (true, 52.0..) => "right mid",
                (true, _) => "right",
                (false, 68.0..) => "wrong mid",
                (false, _) => "wrong",
            };
            let _ = write!(
                html,
                "<td class=\"{kind}\" style=\"--shade:{shade:.0}%\" title=\"{label} taken for {as_label}: {} ({:.1} %)\">{}</td>",
                weight(count),
                share * 100.0,
                weight(count)
            );
        }
        html += "</tr>";
    }
    html += "</tbody></table></div>";
    html
}

/// The worst pairs as a table.
fn table(matrix: &Matrix, pairs: &[Pair]) -> String {
    let mut html = format!(
        "<div class=\"scroll\"><table><caption>The {} most frequent confusions of {} classes.</caption><thead><tr>\
         <th scope=\"col\">Expected</th><th scope=\"col\">Predicted</th><th scope=\"col\" class=\"n\">Examples</th>\
         <th scope=\"col\" class=\"n\">Of the class</th></tr></thead><tbody>",
        pairs.len(),
        matrix.labels.len()
    );
    for pair in pairs {
        let _ = write!(
            html,
            "<tr><td>{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{:.1} %</td></tr>",
            label(&matrix.labels[pair.expected]),
            label(&matrix.labels[pair.predicted]),
            weight(pair.weight),
            pair.share * 100.0
        );
    }
    html += "</tbody></table></div>";
    html
}
