//! How is told that examples are equal, or nearly so?

use super::report::{Finding, Pair, SHOWN, Severity};
use super::{MISSING, Survey, Targets};
use crate::clean::proposals::Duplicate;
use crate::error::Error;
use crate::split::Part;

/// An example and the one that it repeats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Twin {
    /// The place of the one in the earlier part, or of the earlier one in the same part.
    pub(crate) first: u32,
    /// The place of the one that repeats it.
    pub(crate) second: u32,
    /// 1 where they are equal.
    pub(crate) likeness: f32,
}

impl Survey<'_> {
    /// Two places as twins, in the order in which they are told.
    pub(crate) fn twin(&self, a: u32, b: u32, likeness: f32) -> Twin {
        let key = |place: u32| (self.parts[place as usize] as u8, place);
        let (first, second) = if key(a) <= key(b) { (a, b) } else { (b, a) };
        Twin { first, second, likeness }
    }

    /// Those of a group of equal examples that may be dropped: all but the first one of the latest part of the split, since what
    /// judges a model should stay. Where they have different targets it is for a person to say which of them is right.
    pub(crate) fn droppable(&self, group: &[u32]) -> Result<Vec<Duplicate>, Error> {
        let latest = group.iter().map(|&place| self.parts[place as usize] as u8).max();
        let stays = group.iter().copied().filter(|&place| Some(self.parts[place as usize] as u8) == latest).min();
        let Some(stays) = stays else { return Ok(Vec::new()) };
        let key = |place: u32| self.dataset.key(self.rows[place as usize]);
        let goes =
            group.iter().copied().filter(|&place| place != stays && !self.disagree(&self.twin(stays, place, 1.0)));
        goes.map(|place| Ok(Duplicate { stays: key(stays)?, goes: key(place)?, row: self.rows[place as usize] }))
            .collect()
    }

    /// Whether the two are in different parts of the split.
    pub(crate) fn is_across(&self, twin: &Twin) -> bool {
        self.parts[twin.first as usize] != self.parts[twin.second as usize]
    }

    /// Of each example that repeats others the twin that is most like it, in the order of the examples.
    pub(crate) fn best(mut twins: Vec<Twin>) -> Vec<Twin> {
        twins.sort_by(|a, b| {
            a.second.cmp(&b.second).then(b.likeness.total_cmp(&a.likeness)).then(a.first.cmp(&b.first))
        });
        twins.dedup_by_key(|twin| twin.second);
        twins
    }

    /// The finding that some examples repeat others, none if there are none. `twins` holds one for each example, and `what`
    /// says what they do, with the verb in the singular or in the plural.
    pub(crate) fn repeated(
        &self,
        check: &str,
        (severity, key): (Severity, &str),
        mut twins: Vec<Twin>,
        what: [&str; 2],
    ) -> Option<Finding> {
        let one = twins.first()?;
        let across = self.is_across(one);
        let count = twins.len();
        let differing = twins.iter().filter(|twin| self.disagree(twin)).count();
        // Those that contradict each other are the worst, and then those that are most alike.
        twins.sort_by(|a, b| {
            self.disagree(b)
                .cmp(&self.disagree(a))
                .then(b.likeness.total_cmp(&a.likeness))
                .then(a.second.cmp(&b.second))
        });
        let pairs: Vec<Pair> = twins.iter().take(SHOWN).map(|twin| self.pair(twin)).collect();
        let mut text = format!("{} {}", crate::checks::counted(count, "example"), what[usize::from(count != 1)]);
        if across {
            text = format!("{text} ({})", self.between(&twins));
        }
        if differing > 0 {
            text = format!("{text}, {differing} of them with another target");
        }
        if let Some(Pair { first, second, .. }) = pairs.first() {
            let part = |part: Option<Part>| part.filter(|_| across).map_or(String::new(), |part| format!(" ({part})"));
            text = format!("{text}: {}{} and {}{}", first.id, part(first.part), second.id, part(second.part));
        }
        let finding = Finding::new(check, severity, count, format!("{text}.")).gated(key);
        Some(Finding { pairs, ..finding })
    }

    /// Whether the two have different targets.
    fn disagree(&self, twin: &Twin) -> bool {
        let (first, second) = (twin.first as usize, twin.second as usize);
        match &self.targets {
            Targets::None => false,
            Targets::Classes { of, .. } => of[first] != of[second] && of[first] != MISSING && of[second] != MISSING,
            // Where one is missing there is nothing to disagree about.
            Targets::Numbers(numbers) => (numbers[first] - numbers[second]).abs() > 0.0,
        }
    }

    /// How many examples of which part repeat ones of which other: `3 of test in train`.
    fn between(&self, twins: &[Twin]) -> String {
        let mut counts = [[0_usize; 3]; 3];
        for twin in twins {
            counts[self.parts[twin.second as usize] as usize][self.parts[twin.first as usize] as usize] += 1;
        }
        let told = Part::ALL.iter().flat_map(|&second| Part::ALL.iter().map(move |&first| (first, second)));
        let told = told.filter_map(|(first, second)| match counts[second as usize][first as usize] {
            0 => None,
            count => Some(format!("{count} of {second} in {first}")),
        });
        told.collect::<Vec<_>>().join(", ")
    }

    fn pair(&self, twin: &Twin) -> Pair {
        Pair {
            first: self.sample(twin.first as usize, String::new()),
            second: self.sample(twin.second as usize, String::new()),
            likeness: f64::from(twin.likeness),
        }
    }
}
