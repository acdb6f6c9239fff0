//! Each float kept and scaled up, or set to 0, by chance that can be had again from two numbers.
//!
//! Srivastava et al., "Dropout", 2014. The chance is Philox4x32-10 (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", 2011): a
//! function of a key and a place, so that no mask is kept for the gradient, and no bit depends on who computes which part.

use rayon::prelude::*;

use crate::fresh::{Shared, written};
use crate::lanes::{WIDTH, widest};
use crate::threads::least_of_floats;

/// Numbers that come of one counter.
const WORDS: usize = 4;
/// Floats that belong to a vector of counters.
const BLOCK: usize = WORDS * WIDTH;
/// So many floats are worth a task of their own.
const TASK: usize = 1 << 14;
/// The numbers of one word of each counter of a vector.
type Lanes = [u32; WIDTH];

/// `x` with each float set to 0 with the given probability, from 0 to below 1, and the others divided by that of staying; the gradient goes
/// back the same way, by the same key. What is no number or infinite becomes no number where it is not kept.
///
/// # Panics
/// If the probability is another one.
pub fn dropout(x: &[f32], probability: f64, key: [u32; 2]) -> Vec<f32> {
    assert!((0.0..1.0).contains(&probability), "a probability of {probability}");
    let least = (probability * 2.0_f64.powi(32)).round().min(f64::from(u32::MAX)) as u32;
    let scale = (1.0 / (1.0 - probability)) as f32;
    // SAFETY: the tasks write every place between them, each those from its start to the next one's.
    #[expect(unsafe_code, reason = "see above")]
    unsafe {
        written(x.len(), |result| {
            (0..x.len().div_ceil(TASK)).into_par_iter().with_min_len(least_of_floats(TASK)).for_each(|task| {
                let start = task * TASK;
                let part = &x[start..(start + TASK).min(x.len())];
                thin_widest(part, least, scale, key, result, start);
            });
        })
    }
}

widest!(fn thin_widest(x: &[f32], least: u32, scale: f32, key: [u32; 2], result: Shared, start: usize) = thin);

#[inline(always)]
fn thin(x: &[f32], least: u32, scale: f32, key: [u32; 2], result: Shared, start: usize) {
    for (block, part) in x.chunks(BLOCK).enumerate() {
        let first = start + block * BLOCK;
        let counter = (first / WORDS) as u64;
        let words = philox(std::array::from_fn(|lane| counter + lane as u64), key);
        let mut factors = [0.0_f32; BLOCK];
        for (factors, word) in factors.as_chunks_mut::<WIDTH>().0.iter_mut().zip(&words) {
            for lane in 0..WIDTH {
                factors[lane] = if word[lane] < least { 0.0 } else { scale };
            }
        }
        let to = result.at(first, part.len());
        for (place, (x, factor)) in part.iter().zip(&factors).enumerate() {
            // SAFETY: `place` is below the length of the part, for which there is room, and nobody else writes there.
            #[expect(unsafe_code, reason = "see above")]
            unsafe {
                to.add(place).write(x * factor);
            }
        }
    }
}

/// Four numbers for each counter.
#[inline(always)]
fn philox(counters: [u64; WIDTH], [mut k0, mut k1]: [u32; 2]) -> [Lanes; WORDS] {
    /// The factors and the steps of the key, as in the paper.
    const M: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
    const STEPS: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
    const ROUNDS: usize = 10;
    let mut words: [Lanes; WORDS] =
        [counters.map(|c| c as u32), counters.map(|c| (c >> 32) as u32), [0; WIDTH], [0; WIDTH]];
    for _ in 0..ROUNDS {
        let mut next = [[0_u32; WIDTH]; WORDS];
        for lane in 0..WIDTH {
            let first = u64::from(words[0][lane]) * u64::from(M[0]);
            let second = u64::from(words[2][lane]) * u64::from(M[1]);
            next[0][lane] = (second >> 32) as u32 ^ words[1][lane] ^ k0;
            next[1][lane] = second as u32;
            next[2][lane] = (first >> 32) as u32 ^ words[3][lane] ^ k1;
            next[3][lane] = first as u32;
        }
        words = next;
        k0 = k0.wrapping_add(STEPS[0]);
        k1 = k1.wrapping_add(STEPS[1]);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::numbers;

    /// Of the tables of known answers that come with the authors' own library, the line of zeros; and of a counter that takes both words,
    /// what 64 bits of arithmetic give.
    #[test]
    fn numbers_are_those_of_philox() {
        let mut counters = [0; WIDTH];
        counters[1] = 0x0000_0005_ffff_fff0;
        let words = philox(counters, [0, 0]);
        assert_eq!(words.map(|word| word[0]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        for (lane, counter) in counters.into_iter().enumerate().take(2) {
            for key in [[0, 0], [0xa409_3822, 0x299f_31d0]] {
                assert_eq!(philox(counters, key).map(|word| word[lane]), by_hand(counter, key));
            }
        }
    }

    fn by_hand(counter: u64, key: [u32; 2]) -> [u32; 4] {
        let mut c = [counter & 0xffff_ffff, counter >> 32, 0, 0];
        let mut k = key.map(u64::from);
        for _ in 0..10 {
            let (a, b) = (0xD251_1F53 * c[0], 0xCD9E_8D57 * c[2]);
            c = [(b >> 32) ^ c[1] ^ k[0], b & 0xffff_ffff, (a >> 32) ^ c[3] ^ k[1], a & 0xffff_ffff];
            k = [(k[0] + 0x9E37_79B9) & 0xffff_ffff, (k[1] + 0xBB67_AE85) & 0xffff_ffff];
        }
        c.map(|word| word as u32)
    }

    #[test]
    fn as_many_are_dropped_as_was_said_and_the_others_are_scaled() {
        for (count, probability) in [(200_003, 0.1), (200_003, 0.5), (70_000, 0.97), (1000, 0.0), (0, 0.3)] {
            let x = numbers(count, 3);
            let y = dropout(&x, probability, [7, 8]);
            let scale = (1.0 / (1.0 - probability)) as f32;
            assert!(x.iter().zip(&y).all(|(x, y)| *y == 0.0 || *y == x * scale));
            let dropped = y.iter().filter(|y| **y == 0.0).count() as f64;
            let (wanted, spread) =
                (count as f64 * probability, (count as f64 * probability * (1.0 - probability)).sqrt());
            assert!((dropped - wanted).abs() <= 4.5 * spread, "{dropped} of {count}, not {wanted}");
        }
    }

    /// Whether two neighbours, two words of a counter, and two keys fall together as seldom as they should.
    #[test]
    fn what_is_dropped_is_independent() {
        let count = 1 << 18;
        let mask =
            |key: [u32; 2]| -> Vec<bool> { dropout(&vec![1.0; count], 0.5, key).iter().map(|y| *y == 0.0).collect() };
        let (one, other, third) = (mask([1, 0]), mask([2, 0]), mask([1, 1]));
        let together = |a: &[bool], b: &[bool]| a.iter().zip(b).filter(|(a, b)| a == b).count() as f64;
        for (name, both) in [
            ("neighbours", together(&one[1..], &one[..count - 1])),
            ("words", together(&one[WIDTH..], &one[..count - WIDTH])),
            ("blocks", together(&one[BLOCK..], &one[..count - BLOCK])),
            ("keys", together(&one, &other)),
            ("second keys", together(&one, &third)),
        ] {
            let off = (both - count as f64 / 2.0) / (count as f64 / 4.0).sqrt();
            assert!(off.abs() < 4.5, "{name}: {off} deviations");
        }
    }

    #[test]
    fn what_is_no_number_stays_none() {
        let y = dropout(&[f32::NAN; 64], 0.5, [0, 0]);
        assert!(y.iter().all(|y| y.is_nan()));
    }
}
