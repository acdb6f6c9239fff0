//! What became of each trial? A table of them, and the errors of those that failed.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::super::html::text::{capital, duration, escape, grouped, number, shortened};
use super::axes::spell;
use super::told::{Told, settings};
use crate::sweep::space::Values;
use crate::sweep::trial::{State, Trial};

/// The table holds so many trials at most.
const ROWS: usize = 500;
/// So many parameters have a column.
const COLUMNS: usize = 30;
/// So many errors are listed.
const ERRORS: usize = 20;
/// So many trials of an error are named.
const NAMED: usize = 12;

/// The trials, the best first: the complete ones by their values, then those that were pruned, run, wait or failed.
fn ordered<'a>(told: &Told<'a>) -> Vec<&'a Trial> {
    let mut order = told.ranked.clone();
    let rank = |state: State| match state {
        State::Complete => 0,
        State::Pruned => 1,
        State::Running => 2,
        State::Waiting => 3,
        State::Failed => 4,
    };
    let is_ranked: std::collections::BTreeSet<u64> = order.iter().map(|trial| trial.number).collect();
    let mut others: Vec<&Trial> = told.facts.trials.iter().filter(|trial| !is_ranked.contains(&trial.number)).collect();
    let loss = |trial: &Trial| {
        let goal = told.goals.first();
        goal.and_then(|goal| Some(goal.objective.loss(told.value(trial, 0)?))).unwrap_or(f64::INFINITY)
    };
    others.sort_by(|a, b| {
        rank(a.state).cmp(&rank(b.state)).then(loss(a).total_cmp(&loss(b))).then(a.number.cmp(&b.number))
    });
    order.extend(others);
    order
}

/// The table.
pub(super) fn table(told: &Told) -> String {
    let all = ordered(told);
    if all.is_empty() {
        return "<div class=\"card\"><p class=\"why\">There is no trial yet.</p></div>".into();
    }
    let varied = told.facts.space.iter().filter(|(_, parameter)| !matches!(parameter.values, Values::Fixed(_)));
    let addresses: Vec<&str> = varied.map(|(address, _)| address.as_str()).collect();
    let shown = all.len().min(ROWS);
    let mut html = String::from("<div class=\"card\"><div class=\"tools\" hidden>");
    html += "<label>Find <input type=\"search\" placeholder=\"a setting or a state\"></label><label>State <select><option value=\"\">all</option>";
    for state in State::ALL.into_iter().filter(|state| all.iter().take(ROWS).any(|trial| trial.state == *state)) {
        let _ = write!(html, "<option>{}</option>", state.name());
    }
    let _ = write!(
        html,
        "</select></label><span class=\"why\" role=\"status\">{} trials</span></div><div class=\"scroll long\" tabindex=\"0\" role=\"region\" aria-label=\"The trials\"><table class=\"trials\"><thead><tr>",
        grouped(shown as f64)
    );
    let heading = |html: &mut String, short: &str, full: &str, class: &str| {
        let _ = write!(html, "<th scope=\"col\"{class} title=\"{}\">{}</th>", escape(full), escape(short));
    };
    let of_numbers = " class=\"n\"";
    heading(&mut html, "Trial", "The number of the trial", of_numbers);
    heading(&mut html, "State", "How the trial stands", "");
    for goal in &told.goals {
        heading(&mut html, &capital(&goal.name), &goal.upwards(), of_numbers);
    }
    for (short, full) in [
        ("Evaluations", "Evaluations that were done, of those that were planned"),
        ("Steps", "Steps that were done"),
        ("Time", "Time of training"),
    ] {
        heading(&mut html, short, full, of_numbers);
    }
    for address in addresses.iter().take(COLUMNS) {
        heading(&mut html, address.rsplit('.').next().unwrap_or(address), address, "");
    }
    html += "</tr></thead><tbody>";
    for trial in all.iter().take(ROWS) {
        html += &row(told, trial, &addresses);
    }
    html += "</tbody></table></div>";
    let mut remarks = Vec::new();
    if all.len() > shown {
        remarks.push(format!("The best {shown} of {} trials.", grouped(all.len() as f64)));
    }
    if addresses.len() > COLUMNS {
        remarks.push(format!("The first {COLUMNS} of {} parameters.", addresses.len()));
    }
    if !remarks.is_empty() {
        let _ = write!(html, "<p class=\"why\">{}</p>", remarks.join(" "));
    }
    html + "</div>"
}

fn row(told: &Told, trial: &Trial, addresses: &[&str]) -> String {
    let state = trial.state.name();
    let mut html = format!(
        "<tr data-n=\"{0}\"><th scope=\"row\" class=\"n\" data-v=\"{0}\">{0}</th><td><span class=\"state {state}\">{state}</span>",
        trial.number
    );
    if trial.is_brought() {
        let _ = write!(html, " <span class=\"why\">from {}</span>", escape(&shortened(&trial.origin, 40)));
    } else if trial.origin == "hand" {
        html += " <span class=\"why\">by hand</span>";
    }
    html += "</td>";
    for objective in 0..told.goals.len() {
        html += &cell(told.value(trial, objective), number);
    }
    let planned = if trial.planned > 0 { format!(" of {}", trial.planned) } else { String::new() };
    html += &cell(Some(trial.history.len() as f64), |done| format!("{done}{planned}"));
    html += &cell(Some(trial.step as f64), grouped);
    html += &cell(Some(trial.seconds).filter(|seconds| seconds.is_finite()), duration);
    for address in addresses.iter().take(COLUMNS) {
        match settings(trial).get(*address) {
            None => html += "<td class=\"none\">–</td>",
            Some(value) => match value.as_f64() {
                Some(number) => html += &cell(Some(number), |_| spell(value)),
                None => {
                    let _ = write!(html, "<td>{}</td>", escape(&shortened(&spell(value), 40)));
                }
            },
        }
    }
    html + "</tr>"
}

/// A number that can be sorted by.
fn cell(value: Option<f64>, text: impl Fn(f64) -> String) -> String {
    match value {
        Some(value) => format!("<td class=\"n\" data-v=\"{value}\">{}</td>", text(value)),
        None => "<td class=\"n none\">–</td>".into(),
    }
}

/// Why trials failed, the most frequent reason first; nothing if none did.
pub(super) fn errors(told: &Told) -> String {
    let mut by_error: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for trial in told.facts.trials.iter().filter(|trial| trial.state == State::Failed) {
        by_error.entry(trial.error.as_deref().unwrap_or("no reason was kept")).or_default().push(trial.number);
    }
    if by_error.is_empty() {
        return String::new();
    }
    let mut errors: Vec<(&str, Vec<u64>)> = by_error.into_iter().collect();
    errors.sort_by(|a, b| b.1.len().cmp(&a.1.len()).then(a.1.cmp(&b.1)));
    let mut html = String::from(
        "<div class=\"card scroll\"><table><thead><tr><th scope=\"col\">Reason</th><th scope=\"col\" class=\"n\">Trials</th><th scope=\"col\">\
         Which</th></tr></thead><tbody>",
    );
    for (error, trials) in errors.iter().take(ERRORS) {
        let named: Vec<String> = trials.iter().take(NAMED).map(u64::to_string).collect();
        let more = trials.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {} more", grouped(more as f64)) } else { String::new() };
        let _ = write!(
            html,
            "<tr><td class=\"error\">{}</td><td class=\"n\">{}</td><td>{}{more}</td></tr>",
            escape(&shortened(error, 600)),
            grouped(trials.len() as f64),
            named.join(", ")
        );
    }
    html += "</tbody></table>";
    if errors.len() > ERRORS {
        let _ = write!(
            html,
            "<p class=\"why\">The {ERRORS} most frequent of {} reasons.</p>",
            grouped(errors.len() as f64)
        );
    }
    html + "</div>"
}
