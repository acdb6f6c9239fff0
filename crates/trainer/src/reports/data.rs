//! How does a report about data look on a page that needs nothing else?
//!
//! `data-report.html` has the style of the report about a run. The verdict comes first, then the findings, the worst first, with
//! the examples that they concern side by side, then the classes and columns. Whatever comes from data is escaped.

use std::fmt::Write as _;
use std::path::Path;

use data_loader::checks::{Finding, Pair, Report, Sample, Severity, Shown};
use data_loader::{Entry, Part};
use model_zoo::atomic;

use super::html::section;
use super::html::text::{capital, escape, grouped, label, number, shortened};
use crate::Error;

/// How it is listed.
pub const ENTRY: Entry = Entry { name: "data", summary: "a page about data: what the checks found, with examples" };

/// How many classes the page lists.
const CLASSES: usize = 200;
/// How many columns the page lists.
const COLUMNS: usize = 500;

/// Writes the page about data in one piece.
///
/// # Errors
/// If it cannot be written.
pub fn write(report: &Report, out: &Path) -> Result<(), Error> {
    Ok(atomic::write_file(out, render(report).as_bytes())?)
}

/// Writes the report for programs, in one piece.
///
/// # Errors
/// If it cannot be written.
pub fn write_json(report: &Report, out: &Path) -> Result<(), Error> {
    let mut text = serde_json::to_vec_pretty(report).expect("our own types have text keys");
    text.push(b'\n');
    Ok(atomic::write_file(out, &text)?)
}

/// The page about data.
pub fn render(report: &Report) -> String {
    let name = escape(&report.card);
    let [train, validation, test] = report.parts.map(|part| grouped(part as f64));
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>Data of {name} · Firebox</title>\
         <style>{}{}</style></head><body><header><h1>Data of {name}</h1><p>{train} examples for training, {validation} for \
         validation, {test} for test.</p></header><main>",
        include_str!("html/page.css"),
        include_str!("data/data.css")
    );
    page += &verdict(report);
    section(&mut page, "Findings", &report.findings.iter().map(finding).collect::<String>());
    section(&mut page, "Classes", &classes(report));
    section(&mut page, "Columns", &columns(report));
    section(&mut page, "What was checked", &checked(report));
    page += "</main><footer>Written by Firebox. This page loads nothing from anywhere.</footer></body></html>\n";
    page
}

/// Whether the gates hold, and how much was found.
fn verdict(report: &Report) -> String {
    let counts = [Severity::Error, Severity::Warning, Severity::Note].map(|severity| report.count(severity));
    let (class, sign, word) = match counts {
        [0, 0, _] => ("met", "✓", "Nothing stands against training"),
        [0, ..] => ("met", "✓", "Every gate holds"),
        _ => ("missed", "✗", "A gate fails"),
    };
    let mut html = format!(
        "<div class=\"card verdict\"><div><p class=\"label\">Findings</p><p class=\"value\">{}</p>\
         <p class=\"pill {class}\"><span aria-hidden=\"true\">{sign}</span>{word}</p></div><dl>",
        report.findings.len()
    );
    for (what, count) in ["Errors", "Warnings", "Notes"].iter().zip(counts) {
        let _ = write!(html, "<div><dt>{what}</dt><dd>{count}</dd></div>");
    }
    let examples = grouped(report.rows as f64);
    let _ = write!(html, "<div><dt>Examples read</dt><dd>{examples}</dd></div>");
    if report.closely > 0 && report.closely < report.rows {
        let _ = write!(html, "<div><dt>Looked at closely</dt><dd>{}</dd></div>", grouped(report.closely as f64));
    }
    html + "</dl></div>"
}

fn finding(finding: &Finding) -> String {
    let class = finding.severity.name();
    let mut html = format!(
        "<article class=\"card finding\"><h3><span class=\"tag {class}\">{class}</span> {}</h3><p>{}</p>",
        escape(&finding.check.replace('_', " ")),
        escape(&finding.message)
    );
    if finding.severity == Severity::Error {
        let _ = write!(html, "<p class=\"why\">{}</p>", escape(&finding.way_out()));
    }
    let shown = finding.pairs.len().max(finding.examples.len());
    if !finding.pairs.is_empty() {
        html += "<div class=\"pairs\">";
        finding.pairs.iter().for_each(|one| html += &pair(one));
        html += "</div>";
    } else if finding.examples.iter().all(|sample| matches!(sample.shown, Shown::Nothing)) {
        if !finding.examples.is_empty() {
            html += "<div class=\"scroll\"><table><tbody>";
            for one in &finding.examples {
                let _ =
                    write!(html, "<tr><th scope=\"row\">{}</th><td>{}</td></tr>", escape(&one.id), escape(&one.why));
            }
            html += "</tbody></table></div>";
        }
    } else {
        html += "<div class=\"samples\">";
        finding.examples.iter().for_each(|one| html += &sample(one));
        html += "</div>";
    }
    if shown > 0 && finding.count > shown {
        let _ = write!(html, "<p class=\"why\">The first {shown} of {}.</p>", grouped(finding.count as f64));
    }
    html + "</article>"
}

/// Two examples side by side.
fn pair(pair: &Pair) -> String {
    let likeness = if pair.likeness >= 1.0 { "equal".to_owned() } else { format!("likeness {:.3}", pair.likeness) };
    if let (Shown::Row(first), Shown::Row(second)) = (&pair.first.shown, &pair.second.shown) {
        return rows(pair, first, second, &likeness);
    }
    format!(
        "<div class=\"pair\"><p class=\"unit\">{likeness}</p><div class=\"beside\">{}{}</div></div>",
        sample(&pair.first),
        sample(&pair.second)
    )
}

/// Two rows of a table under each other, their differences marked.
fn rows(pair: &Pair, first: &[(String, String)], second: &[(String, String)], likeness: &str) -> String {
    let mut html = format!(
        "<div class=\"pair wide\"><p class=\"unit\">{likeness}</p><div class=\"scroll\"><table><thead><tr><th scope=\"col\">Example</th>\
         <th scope=\"col\">Target</th>"
    );
    for (name, _) in first {
        let _ = write!(html, "<th scope=\"col\">{}</th>", escape(name));
    }
    html += "</tr></thead><tbody>";
    for (sample, fields, others) in [(&pair.first, first, second), (&pair.second, second, first)] {
        let _ = write!(
            html,
            "<tr><th scope=\"row\">{}</th>{}",
            named(sample),
            cell(sample.target.as_deref(), pair.first.target != pair.second.target)
        );
        for (at, (_, value)) in fields.iter().enumerate() {
            html += &cell(Some(value), others.get(at).is_none_or(|(_, other)| other != value));
        }
        html += "</tr>";
    }
    html + "</tbody></table></div></div>"
}

fn cell(text: Option<&str>, marked: bool) -> String {
    let text = escape(&shortened(text.unwrap_or("–"), 80));
    if marked { format!("<td><mark>{text}</mark></td>") } else { format!("<td>{text}</td>") }
}

/// The id of an example and its part.
fn named(sample: &Sample) -> String {
    let part = sample.part.map_or(String::new(), |part| format!(" <span class=\"part\">{}</span>", part.name()));
    format!("{}{part}", escape(&sample.id))
}

fn sample(sample: &Sample) -> String {
    let shown = match &sample.shown {
        Shown::Nothing => String::new(),
        // Base64 has no character that could end an attribute; a report that was changed by hand is not trusted to have none.
        Shown::Thumbnail(png) => format!("<img alt=\"\" src=\"data:image/png;base64,{}\">", escape(png)),
        Shown::Text(text) => format!("<blockquote>{}</blockquote>", escape(text)),
        Shown::Row(fields) => {
            let cells = fields.iter().map(|(name, value)| {
                format!("<div><dt>{}</dt><dd>{}</dd></div>", escape(name), escape(&shortened(value, 80)))
            });
            format!("<dl>{}</dl>", cells.collect::<String>())
        }
    };
    let target = sample.target.as_ref().map_or(String::new(), |target| format!(" · {}", label(target)));
    let why = if sample.why.is_empty() {
        String::new()
    } else {
        format!("<span class=\"why\">{}</span>", escape(&sample.why))
    };
    format!("<figure>{shown}<figcaption><span>{}{target}</span>{why}</figcaption></figure>", named(sample))
}

/// How many examples each class has.
fn classes(report: &Report) -> String {
    if report.classes.is_empty() {
        return String::new();
    }
    let total = |examples: &[usize; 3]| examples.iter().sum::<usize>();
    let most = report.classes.iter().map(|class| total(&class.examples)).max().unwrap_or(1).max(1);
    let mut html = "<div class=\"card scroll\"><table><thead><tr><th scope=\"col\">Class</th>".to_owned();
    for part in Part::ALL {
        let _ = write!(html, "<th scope=\"col\" class=\"n\">{}</th>", capital(part.name()));
    }
    html += "<td></td></tr></thead><tbody>";
    for class in report.classes.iter().take(CLASSES) {
        let _ = write!(html, "<tr><th scope=\"row\">{}</th>", label(&class.class));
        for &count in &class.examples {
            let _ = write!(html, "<td class=\"n\">{}</td>", grouped(count as f64));
        }
        let width = total(&class.examples) as f64 / most as f64 * 100.0;
        let _ = write!(html, "<td class=\"bar\"><i style=\"width:{width:.1}%\"></i></td></tr>");
    }
    html + "</tbody></table>" + &left_out(report.classes.len(), CLASSES) + "</div>"
}

fn left_out(all: usize, shown: usize) -> String {
    if all > shown {
        format!("<p class=\"why\">The first {shown} of {}.</p>", grouped(all as f64))
    } else {
        String::new()
    }
}

/// What is typical of each column.
fn columns(report: &Report) -> String {
    if report.columns.is_empty() {
        return String::new();
    }
    let mut html =
        "<div class=\"card scroll\"><table><thead><tr><th scope=\"col\">Column</th><th scope=\"col\">Kind</th>\
                    <th scope=\"col\" class=\"n\">Missing</th><th scope=\"col\" class=\"n\">Different values</th>\
                    <th scope=\"col\">Smallest, median, largest; or most frequent</th></tr></thead><tbody>"
            .to_owned();
    for column in report.columns.iter().take(COLUMNS) {
        let typical = match (&column.range, &column.most) {
            (Some(range), _) => range.map(number).join(", "),
            (None, Some((word, count))) => format!("{} ({})", label(&shortened(word, 60)), grouped(*count as f64)),
            (None, None) => "–".to_owned(),
        };
        let missing = match column.missing {
            0 => "0".to_owned(),
            some => format!("{} ({:.1} %)", grouped(some as f64), 100.0 * some as f64 / report.rows.max(1) as f64),
        };
        let distinct = column.distinct.map_or("–".to_owned(), |distinct| grouped(distinct as f64));
        let _ = write!(
            html,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td class=\"n\">{missing}</td><td class=\"n\">{distinct}</td><td>{typical}</td></tr>",
            label(&column.name),
            escape(&column.kind)
        );
    }
    html + "</tbody></table>" + &left_out(report.columns.len(), COLUMNS) + "</div>"
}

/// Which checks ran, and what they left out.
fn checked(report: &Report) -> String {
    let checks = report.checks.iter().map(|check| escape(&check.replace('_', " "))).collect::<Vec<_>>().join(", ");
    let depth = if report.thorough { "" } else { " These are the fast ones, as before every training." };
    let mut html = format!("<div class=\"card\"><p>{checks}.{depth}</p>");
    for remark in &report.remarks {
        let _ = write!(
            html,
            "<p class=\"why\">{}: {}</p>",
            escape(&remark.check.replace('_', " ")),
            escape(&remark.reason)
        );
    }
    html + &format!("<p class=\"why\">Where rows were chosen by chance, the seed is {}.</p></div>", report.seed)
}

#[cfg(test)]
mod tests;
