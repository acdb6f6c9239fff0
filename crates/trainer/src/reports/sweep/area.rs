//! How is something drawn beside its axes? As inline SVG that is stretched to whatever room there is, with numbers and names as HTML beside it.
//!
//! A drawing knows trials: `data-n` of a path holds the numbers of the trials that it draws, one for each of its pieces, so that the page can show
//! which one lies under the pointer, and the same one in every other drawing.

use std::fmt::Write as _;

use super::super::html::text::escape;

/// The drawing is so many units wide and high.
pub(super) const SIZE: f64 = 1000.0;

/// Longer numbers and names stand in the drawing, not beside it.
const BESIDE: usize = 7;
/// From so many dots on they are small, as they lie on each other.
const MANY: usize = 400;

/// A drawing with its axes. Every text is shown as it is.
#[derive(Clone, Debug, Default)]
pub(super) struct Area<'a> {
    pub(super) title: &'a str,
    /// What the title is short for.
    pub(super) full: &'a str,
    /// Of what kind it is, as a class of the style.
    pub(super) class: &'a str,
    /// What the axis upwards is.
    pub(super) upwards: String,
    /// What the axis to the right is.
    pub(super) rightwards: &'a str,
    /// What each ink means, as (class, text).
    pub(super) legend: Vec<(&'static str, String)>,
    /// What the reader should see in it; empty for nothing.
    pub(super) remark: String,
    /// Places from left to right, and what stands there.
    pub(super) x: Vec<(f64, String)>,
    /// Places from bottom to top, and what stands there.
    pub(super) y: Vec<(f64, String)>,
    /// What it shows, for who cannot see it.
    pub(super) description: String,
    /// What is drawn: made by [`dots`], [`line`] and their like.
    pub(super) marks: String,
    /// How high it is, in pixels, if not as its kind.
    pub(super) height: Option<usize>,
}

impl Area<'_> {
    /// The drawing as a figure.
    pub(super) fn draw(&self) -> String {
        let title = escape(self.title);
        let full = if self.full.is_empty() { String::new() } else { format!(" title=\"{}\"", escape(self.full)) };
        let mut html = format!("<figure class=\"chart {}\"><figcaption><h3{full}>{title}</h3>", self.class);
        if !self.upwards.is_empty() {
            let _ = write!(html, "<span class=\"unit\">{}</span>", escape(&self.upwards));
        }
        if !self.legend.is_empty() {
            html += "<span class=\"legend\">";
            for (class, text) in &self.legend {
                let _ = write!(html, "<span class=\"sign {class}\">{}</span>", escape(text));
            }
            html += "</span>";
        }
        if !self.remark.is_empty() {
            let _ = write!(html, "<span class=\"remark\">{}</span>", escape(&self.remark));
        }
        html += "</figcaption>";
        html += &self.area();
        html + "</figure>"
    }

    /// The drawing alone.
    pub(super) fn area(&self) -> String {
        let height = self.height.map_or_else(String::new, |height| format!(" style=\"height:{height}px\""));
        let (title, description) = (escape(self.title), escape(&self.description));
        // Words have no room beside the drawing.
        let inside = if self.y.iter().any(|(_, label)| label.chars().count() > BESIDE) { " inside" } else { "" };
        let mut html = open(&title, inside, &height);
        let mut grid = String::new();
        for (place, label) in &self.y {
            let _ = write!(grid, "M0 {:.1}H{SIZE}", (1.0 - place) * SIZE);
            let at = place * 100.0;
            let _ = write!(html, "<span class=\"y\" style=\"bottom:{at:.2}%\">{}</span>", escape(label));
        }
        for (place, label) in &self.x {
            let _ = write!(html, "<span class=\"x\" style=\"left:{:.2}%\">{}</span>", place * 100.0, escape(label));
        }
        if !self.rightwards.is_empty() {
            let _ = write!(html, "<span class=\"along\">{}</span>", escape(self.rightwards));
        }
        let _ =
            write!(html, "{}<path class=\"grid\" d=\"{grid}\"/>{}</svg></div>", svg(&title, &description), self.marks);
        html
    }
}

/// The beginning of an area, in which the arrow keys lead from trial to trial. All texts are HTML.
pub(super) fn open(title: &str, class: &str, style: &str) -> String {
    format!(
        "<div class=\"area{class}\"{style} tabindex=\"0\" role=\"group\" aria-label=\"{title}: arrow keys lead from trial to trial\">"
    )
}

/// The beginning of a drawing, with words for who cannot see it. Both texts are HTML.
pub(super) fn svg(title: &str, description: &str) -> String {
    format!(
        "<svg viewBox=\"0 0 {SIZE} {SIZE}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{title}. {description}\">"
    )
}

/// A dot for each trial: (number, place to the right, place upwards), both from 0 to 1.
pub(super) fn dots(class: &str, points: impl IntoIterator<Item = (u64, f64, f64)>) -> String {
    let points: Vec<_> = points.into_iter().collect();
    let many = if points.len() > MANY { " many" } else { "" };
    pieces(&format!("dots {class}{many}"), points.into_iter().map(|(number, x, y)| (number, vec![(x, y)])))
}

/// A line for each trial.
pub(super) fn lines(class: &str, lines: impl IntoIterator<Item = (u64, Vec<(f64, f64)>)>) -> String {
    pieces(&format!("curve {class}"), lines)
}

/// A line that belongs to no trial.
pub(super) fn line(class: &str, points: &[(f64, f64)]) -> String {
    let path = path(points);
    if path.is_empty() { path } else { format!("<path class=\"curve {class}\" d=\"{path}\"/>") }
}

fn pieces(class: &str, pieces: impl IntoIterator<Item = (u64, Vec<(f64, f64)>)>) -> String {
    let (mut numbers, mut drawn) = (String::new(), String::new());
    for (number, points) in pieces {
        let path = path(&points);
        if !path.is_empty() {
            let _ = write!(numbers, "{}{number}", if numbers.is_empty() { "" } else { " " });
            drawn += &path;
        }
    }
    if drawn.is_empty() { drawn } else { format!("<path class=\"{class}\" data-n=\"{numbers}\" d=\"{drawn}\"/>") }
}

/// One piece of a path through all points that are numbers; a single one is a dot.
fn path(points: &[(f64, f64)]) -> String {
    let mut path = String::new();
    let mut count = 0;
    for (x, y) in points.iter().filter(|(x, y)| x.is_finite() && y.is_finite()) {
        let (left, top) = (x * SIZE, (1.0 - y) * SIZE);
        let _ = write!(path, "{}{left:.1} {top:.1}", if count == 0 { 'M' } else { 'L' });
        count += 1;
    }
    if count == 1 {
        path += "h0";
    }
    path
}

/// So many shades in a row, from the worst to the best, of a kind that the style knows by a letter.
pub(super) fn shades(letter: char, count: usize) -> String {
    let mut html = "<span class=\"shades\" aria-hidden=\"true\">".to_owned();
    for shade in 0..count {
        let _ = write!(html, "<i class=\"{letter}{shade}\"></i>");
    }
    html + "</span>"
}

/// A sentence in the place of a drawing that has nothing to show.
pub(super) fn instead(title: &str, sentence: &str) -> String {
    let (title, sentence) = (escape(title), escape(sentence));
    format!("<div class=\"chart none\"><h3>{title}</h3><p class=\"why\">{sentence}</p></div>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_not_drawn() {
        assert_eq!(path(&[(0.0, 0.0), (f64::NAN, 1.0), (0.5, f64::INFINITY), (1.0, 1.0)]), "M0.0 1000.0L1000.0 0.0");
        assert_eq!(
            dots("a", [(3, 0.5, 0.25), (4, f64::NAN, 0.0)]),
            "<path class=\"dots a\" data-n=\"3\" d=\"M500.0 750.0h0\"/>"
        );
        assert_eq!(dots("a", []), "");
        assert_eq!(line("a", &[]), "");
    }
}
