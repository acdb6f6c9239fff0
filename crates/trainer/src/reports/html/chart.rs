//! How does a number change over the steps? A chart as inline SVG.
//!
//! The drawing is stretched to whatever room there is, and only lines are in it: their width does not stretch. Numbers on
//! the axes are HTML beside it, so that they stay readable on any screen.

use std::fmt::Write;

use super::scale::{Scale, thinned};
use super::text::{escape, number, tick};

/// The drawing is so many units wide and high.
const SIZE: f64 = 1000.0;

/// More points than a screen has columns are not drawn.
const POINTS: usize = 1200;

/// How a curve looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    /// What the reader should look at.
    Accent,
    /// What stands beside it.
    Quiet,
    /// What lies behind it.
    Faint,
}

impl Ink {
    fn class(self) -> &'static str {
        match self {
            Self::Accent => "accent",
            Self::Quiet => "quiet",
            Self::Faint => "faint",
        }
    }
}

/// A curve: (step, value), ascending in steps. Values that are not finite are gaps.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) name: &'static str,
    pub(super) ink: Ink,
    pub(super) points: Vec<(f64, f64)>,
}

/// A chart of one or more curves over the steps.
#[derive(Clone, Debug)]
pub(super) struct Chart<'a> {
    /// What is drawn.
    pub(super) title: &'a str,
    /// What the reader should see in it; empty for nothing.
    pub(super) remark: String,
    /// Behind to front.
    pub(super) series: Vec<Series>,
    /// The steps from the first to the last one of the run, the same in every chart.
    pub(super) steps: (f64, f64),
    /// Whether the axis begins at 0.
    pub(super) from_zero: bool,
    /// Whether a wide range of positive numbers is drawn on a logarithmic axis.
    pub(super) may_be_log: bool,
    /// A point to be marked.
    pub(super) mark: Option<(f64, f64)>,
}

impl Chart<'_> {
    /// The chart as a figure; nothing if no curve has a finite point.
    pub(super) fn draw(&self) -> String {
        let values = || self.series.iter().flat_map(|series| series.points.iter().map(|point| point.1));
        if !values().any(f64::is_finite) {
            return String::new();
        }
        let zero = self.from_zero.then_some(0.0);
        let y = Scale::around(values().chain(zero), self.may_be_log);
        let x = Scale::spanning(self.steps.0, self.steps.1);
        let ((x0, x1), (y0, y1)) = (x.ends(), y.ends());

        let title = escape(self.title);
        let mut html = format!("<figure class=\"chart\"><figcaption><h3>{title}</h3>");
        if y.is_logarithmic() {
            html += "<span class=\"unit\">logarithmic</span>";
        }
        if self.series.len() > 1 {
            html += "<span class=\"legend\">";
            for series in &self.series {
                let _ = write!(html, "<span class=\"key {}\">{}</span>", series.ink.class(), escape(series.name));
            }
            html += "</span>";
        }
        if !self.remark.is_empty() {
            let _ = write!(html, "<span class=\"remark\">{}</span>", escape(&self.remark));
        }
        let log = u8::from(y.is_logarithmic());
        let _ = write!(
            html,
            "</figcaption><div class=\"area\" data-x=\"{x0} {x1}\" data-y=\"{y0:e} {y1:e}\" data-log=\"{log}\">"
        );
        let mut grid = String::new();
        for (value, step) in y.ticks(5) {
            let place = y.place(value);
            let _ = write!(grid, "M0 {:.1}H{SIZE}", (1.0 - place) * SIZE);
            let label = tick(value, step);
            let _ = write!(html, "<span class=\"y\" style=\"bottom:{:.2}%\">{label}</span>", place * 100.0);
        }
        for (value, step) in x.ticks(5).into_iter().filter(|(value, _)| value.fract() == 0.0) {
            let label = tick(value, step);
            let _ = write!(html, "<span class=\"x\" style=\"left:{:.2}%\">{label}</span>", x.place(value) * 100.0);
        }
        let _ = write!(
            html,
            "<svg viewBox=\"0 0 {SIZE} {SIZE}\" preserveAspectRatio=\"none\" role=\"img\"><title>{title}</title><desc>{}</desc>\
             <path class=\"grid\" d=\"{grid}\"/>",
            escape(&self.description())
        );
        for series in &self.series {
            let class = series.ink.class();
            let (lines, dots) = trace(&thinned(&series.points, POINTS), x, y);
            let name = escape(series.name);
            let _ = write!(html, "<path class=\"line {class}\" data-name=\"{name}\" d=\"{lines}\"/>");
            if !dots.is_empty() {
                let _ = write!(html, "<path class=\"dot {class}\" d=\"{dots}\"/>");
            }
        }
        if let Some((step, value)) = self.mark.filter(|mark| mark.1.is_finite()) {
            let (left, top) = (x.place(step) * SIZE, (1.0 - y.place(value)) * SIZE);
            let _ = write!(html, "<path class=\"mark ring\" d=\"M{left:.2} {top:.2}h0\"/>");
            let _ = write!(html, "<path class=\"mark\" d=\"M{left:.2} {top:.2}h0\"/>");
        }
        html += "</svg></div></figure>";
        html
    }

    /// The curves in words, for who cannot see them.
    fn description(&self) -> String {
        let mut text = format!("Over steps {} to {}.", number(self.steps.0), number(self.steps.1));
        for series in &self.series {
            let mut finite = series.points.iter().filter(|point| point.1.is_finite());
            let Some(first) = finite.next() else { continue };
            let last = finite.next_back().unwrap_or(first);
            let (from, to) = (number(first.1), number(last.1));
            let _ = write!(text, " {}: from {from} at step {} to {to} at step {}.", series.name, first.0, last.0);
        }
        text
    }
}

/// The path of a curve with its gaps, and the path of its dots where points stand alone or are few.
fn trace(points: &[(f64, f64)], x: Scale, y: Scale) -> (String, String) {
    let few = points.len() <= 40;
    let (mut lines, mut dots) = (String::new(), String::new());
    let finite =
        |index: Option<usize>| index.and_then(|index| points.get(index)).is_some_and(|point| point.1.is_finite());
    for (index, (step, value)) in points.iter().enumerate().filter(|(_, point)| point.1.is_finite()) {
        let (left, top) = (x.place(*step) * SIZE, (1.0 - y.place(*value)) * SIZE);
        let continues = finite(index.checked_sub(1));
        let _ = write!(lines, "{}{left:.2} {top:.2}", if continues { 'L' } else { 'M' });
        if few || (!continues && !finite(Some(index + 1))) {
            let _ = write!(dots, "M{left:.2} {top:.2}h0");
        }
    }
    (lines, dots)
}
