//! What came of it? The best trial, what was done for it, and how to go on from it.

use std::fmt::Write as _;

use super::super::html::list;
use super::super::html::text::{capital, duration, escape, grouped, number};
use super::axes::spell;
use super::front;
use super::slices::percent;
use super::told::{Told, settings};
use crate::sweep::trial::{State, Trial};

/// So many trials of a front are listed.
const LISTED: usize = 30;

/// The value of the best trial, and what it took to find it.
pub(super) fn verdict(told: &Told) -> String {
    let mut html = "<div class=\"card verdict\"><div>".to_owned();
    match (told.goals.as_slice(), told.front.as_slice()) {
        ([goal], [best, ..]) => {
            let value = told.value(best, 0).map_or_else(|| "–".to_owned(), number);
            let _ = write!(
                html,
                "<p class=\"label\">Best {}</p><p class=\"value\">{value}</p><p class=\"why\">in trial {} of {}</p>",
                escape(&goal.name),
                best.number,
                grouped(told.facts.trials.len() as f64)
            );
        }
        ([_, _, ..], [_, ..]) => {
            let count = told.front.len();
            let _ = write!(
                html,
                "<p class=\"label\">Beaten by none</p><p class=\"value\">{}</p><p class=\"why\">{} of {}. The best: {}.</p>",
                grouped(count as f64),
                if count == 1 { "trial" } else { "trials" },
                grouped(told.ranked.len() as f64),
                escape(&front::sentence(told))
            );
        }
        (goals, _) => {
            let name = goals.first().map_or("value", |goal| goal.name.as_str());
            let _ = write!(
                html,
                "<p class=\"label\">Best {}</p><p class=\"value\">–</p><p class=\"why\">No trial came to its end yet.</p>",
                escape(name)
            );
        }
    }
    html += "</div>";
    html += &list("", &counts(told));
    html + "</div>"
}

/// Counts, time, and what was saved.
fn counts(told: &Told) -> Vec<(String, String)> {
    let own: Vec<&Trial> = told.own().collect();
    let count = |state: State| own.iter().filter(|trial| trial.state == state).count();
    let mut items = Vec::new();
    let mut item = |what: &str, which: String| items.push((what.to_owned(), which));
    for (what, state, always) in [
        ("Complete", State::Complete, true),
        ("Pruned", State::Pruned, true),
        ("Failed", State::Failed, true),
        ("Running", State::Running, false),
        ("Waiting", State::Waiting, false),
    ] {
        let count = count(state);
        if always || count > 0 {
            item(what, grouped(count as f64));
        }
    }
    let brought = told.facts.trials.len() - own.len();
    if brought > 0 {
        item("Brought in", grouped(brought as f64));
    }
    let seconds: f64 = own.iter().map(|trial| trial.seconds).filter(|seconds| seconds.is_finite()).sum();
    item("Time of training", duration(seconds));
    item("Steps", grouped(own.iter().map(|trial| trial.step as f64).sum()));
    let over = own.iter().filter(|trial| matches!(trial.state, State::Complete | State::Pruned));
    let planned: u64 = over.map(|trial| trial.planned.max(trial.history.len() as u64)).sum();
    let saved: u64 = own
        .iter()
        .filter(|trial| trial.state == State::Pruned)
        .map(|trial| trial.planned.saturating_sub(trial.history.len() as u64))
        .sum();
    if saved > 0 {
        let share = percent(saved as f64 / planned.max(1) as f64);
        item(
            "Saved by pruning",
            format!("{} of {} evaluations ({share})", grouped(saved as f64), grouped(planned as f64)),
        );
    }
    items
}

/// The settings of the best trial, or a table of the front.
pub(super) fn settings_of_the_best(told: &Told) -> String {
    if told.front.len() > 1 {
        return front_table(told);
    }
    let Some(best) = told.front.first() else { return String::new() };
    let rows: Vec<(String, String)> =
        settings(best).iter().map(|(address, value)| (address.clone(), spell(value))).collect();
    if rows.is_empty() { String::new() } else { format!("<div class=\"card\">{}</div>", list("settings", &rows)) }
}

fn front_table(told: &Told) -> String {
    let mut html =
        "<div class=\"card scroll\"><table><caption>The trials that none beats in all objectives</caption><thead><tr>\
                    <th scope=\"col\" class=\"n\">Trial</th>"
            .to_owned();
    for goal in &told.goals {
        let _ = write!(html, "<th scope=\"col\" class=\"n\">{}</th>", escape(&capital(&goal.name)));
    }
    html += "<th scope=\"col\">Settings</th></tr></thead><tbody>";
    for trial in told.front.iter().take(LISTED) {
        let _ = write!(html, "<tr data-n=\"{0}\"><th scope=\"row\" class=\"n\">{0}</th>", trial.number);
        for objective in 0..told.goals.len() {
            let value = told.value(trial, objective).map_or_else(|| "–".to_owned(), number);
            let _ = write!(html, "<td class=\"n\">{value}</td>");
        }
        let settings = settings(trial).iter().map(|(address, value)| {
            let short = address.rsplit('.').next().unwrap_or(address);
            format!(
                "<span class=\"setting\" title=\"{}\">{} {}</span>",
                escape(address),
                escape(short),
                escape(&spell(value))
            )
        });
        let _ = write!(html, "<td>{}</td></tr>", settings.collect::<Vec<_>>().join(" "));
    }
    html += "</tbody></table>";
    if told.front.len() > LISTED {
        let _ = write!(html, "<p class=\"why\">The first {LISTED} of {}.</p>", grouped(told.front.len() as f64));
    }
    html + "</div>"
}

/// What to type next, each line ready to be copied.
pub(super) fn next(told: &Told) -> String {
    let items = told.facts.next.iter().map(|(what, command)| {
        format!("<li><span>{}</span><span class=\"copied\"><code>{}</code></span></li>", escape(what), escape(command))
    });
    let items: String = items.collect();
    if items.is_empty() { items } else { format!("<div class=\"card\"><ul class=\"next\">{items}</ul></div>") }
}

/// The config of the best trial, and how the sweep went about it.
pub(super) fn configs(told: &Told) -> String {
    let mut html = String::new();
    let block = |title: &str, text: &str, open: &str| {
        format!(
            "<details class=\"card\"{open}><summary>{title}</summary><div class=\"copied\"><pre tabindex=\"0\">{}</pre></div></details>",
            escape(text)
        )
    };
    if let Some(config) = &told.facts.config {
        html += &block("The config of the best trial, ready for <code>firebox train</code>", config, " open");
    }
    if !told.facts.study.is_empty() {
        html += &block("The config of the study, with its space", &told.facts.study, "");
    }
    html
}
