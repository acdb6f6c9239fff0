//! How does a run look on a page that needs nothing else?
//!
//! `report.html` is one file: style, drawings and the few lines of script that show values under the pointer are in it, and
//! nothing is loaded from anywhere. The verdict comes first, then how training went, then what the model gets wrong, then
//! what is needed to do it again. Light or dark as the reader's system is.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use data_loader::{Entry, Part};

use super::{GoalVerdict, RunFacts};
use crate::Error;
use crate::metrics::{self, Direction};
use crate::recorders::Progress;
use chart::{Chart, Ink, Series};
use text::{bytes, capital, duration, escape, grouped, label, number, plain};

mod chart;
mod matrix;
pub(super) mod scale;
pub(super) mod text;

/// How it is listed.
pub const ENTRY: Entry = Entry { name: "html", summary: "a page about a run: verdict, curves, confusions, config" };

/// Fewer points than this are drawn as they are, without a smoothed curve beside them.
const SMOOTHED: usize = 60;

/// Writes the page about a run in one piece: a reader sees the old one or the new one.
///
/// # Errors
/// If it cannot be written.
pub fn write(run: &RunFacts, out: &Path) -> Result<(), Error> {
    let part = out.with_extension("html.tmp");
    let mut file = File::create(&part).map_err(Error::io("create", &part))?;
    file.write_all(render(run).as_bytes()).map_err(Error::io("write", &part))?;
    std::fs::rename(&part, out).map_err(Error::io("replace", out))
}

/// The page about a run.
pub fn render(run: &RunFacts) -> String {
    let name = escape(&run.name);
    let status = escape(&run.status);
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>{name} · Firebox</title><style>{}</style>\
         </head><body><header><h1>{name}</h1><p>{status}</p></header><main>",
        include_str!("html/page.css")
    );
    page += &verdict(run);
    page += &facts(run);
    section(&mut page, "Training", &training(run));
    section(&mut page, "Validation", &validation(run));
    section(&mut page, &format!("Mistakes on the {} split", escape(judged_on(run))), &mistakes(run));
    section(&mut page, "What to try next", &next(run));
    section(&mut page, "How to do it again", &again(run));
    let _ = writeln!(
        page,
        "</main><footer>Written by Firebox. This page loads nothing from anywhere.</footer><script>{}</script></body></html>",
        include_str!("html/page.js")
    );
    page
}

pub(super) fn section(page: &mut String, title: &str, content: &str) {
    if !content.is_empty() {
        let _ = write!(page, "<section><h2>{title}</h2>{content}</section>");
    }
}

/// A definition list.
pub(super) fn list(class: &str, items: &[(String, String)]) -> String {
    if items.is_empty() {
        return String::new();
    }
    let mut html = format!("<dl class=\"{class}\">");
    for (what, which) in items {
        let _ = write!(html, "<div><dt>{}</dt><dd>{}</dd></div>", escape(what), escape(which));
    }
    html + "</dl>"
}

/// The test value that matters most: the goal's, else the field's first word on such a task.
fn headline(run: &RunFacts) -> Option<(&str, f64)> {
    let of = |name: &str| run.test.iter().find(|(found, _)| found == name).map(|(name, value)| (name.as_str(), *value));
    if let Some(goal) = &run.goal {
        return of(&goal.metric).or_else(|| goal.reached.map(|reached| (goal.metric.as_str(), reached)));
    }
    let preferred = ["accuracy", "iou", "perplexity", "mae", "rmse"].into_iter().find_map(of);
    preferred.or_else(|| run.test.first().map(|(name, value)| (name.as_str(), *value)))
}

/// The name of the split on which the finished model was judged.
fn judged_on(run: &RunFacts) -> &str {
    if run.judged_on.is_empty() { "test" } else { &run.judged_on }
}

/// What was reached, and whether that is enough.
fn verdict(run: &RunFacts) -> String {
    let headline = headline(run);
    let split = escape(&capital(judged_on(run)));
    let mut html = "<div class=\"card verdict\"><div>".to_owned();
    if let Some((name, value)) = headline {
        let _ = write!(
            html,
            "<p class=\"label\">{split} {}</p><p class=\"value\">{}</p>",
            escape(&spoken(name)),
            number(value)
        );
    } else {
        let _ = write!(html, "<p class=\"label\">{split}</p><p class=\"value\">–</p>");
    }
    html += &match &run.goal {
        Some(goal) => goal_verdict(goal),
        None => "<p class=\"pill none\">The config sets no goal.</p>".into(),
    };
    html += "</div>";
    let others =
        run.test.iter().filter(|(name, _)| !name.contains('/') && Some(name.as_str()) != headline.map(|h| h.0));
    let others: Vec<_> = others.map(|(name, value)| (capital(&spoken(name)), number(*value))).collect();
    html += &list("", &others);
    html + "</div>"
}

fn goal_verdict(goal: &GoalVerdict) -> String {
    let bound = match metrics::direction(&goal.metric) {
        Some(Direction::Lower) => "at most",
        _ => "at least",
    };
    let (class, sign, word) = if goal.met { ("met", "✓", "Goal met") } else { ("missed", "✗", "Goal not met") };
    let judged = if goal.reached.is_some() { "" } else { " (not judged)" };
    format!(
        "<p class=\"pill {class}\"><span aria-hidden=\"true\">{sign}</span>{word}{judged}: {bound} {} {}</p><p class=\"why\">{}</p>",
        plain(goal.target),
        escape(&spoken(&goal.metric)),
        escape(&goal.why)
    )
}

/// The name of a value as a reader says it.
pub(super) fn spoken(name: &str) -> String {
    match name {
        "auroc" => "AUROC".into(),
        "f1" => "F1 (macro)".into(),
        "f1_micro" => "F1 (micro)".into(),
        "f1_weighted" => "F1 (weighted)".into(),
        "iou" => "IoU".into(),
        "mae" => "MAE".into(),
        "precision" => "precision (macro)".into(),
        "r2" => "R²".into(),
        "recall" => "recall (macro)".into(),
        "rmse" => "RMSE".into(),
        _ => match name.strip_prefix("top_").and_then(|rest| rest.strip_suffix("_accuracy")) {
            Some(k) => format!("top-{k} accuracy"),
            None => name.replace('_', " "),
        },
    }
}

/// When, on what, how long, on how much.
fn facts(run: &RunFacts) -> String {
    let mut items = vec![("Started".to_owned(), run.started.clone())];
    items.extend(run.ended.clone().map(|ended| ("Ended".to_owned(), ended)));
    let history = &run.history;
    if let Some(last) = history.progress.last() {
        items.push(("Training time".into(), duration(last.seconds)));
        items.push(("Steps".into(), format!("{} ({} epochs)", grouped(last.step as f64), plain(last.epoch))));
    }
    if let Some(begun) = history.started.last() {
        items.push(("Parameters".into(), grouped(begun.parameters as f64)));
        items.push(("Device".into(), begun.device.clone()));
    }
    if history.started.len() > 1 {
        items.push((
            "Resumed".into(),
            match history.started.len() - 1 {
                1 => "once".to_owned(),
                times => format!("{times} times"),
            },
        ));
    }
    let examples = run.examples.iter();
    items.extend(examples.map(|(part, count)| (format!("{} examples", capital(part.name())), grouped(*count as f64))));
    list("facts", &items)
}

/// The steps of the run, which all charts share.
fn steps(run: &RunFacts) -> (f64, f64) {
    let progress = run.history.progress.iter().map(|progress| progress.step);
    let all = || progress.clone().chain(run.history.scores.iter().map(|scores| scores.step));
    (0.0, all().max().unwrap_or(1) as f64)
}

/// The values of a metric on a split, over the steps.
fn curve(run: &RunFacts, part: Part, name: &str) -> Vec<(f64, f64)> {
    let scores = run.history.scores.iter().filter(|scores| scores.part == part);
    let points = scores.filter_map(|scores| {
        let value = scores.values.iter().find(|(found, _)| found == name)?.1;
        Some((scores.step as f64, value))
    });
    points.collect()
}

/// Loss, learning rate and speed.
fn training(run: &RunFacts) -> String {
    let progress = &run.history.progress;
    let points = |value: fn(&crate::recorders::Progress) -> f64| -> Vec<(f64, f64)> {
        progress.iter().map(|progress| (progress.step as f64, value(progress))).collect()
    };
    let loss = points(|progress| progress.loss);
    let broken = loss.iter().filter(|point| !point.1.is_finite()).count();
    let mut series = Vec::new();
    if loss.len() > SMOOTHED {
        let smooth = scale::smoothed(&loss, loss.len() / 40);
        series.push(Series { name: "training, each record", ink: Ink::Faint, points: loss });
        series.push(Series { name: "training, smoothed", ink: Ink::Quiet, points: smooth });
    } else {
        series.push(Series { name: "training", ink: Ink::Quiet, points: loss });
    }
    let validation = curve(run, Part::Validation, "loss");
    let best = best(&validation, Direction::Lower);
    if !validation.is_empty() {
        series.push(Series { name: "validation", ink: Ink::Accent, points: validation });
    }
    let remark = match (broken, best) {
        (0, Some((step, value))) => format!("best {} at step {}", number(value), grouped(step)),
        (0, None) => String::new(),
        _ => format!("{broken} records are not finite and are left out"),
    };
    let chart = |title, points| Chart {
        title,
        remark: String::new(),
        series: vec![Series { name: title, ink: Ink::Quiet, points }],
        steps: steps(run),
        from_zero: true,
        may_be_log: false,
        mark: None,
    };
    let loss = Chart { remark, series, from_zero: false, may_be_log: true, mark: best, ..chart("Loss", Vec::new()) };
    let rate = chart("Learning rate", points(|progress| progress.learning_rate));
    let remark = waiting(&run.history.progress);
    let speed = chart("Examples per second", points(|progress| progress.examples_per_second));
    let speed = Chart { remark, ..speed };
    let charts = loss.draw() + &rate.draw() + &speed.draw();
    if charts.is_empty() { charts } else { format!("<div class=\"grid2\">{charts}</div>") }
}

/// For what share of the time the loader was waited for, where that was measured.
fn waiting(progress: &[Progress]) -> String {
    let (mut known, mut waited, mut before) = (0.0, 0.0, 0.0);
    for record in progress {
        let seconds = (record.seconds - before).max(0.0);
        before = record.seconds;
        if let Some(share) = record.waiting {
            known += seconds;
            waited += share * seconds;
        }
    }
    if known > 0.0 {
        format!("{:.0} % of the time waiting for the loader", 100.0 * waited / known)
    } else {
        String::new()
    }
}

/// The best finite point of a curve.
fn best(points: &[(f64, f64)], direction: Direction) -> Option<(f64, f64)> {
    let finite = points.iter().copied().filter(|point| point.1.is_finite());
    finite.reduce(|best, point| if direction.is_better(point.1, best.1) { point } else { best })
}

/// Each metric over the steps.
fn validation(run: &RunFacts) -> String {
    let mut names: Vec<&str> = Vec::new();
    for scores in run.history.scores.iter().filter(|scores| scores.part == Part::Validation) {
        for (name, _) in &scores.values {
            if name != "loss" && !name.contains('/') && !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
    }
    let charts: String = names
        .into_iter()
        .map(|name| {
            let points = curve(run, Part::Validation, name);
            let mark = metrics::direction(name).and_then(|direction| best(&points, direction));
            let title = capital(&spoken(name));
            let remark = mark.map_or_else(String::new, |mark| format!("best {}", number(mark.1)));
            let series = vec![Series { name: "validation", ink: Ink::Accent, points }];
            let steps = steps(run);
            Chart { title: &title, remark, series, steps, from_zero: false, may_be_log: false, mark }.draw()
        })
        .collect();
    if charts.is_empty() { charts } else { format!("<div class=\"grid3\">{charts}</div>") }
}

/// Confusions, and how well each class does.
fn mistakes(run: &RunFacts) -> String {
    let matrix = run.confusion.as_ref().map(matrix::draw).unwrap_or_default();
    let mut cards = String::new();
    if !matrix.is_empty() {
        let wide = run.confusion.as_ref().is_some_and(|matrix| matrix.labels.len() > 10);
        let _ = write!(cards, "<div class=\"card{}\">{matrix}</div>", if wide { " wide" } else { "" });
    }
    let of = |family: &str, class: &str| {
        let found = run.test.iter().find(|(name, _)| name.strip_prefix(family) == Some(class));
        found.map_or_else(|| "–".to_owned(), |(_, value)| number(*value))
    };
    let mut classes: Vec<(&str, f64)> =
        run.test.iter().filter_map(|(name, value)| Some((name.strip_prefix("f1/")?, *value))).collect();
    classes.sort_by(|a, b| a.1.total_cmp(&b.1));
    if !classes.is_empty() {
        cards += "<div class=\"card scroll\"><table><caption>Each class, the weakest first.</caption><thead><tr><th scope=\"col\">Class\
                  </th><th scope=\"col\" class=\"n\">Precision</th><th scope=\"col\" class=\"n\">Recall</th><th scope=\"col\" class=\"n\">F1\
                  </th><td></td></tr></thead><tbody>";
    }
    for (class, f1) in &classes {
        let _ = write!(
            cards,
            "<tr><th scope=\"row\">{}</th><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td class=\"bar\"><i style=\"width:{:.1}%\"></i></td></tr>",
            label(class),
            of("precision/", class),
            of("recall/", class),
            number(*f1),
            (f1 * 100.0).clamp(0.0, 100.0)
        );
    }
    if !classes.is_empty() {
        cards += "</tbody></table></div>";
    }
    if cards.is_empty() { cards } else { format!("<div class=\"split\">{cards}</div>") }
}

/// Commands.
fn next(run: &RunFacts) -> String {
    if run.next.is_empty() {
        return String::new();
    }
    let items = run
        .next
        .iter()
        .map(|(what, command)| format!("<li><span>{}</span><code>{}</code></li>", escape(what), escape(command)));
    format!("<div class=\"card\"><ul class=\"next\">{}</ul></div>", items.collect::<String>())
}

/// Environment, checkpoints, notices, config.
fn again(run: &RunFacts) -> String {
    let mut left = String::new();
    if !run.environment.is_empty() {
        let _ = write!(left, "<div class=\"card\">{}</div>", list("", &run.environment));
    }
    if !run.checkpoints.is_empty() {
        left += "<div class=\"card scroll\"><table><thead><tr><th scope=\"col\">Checkpoint</th><th scope=\"col\" class=\"n\">Step</th>\
                 <th scope=\"col\" class=\"n\">Size</th></tr></thead><tbody>";
        for checkpoint in &run.checkpoints {
            let (name, step) = (escape(&checkpoint.name), grouped(checkpoint.step as f64));
            let size = bytes(checkpoint.bytes);
            let _ = write!(left, "<tr><td>{name}</td><td class=\"n\">{step}</td><td class=\"n\">{size}</td></tr>");
        }
        left += "</tbody></table></div>";
    }
    let mut html = if left.is_empty() { left } else { format!("<div class=\"split\">{left}</div>") };
    let notices = &run.history.notices;
    if !notices.is_empty() {
        let rows = notices.iter().map(|(step, text)| {
            format!("<tr><td class=\"n\">{}</td><td>{}</td></tr>", grouped(*step as f64), escape(text))
        });
        let _ = write!(
            html,
            "<details class=\"card\"><summary>Notices ({})</summary><div class=\"scroll\"><table><thead><tr>\
             <th scope=\"col\" class=\"n\">Step</th><th scope=\"col\">Notice</th></tr></thead><tbody>{}</tbody></table></div></details>",
            notices.len(),
            rows.collect::<String>()
        );
    }
    if !run.config.is_empty() {
        let config = escape(&run.config);
        let _ = write!(
            html,
            "<details class=\"card\" open><summary>The resolved config</summary><pre tabindex=\"0\">{config}</pre></details>"
        );
    }
    html
}

#[cfg(test)]
mod tests;
