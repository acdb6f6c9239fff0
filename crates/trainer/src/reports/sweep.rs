//! How does a sweep look on a page that needs nothing else?
//!
//! One file as the page about a run, in its style: what came of the sweep first, then how the search went, what matters, every trial, and what is
//! needed to train the best one by itself. What a drawing shows of a trial is shown of the same trial in all others when it lies under the pointer,
//! or is reached by the arrow keys; without a script the page is complete all the same.
//!
//! With many trials the page stays small: drawings show 1,500 of them and the table 500, and both say so. Whatever comes from settings and errors
//! is escaped.

use std::fmt::Write as _;
use std::path::Path;

use data_loader::Entry;
use model_zoo::atomic;

use super::html::section;
use super::html::text::{escape, grouped};
use crate::Error;
use crate::metrics::Direction;
use crate::sweep::dimensions::Dimensions;
use crate::sweep::objectives::Objective;
use crate::sweep::space::{Space, Values};
use crate::sweep::trial::Trial;
use told::{Told, moment};

mod area;
mod axes;
mod bars;
mod contours;
pub mod facts;
mod front;
mod history;
mod island;
mod parallel;
mod rows;
mod slices;
mod timeline;
mod told;
mod winner;

/// How it is listed.
pub const ENTRY: Entry =
    Entry { name: "sweep", summary: "a page about a sweep: the best trial, what matters, every trial" };

/// What the page tells about a sweep. Texts are shown as they are: any character in them is safe.
#[derive(Clone, Debug)]
pub struct SweepFacts {
    /// The name of the study.
    pub name: String,
    /// `over`, `stopped` or `open`.
    pub state: String,
    /// When the page is written, in seconds since 1970.
    pub written: f64,
    /// How many trials are to be finished; none if only time or a target end it.
    pub budget: Option<u64>,
    /// What is made good.
    pub objectives: Vec<Objective>,
    /// What is varied.
    pub space: Space,
    /// The same as searchers see it.
    pub dimensions: Dimensions,
    /// All trials, by their numbers.
    pub trials: Vec<Trial>,
    /// The seed of the experiment.
    pub seed: u64,
    /// The config of the best trial, as TOML, if there is one.
    pub config: Option<String>,
    /// The config of the study, as TOML.
    pub study: String,
    /// What to try next, as (what it does, command).
    pub next: Vec<(String, String)>,
}

/// Writes the page about a sweep in one piece.
///
/// # Errors
/// If it cannot be written.
pub fn write(facts: &SweepFacts, out: &Path) -> Result<(), Error> {
    Ok(atomic::write_file(out, render(facts).as_bytes())?)
}

/// The page about a sweep.
pub fn render(facts: &SweepFacts) -> String {
    let told = Told::of(facts);
    let name = escape(&facts.name);
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>{name} · Firebox</title><style>{}{}</style>\
         </head><body class=\"sweep\"><header><h1>{name}</h1><p>{}</p></header><main>",
        include_str!("html/page.css"),
        include_str!("sweep/sweep.css"),
        escape(&sentence(&told))
    );
    page += &winner::verdict(&told);
    if let Some(thinned) = told.thinned() {
        let _ = write!(page, "<p class=\"why thinned\">{}</p>", escape(&thinned));
    }
    let best = winner::settings_of_the_best(&told) + &winner::next(&told);
    let title = if told.goals.len() > 1 { "The best trials" } else { "The best trial" };
    section(&mut page, title, &if best.is_empty() { best } else { format!("<div class=\"stack\">{best}</div>") });
    let drawings = front::draw(&told) + &history::search(&told) + &history::curves(&told);
    section(&mut page, "How the search went", &format!("<div class=\"stack\">{drawings}</div>"));
    section(&mut page, "What matters", &bars::draw(&told));
    section(&mut page, "Each parameter by itself", &slices::draw(&told));
    section(&mut page, "Two parameters together", &contours::draw(&told));
    section(&mut page, "All parameters at once", &parallel::draw(&told));
    section(&mut page, "Who trained when", &timeline::draw(&told));
    section(&mut page, "Why trials failed", &rows::errors(&told));
    section(&mut page, "The trials", &rows::table(&told));
    section(&mut page, "How to do it again", &winner::configs(&told));
    let _ = writeln!(
        page,
        "</main><footer>Written by Firebox. This page loads nothing from anywhere.</footer><p class=\"unseen\" aria-live=\"polite\"></p>\
         <script type=\"application/json\" id=\"trials\">{}</script><script>{}</script></body></html>",
        island::of(&told),
        include_str!("sweep/sweep.js")
    );
    page
}

/// What was searched for, over what, and how far it came.
fn sentence(told: &Told) -> String {
    let goals: Vec<String> = told
        .goals
        .iter()
        .map(|goal| {
            let better = match goal.objective.direction() {
                Direction::Higher => "highest",
                Direction::Lower => "lowest",
            };
            format!("the {better} {}", goal.name)
        })
        .collect();
    let goals = if goals.is_empty() { "nothing".to_owned() } else { goals.join(" and ") };
    let varied = told.facts.space.values().filter(|parameter| !matches!(parameter.values, Values::Fixed(_))).count();
    let varied = if varied == 1 { "1 parameter".to_owned() } else { format!("{varied} parameters") };
    let finished = told.own().filter(|trial| trial.state.is_finished()).count();
    let budget = told.facts.budget.map_or_else(String::new, |budget| format!(" of {}", grouped(budget as f64)));
    let began = told.own().filter_map(|trial| moment(trial.began)).reduce(f64::min);
    let began = began.map_or_else(String::new, |began| format!(" It began at {}.", date(began)));
    format!(
        "A sweep for {goals} on the validation split, over {varied}. It is {}: {}{budget} trials finished.{began}",
        told.facts.state,
        grouped(finished as f64)
    )
}

/// A moment in seconds since 1970, as a person reads it.
fn date(seconds: f64) -> String {
    let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs_f64(seconds);
    humantime::format_rfc3339_seconds(time).to_string().replace('T', " ").replace('Z', " UTC")
}

#[cfg(test)]
mod made_up;
#[cfg(test)]
mod tests;
