//! Which images look alike?

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::alignment::likeness;
use crate::random::Random;
use crate::survey::banding::candidates;
use crate::survey::{ImageFacts, Progress};

/// The correlation of their small pictures from which on two images are nearly equal.
pub const CORRELATION: f32 = 0.99;
/// The correlation of their coarse pictures from which on two images are looked at more closely.
const COARSE: f32 = 0.9;
/// Up to so many images are compared each with each.
pub const EACH_WITH_EACH: usize = 100_000;
/// How many images are compared with how many at once: both blocks stay in the cache.
const BLOCK: usize = 512;
/// No more pairs than these are kept: data in which everything looks alike is told by the first million.
const MOST: usize = 1_000_000;
/// Bands, and bits in each, of the sides of random planes on which a coarse picture lies. Pictures that correlate with 0.97 agree
/// in a bit with probability 0.92, and in one band of the 24 at least with 0.998.
const BANDS: usize = 24;
const BITS: usize = 16;
/// Keeps the planes apart from the random streams of everything else.
const STREAM: u64 = 0x706c_616e_6573;

/// Adds pairs of places whose images look alike, and says what was left out. Up to `few` images are compared each with each.
pub(super) fn compare(
    images: &[ImageFacts],
    few: usize,
    seed: u64,
    progress: Progress<'_>,
    pairs: &mut Vec<(u32, u32, f32)>,
    remarks: &mut Vec<String>,
) {
    let alike = |a: u32, b: u32| {
        let (first, second) = (&images[a as usize], &images[b as usize]);
        if first.coarse_likeness(second) < COARSE {
            return None;
        }
        let likeness = likeness(first, second, CORRELATION)?;
        first.colours_agree(second).then_some((a, b, likeness))
    };
    let found = if images.len() <= few {
        each_with_each(images.len(), &alike, progress)
    } else {
        let keys = planes(images, seed);
        let mut found = Vec::new();
        let key = |band: usize, place: usize| Some(u64::from(keys[place][band]));
        let large = candidates(images.len(), BANDS, key, |a, b| found.extend(alike(a, b)));
        remarks.push(format!(
            "Of more than {few} images those were compared that agree in {BITS} bits{}.",
            if large { "; in large groups of such images each with some of the others only" } else { "" }
        ));
        found
    };
    if found.len() >= MOST {
        remarks.push(format!("Only the first {MOST} pairs of images were kept."));
    }
    pairs.extend(found.into_iter().take(MOST));
}

/// Compares each with each, by several threads; the order of the result does not depend on them.
fn each_with_each(
    count: usize,
    alike: &(dyn Fn(u32, u32) -> Option<(u32, u32, f32)> + Sync),
    progress: Progress<'_>,
) -> Vec<(u32, u32, f32)> {
    let blocks = count.div_ceil(BLOCK);
    // Every pair of blocks once; long rows first, so that threads end together.
    let next = AtomicUsize::new(0);
    let kept = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        loop {
            let row = next.fetch_add(1, Ordering::Relaxed);
            if row >= blocks {
                return;
            }
            let mut found = Vec::new();
            for column in row..blocks {
                for a in row * BLOCK..count.min((row + 1) * BLOCK) {
                    let from = (column * BLOCK).max(a + 1);
                    found.extend((from..count.min((column + 1) * BLOCK)).filter_map(|b| alike(a as u32, b as u32)));
                }
                if found.len() >= MOST {
                    break;
                }
            }
            // A thread that panicked has lost its own pairs only, and the panic goes on when the scope ends.
            kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend(found);
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        loop {
            let done = next.load(Ordering::Relaxed).min(blocks);
            progress("comparing images", done, blocks);
            if done >= blocks {
                break;
            }
            if workers.is_empty() {
                work();
            } else {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        }
    });
    let mut kept = kept.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    kept.sort_unstable_by_key(|&(a, b, _)| (a, b));
    kept
}

/// For each image the sides of random planes on which its coarse picture lies, [`BITS`] to a band.
fn planes(images: &[ImageFacts], seed: u64) -> Vec<[u16; BANDS]> {
    let mut random = Random::derive(&[STREAM, seed]);
    let axes = images.first().map_or(0, |image| image.coarse.len());
    let planes: Vec<Vec<i32>> = (0..BANDS * BITS).map(|_| (0..axes).map(|_| gaussian(&mut random)).collect()).collect();
    let side = |image: &ImageFacts, plane: &[i32]| {
        image.coarse.iter().zip(plane).map(|(&a, &b)| i64::from(a) * i64::from(b)).sum::<i64>() > 0
    };
    let key = |image: &ImageFacts, band: usize| {
        (0..BITS).fold(0, |key, bit| key << 1 | u16::from(side(image, &planes[band * BITS + bit])))
    };
    images.iter().map(|image| std::array::from_fn(|band| key(image, band))).collect()
}

/// A number that is nearly normal with the standard deviation 1000: the sum of twelve even ones.
fn gaussian(random: &mut Random) -> i32 {
    let sum: f64 = (0..12).map(|_| random.unit()).sum();
    ((sum - 6.0) * 1000.0) as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::Image;

    /// A picture of soft spots, drawn from a seed, and `lighter` by so many greys.
    fn picture(seed: u64, lighter: i32) -> ImageFacts {
        let mut random = Random::derive(&[seed, 1]);
        let spots: Vec<[f64; 4]> = (0..9).map(|_| std::array::from_fn(|_| random.unit())).collect();
        let grey = |x: f64, y: f64| {
            let spot = |&[cx, cy, size, sign]: &[f64; 4]| {
                let distance = ((x - cx).powi(2) + (y - cy).powi(2)) / (0.01 + 0.05 * size);
                (-distance).exp() * (sign - 0.5) * 160.0
            };
            128.0 + spots.iter().map(spot).sum::<f64>()
        };
        let pixels = (0..40 * 40).map(|at| {
            let (x, y) = ((at % 40) as f64 / 40.0, (at / 40) as f64 / 40.0);
            (grey(x, y).round() as i32 + lighter + at % 3).clamp(0, 255) as u8
        });
        ImageFacts::of(&Image { channels: 1, height: 40, width: 40, pixels: pixels.collect() })
    }

    #[test]
    fn bands_find_what_each_with_each_finds() {
        let images: Vec<ImageFacts> =
            (0..1500).map(|seed| picture(seed % 1200, if seed < 1200 { 0 } else { 12 })).collect();
        let found = |few: usize| {
            let (mut pairs, mut remarks) = (Vec::new(), Vec::new());
            compare(&images, few, 5, &mut |_, _, _| {}, &mut pairs, &mut remarks);
            pairs.sort_unstable_by_key(|&(a, b, _)| (a, b));
            pairs.dedup_by_key(|&mut (a, b, _)| (a, b));
            (pairs.into_iter().map(|(a, b, _)| (a, b)).collect::<Vec<_>>(), remarks)
        };
        let (all, silent) = found(EACH_WITH_EACH);
        let (banded, said) = found(100);
        assert!(silent.is_empty() && said[0].contains("agree in 16 bits"), "{said:?}");
        let planted =
            |pairs: &[(u32, u32)]| (0..300).filter(|&at| pairs.binary_search(&(at, at + 1200)).is_ok()).count();
        assert_eq!(planted(&all), 300);
        assert!(planted(&banded) >= 295, "{}", planted(&banded));
        assert!(banded.iter().all(|pair| all.binary_search(pair).is_ok()), "bands find nothing of their own");
        assert!(banded.len() * 100 >= all.len() * 95, "{} of {}", banded.len(), all.len());
    }
}
