//! How is a column looked up in what was fitted?

use data_loader::statistics::NORMAL_QUANTILE;
use data_loader::transforms::quantile::{EDGE, Output, Quantile};
use data_loader::transforms::target_encode::Encodings;

use super::super::constant::{Constant, Elements};
use super::super::graph::Attribute;
use super::super::proto::element;
use super::{Around, Block, Kind, cast};

impl Around<'_> {
    /// The means of the target where a category stood, one column each.
    pub(super) fn mean_of(&mut self, column: &str, names: Vec<String>, means: &Encodings) {
        let known: Vec<String> = means.categories.keys().cloned().collect();
        let never = ["\u{0}".to_owned()];
        let known = if known.is_empty() { &never[..] } else { &known };
        let Some((at, equal)) = self.equal(column, known, element::F64) else { return };
        let axis = self.graph.hold("[1]", Constant::integers(vec![1]));
        let keep = || vec![("keepdims", Attribute::Int(1))];
        let any = self.add("ReduceSum", column, vec![equal.clone(), axis.clone()], keep());
        let half = self.numbers(&format!("{column}.half"), vec![0.5]);
        let is_known = self.add("Greater", column, vec![any, half], Vec::new());
        let mut each = Vec::new();
        for place in 0..names.len() {
            let mean = |means: &Vec<f64>| means.get(place).copied().unwrap_or(f64::NAN);
            let row = known.iter().map(|category| means.categories.get(category).map_or(0.0, mean)).collect();
            let row = self.numbers(&format!("{column}.means"), row);
            let picked = self.add("Mul", column, vec![equal.clone(), row], Vec::new());
            let picked = self.add("ReduceSum", column, vec![picked, axis.clone()], keep());
            let other = self.numbers(&format!("{column}.unknown"), vec![mean(&means.unknown)]);
            each.push(self.add("Where", column, vec![is_known.clone(), picked, other], Vec::new()));
        }
        let value = match each.as_slice() {
            [only] => only.clone(),
            _ => self.add("Concat", column, each, vec![("axis", Attribute::Int(1))]),
        };
        self.blocks[at] = Block { names, kind: Kind::Numbers, value };
    }

    /// The place of each number among the quantiles.
    pub(super) fn quantile(&mut self, fitted: &Quantile) {
        for at in 0..self.blocks.len() {
            let block = self.blocks[at].clone();
            // Columns that others made stand side by side, and none of them alone is looked up.
            let [name] = block.names.as_slice() else { continue };
            let Some((_, quantiles)) = fitted.quantiles.0.iter().find(|(known, _)| known == name) else { continue };
            if block.kind != Kind::Numbers {
                continue;
            }
            self.blocks[at].value = match fitted.output {
                Output::Uniform => self.place(name, &block.value, quantiles, 0.0),
                Output::Normal => {
                    let place = self.place(name, &block.value, quantiles, EDGE);
                    self.normal_quantile(name, place)
                }
            };
        }
    }

    fn binary(&mut self, operator: &'static str, label: &str, a: &str, b: &str) -> String {
        self.add(operator, label, vec![a.to_owned(), b.to_owned()], Vec::new())
    }

    fn either(&mut self, label: &str, condition: &str, a: &str, b: &str) -> String {
        self.add("Where", label, vec![condition.to_owned(), a.to_owned(), b.to_owned()], Vec::new())
    }

    /// The share of the quantiles that lie below `x`, as `transforms::quantile` has it; what is no number stays so.
    fn place(&mut self, label: &str, x: &str, quantiles: &[f64], edge: f64) -> String {
        let number = |around: &mut Self, value: f64| around.numbers(&format!("{label}.number"), vec![value]);
        let (zero, half, one) = (number(self, 0.0), number(self, 0.5), number(self, 1.0));
        let (Some(first), Some(last)) = (quantiles.first(), quantiles.last()) else {
            let there = self.is_number(label, x.to_owned());
            return self.either(label, &there, &half, x);
        };
        let row = Constant { shape: vec![1, quantiles.len()], elements: Elements::F64(quantiles.to_vec()) };
        let row = self.graph.hold(&format!("{label}.quantiles"), row);
        let flat = self.numbers(&format!("{label}.quantiles"), quantiles.to_vec());
        let axis = self.graph.hold("[1]", Constant::integers(vec![1]));
        let counted = |around: &mut Self, which: String| {
            let which = around.add("Cast", label, vec![which], cast(element::F64));
            around.add("ReduceSum", label, vec![which, axis.clone()], vec![("keepdims", Attribute::Int(1))])
        };
        let is_below = self.binary("Less", label, &row, x);
        let is_above = self.binary("Greater", label, &row, x);
        let (below, above) = (counted(self, is_below), counted(self, is_above));
        let count = number(self, quantiles.len() as f64);
        let up_to = self.binary("Sub", label, &count, &above);
        let step = number(self, 1.0 / (quantiles.len() - 1).max(1) as f64);
        // On quantiles: the middle between the first and the last that are equal.
        let last_of_run = self.binary("Sub", label, &up_to, &one);
        let both = self.binary("Add", label, &below, &last_of_run);
        let middle = self.binary("Mul", label, &both, &half);
        let on = self.binary("Mul", label, &middle, &step);
        // Between two: interpolated. What lies outside of all is looked up where there is something, and not used.
        let before = self.binary("Sub", label, &below, &one);
        let picked = |around: &mut Self, place: &str| {
            let most = around.numbers(&format!("{label}.number"), vec![(quantiles.len() - 1) as f64]);
            let low = around.binary("Max", label, place, &zero);
            let within = around.binary("Min", label, &low, &most);
            let within = around.add("Cast", label, vec![within], cast(element::I64));
            around.add("Gather", label, vec![flat.clone(), within], vec![("axis", Attribute::Int(0))])
        };
        let (low, high) = (picked(self, &before), picked(self, &below));
        let (over, gap) = (self.binary("Sub", label, x, &low), self.binary("Sub", label, &high, &low));
        let share = self.binary("Div", label, &over, &gap);
        let sum = self.binary("Add", label, &before, &share);
        let between = self.binary("Mul", label, &sum, &step);
        let is_on = self.binary("Less", label, &below, &up_to);
        let mut value = self.either(label, &is_on, &on, &between);
        // Beyond the outermost ones, or within `edge` of them, it is their place; the first comes before the last.
        for (bound, operator, toward, place) in [(*last, "Greater", edge, &one), (*first, "Less", -edge, &zero)] {
            let (bound, toward) = (number(self, bound), number(self, toward));
            let moved = self.binary("Add", label, x, &toward);
            let beyond = self.binary(operator, label, &moved, &bound);
            let equal = self.binary("Equal", label, x, &bound);
            let outside = self.binary("Or", label, &beyond, &equal);
            value = self.either(label, &outside, place, &value);
        }
        let there = self.is_number(label, x.to_owned());
        self.either(label, &there, &value, x)
    }

    /// `statistics::normal_quantile` of what lies within its bounds.
    fn normal_quantile(&mut self, label: &str, place: String) -> String {
        let number = |around: &mut Self, value: f64| around.numbers(&format!("{label}.number"), vec![value]);
        let bound = EDGE - f64::EPSILON;
        let (low, high) = (number(self, bound), number(self, 1.0 - bound));
        let p = self.binary("Max", label, &place, &low);
        let p = self.binary("Min", label, &p, &high);
        let (half, one, zero) = (number(self, 0.5), number(self, 1.0), number(self, 0.0));
        let q = self.binary("Sub", label, &p, &half);
        let [centre, near, far] = NORMAL_QUANTILE;
        let squared = self.binary("Mul", label, &q, &q);
        let most = number(self, 0.180_625);
        let r = self.binary("Sub", label, &most, &squared);
        let inner = self.rational(label, &r, centre);
        let inner = self.binary("Mul", label, &q, &inner);
        let is_low = self.binary("Less", label, &q, &zero);
        let rest = self.binary("Sub", label, &one, &p);
        let tail = self.either(label, &is_low, &p, &rest);
        let log = self.add("Log", label, vec![tail], Vec::new());
        let log = self.add("Neg", label, vec![log], Vec::new());
        let r = self.add("Sqrt", label, vec![log], Vec::new());
        let sides = [(1.6, near), (5.0, far)].map(|(from, rational)| {
            let from = number(self, from);
            let x = self.binary("Sub", label, &r, &from);
            self.rational(label, &x, rational)
        });
        let five = number(self, 5.0);
        let is_far = self.binary("Greater", label, &r, &five);
        let outer = self.either(label, &is_far, &sides[1], &sides[0]);
        let turned = self.add("Neg", label, vec![outer.clone()], Vec::new());
        let outer = self.either(label, &is_low, &turned, &outer);
        let size = self.add("Abs", label, vec![q], Vec::new());
        let border = number(self, 0.425);
        let is_outer = self.binary("Greater", label, &size, &border);
        let value = self.either(label, &is_outer, &outer, &inner);
        let there = self.is_number(label, place.clone());
        self.either(label, &there, &value, &place)
    }

    /// One polynomial of `x` divided by another, the highest power first.
    fn rational(&mut self, label: &str, x: &str, [above, below]: [[f64; 8]; 2]) -> String {
        let [above, below] = [above, below].map(|coefficients| {
            let mut sum = self.numbers(&format!("{label}.coefficient"), vec![coefficients[0]]);
            for coefficient in &coefficients[1..] {
                let coefficient = self.numbers(&format!("{label}.coefficient"), vec![*coefficient]);
                let times = self.binary("Mul", label, &sum, x);
                sum = self.binary("Add", label, &times, &coefficient);
            }
            sum
        });
        self.binary("Div", label, &above, &below)
    }
}
