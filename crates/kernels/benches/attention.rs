//! How many multiplications and additions a second does attention do? Counted as if every place saw every other one.
//!
//!     cargo bench --bench attention

#![allow(clippy::unwrap_used)]

use divan::counter::ItemsCount;
use kernels::attention::{Attention, backward, forward};

fn main() {
    divan::main();
}

/// Those of the bench `gpt`, of a smaller and of a larger network.
const ALL: [(&str, Attention); 3] = [
    ("16 x 128, 4 heads of 32", Attention { batch: 16, length: 128, heads: 4, features: 32, causal: true }),
    ("64 x 20, 4 heads of 32", Attention { batch: 64, length: 20, heads: 4, features: 32, causal: true }),
    ("2 x 512, 12 heads of 64", Attention { batch: 2, length: 512, heads: 12, features: 64, causal: true }),
];

fn named(name: &str) -> Attention {
    ALL.iter().find(|(known, _)| *known == name).unwrap().1
}

fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|k| (k * 7919 % 1009) as f32 / 500.0 - 1.0).collect()
}

fn projection(attention: Attention) -> Vec<f32> {
    numbers(attention.batch * attention.length * 3 * attention.heads * attention.features)
}

fn operations(attention: Attention, products: usize) -> ItemsCount {
    let Attention { batch, length, heads, features, .. } = attention;
    ItemsCount::new(products * 2 * batch * heads * length * length * features)
}

#[divan::bench(args = ALL.map(|(name, _)| name))]
fn result(bencher: divan::Bencher, name: &str) {
    let attention = named(name);
    let projection = projection(attention);
    bencher.counter(operations(attention, 2)).bench(|| forward(&projection, attention));
}

#[divan::bench(args = ALL.map(|(name, _)| name))]
fn to_projection(bencher: divan::Bencher, name: &str) {
    let attention = named(name);
    let projection = projection(attention);
    let (y, totals) = forward(&projection, attention);
    let gradient = numbers(y.len());
    bencher.counter(operations(attention, 5)).bench(|| backward(&projection, &y, &totals, &gradient, attention));
}
