//! What is kept of an image? Size, brightness, contrast, sharpness, and a small picture by which images that look alike are
//! found.
//!
//! The small picture has 32 x 32 greys. Of a drawing, most of which is empty ground of one grey, it shows the part in which
//! something is: a window around the centre of all that differs from the ground, as wide as that is spread. A copy that was
//! shifted, scaled or trimmed has its window at the same things. Of a photograph, which fills its frame, it shows the whole.

use crate::example::Image;

/// The side of the small picture.
pub(crate) const SIDE: usize = 32;
/// The side of the coarse picture that finds candidates.
const COARSE: usize = 8;
/// The side of the picture of colours.
const TINTS: usize = 4;
/// Below this mean distance from grey an image has no colour to be compared.
const COLOURLESS: f32 = 3.0;
/// The cosine of their colours from which on two images have the same.
const SAME_COLOURS: f32 = 0.7;
/// Larger images are reduced to this side before they are looked at, each pixel the mean of what it covers.
const REDUCED: usize = 96;
/// The length of the coarse picture as a vector, in units of its whole numbers.
const UNIT: f32 = 1024.0;
/// From this share of pixels of the median grey on, an image is a drawing on a ground.
const GROUND: f64 = 0.5;
/// Each cell of the small picture is the mean of so many samples squared.
const SAMPLES: usize = 3;
/// Below this standard deviation in greys there is nothing in a picture that could be compared.
pub(crate) const FLAT: f32 = 2.0;

/// What is kept of an image.
#[derive(Clone, Debug)]
pub(crate) struct ImageFacts {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// The mean grey, 0 to 255.
    pub(crate) brightness: f32,
    /// The standard deviation of the greys.
    pub(crate) contrast: f32,
    /// The variance of the Laplacian over the variance of the greys: small where edges are blurred.
    pub(crate) sharpness: f32,
    /// The small picture.
    pub(crate) small: [u8; SIDE * SIDE],
    /// Mean and standard deviation of the small picture.
    pub(crate) small_mean: f32,
    pub(crate) small_std: f32,
    /// The centre of its window, and half its side, in parts of the frame.
    pub(crate) centre: [f32; 2],
    pub(crate) half: f32,
    /// Whether the window is not the whole frame.
    pub(crate) is_drawing: bool,
    /// The coarse picture without its mean, with the length [`UNIT`]; nothing but zeros where there is nothing to compare.
    pub(crate) coarse: [i16; COARSE * COARSE],
    /// How blue and how red each of 4 x 4 parts of the frame is, from -127 to 127.
    pub(crate) tints: [i8; TINTS * TINTS * 2],
}

/// A grey picture.
struct Grey {
    width: usize,
    height: usize,
    pixels: Vec<f32>,
}

impl ImageFacts {
    pub(crate) fn of(image: &Image) -> Self {
        let grey = Grey::of(image);
        let (brightness, contrast) = mean_and_std(&grey.pixels);
        let laplacian = grey.laplacian();
        let edges = mean_and_std(&laplacian).1;
        let sharpness = if contrast > 0.0 { (edges / contrast).powi(2) } else { 0.0 };
        let (window, centre, half) = grey.reduced().window();
        let small: [u8; SIDE * SIDE] = std::array::from_fn(|at| window[at].clamp(0.0, 255.0).round() as u8);
        let (small_mean, small_std) = mean_and_std(&small.map(f32::from));
        let step = SIDE / COARSE;
        let mut coarse: [f32; COARSE * COARSE] = std::array::from_fn(|at| {
            let (top, left) = (at / COARSE * step, at % COARSE * step);
            let cells = (0..step * step).map(|cell| window[(top + cell / step) * SIDE + left + cell % step]);
            cells.sum::<f32>() / (step * step) as f32
        });
        let (mean, std) = mean_and_std(&coarse);
        let length = std * COARSE as f32;
        for value in &mut coarse {
            *value = if std < FLAT { 0.0 } else { (*value - mean) / length * UNIT };
        }
        Self {
            width: image.width as u32,
            height: image.height as u32,
            brightness,
            contrast,
            sharpness,
            small,
            small_mean,
            small_std,
            centre,
            half,
            is_drawing: half != 0.5,
            coarse: coarse.map(|value| value.round() as i16),
            tints: tints(image),
        }
    }

    /// Whether both are of the same colours. A grey copy may be one of anything.
    pub(crate) fn colours_agree(&self, other: &Self) -> bool {
        let product = |a: &Self, b: &Self| -> f32 {
            a.tints.iter().zip(&b.tints).map(|(&a, &b)| f32::from(a) * f32::from(b)).sum()
        };
        let (own, others) = (product(self, self).sqrt(), product(other, other).sqrt());
        let least = COLOURLESS * TINTS as f32;
        own < least || others < least || product(self, other) >= SAME_COLOURS * own * others
    }

    /// How alike the coarse pictures are: their correlation, to within 0.01.
    pub(crate) fn coarse_likeness(&self, other: &Self) -> f32 {
        let dot: i32 = self.coarse.iter().zip(&other.coarse).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum();
        dot as f32 / (UNIT * UNIT)
    }

    /// How alike the small pictures are: their correlation, which brightness and contrast do not change.
    pub(crate) fn likeness(&self, other: &Self) -> f32 {
        if self.small_std < FLAT || other.small_std < FLAT {
            return 0.0;
        }
        let dot: u32 = self.small.iter().zip(&other.small).map(|(&a, &b)| u32::from(a) * u32::from(b)).sum();
        let covariance = dot as f32 / (SIDE * SIDE) as f32 - self.small_mean * other.small_mean;
        covariance / (self.small_std * other.small_std)
    }
}

/// The mean blue and red difference of each part of the frame, by the weights of ITU-R BT.601.
fn tints(image: &Image) -> [i8; TINTS * TINTS * 2] {
    let mut sums = [[0.0_f32; 3]; TINTS * TINTS];
    if image.channels == 3 && image.width > 0 {
        for (at, &[r, g, b]) in image.pixels.as_chunks::<3>().0.iter().enumerate() {
            let (y, x) = (at / image.width, at % image.width);
            let part = (y * TINTS / image.height).min(TINTS - 1) * TINTS + x * TINTS / image.width;
            let [r, g, b] = [r, g, b].map(f32::from);
            let sum = &mut sums[part];
            sum[0] += -0.169 * r - 0.331 * g + 0.5 * b;
            sum[1] += 0.5 * r - 0.419 * g - 0.081 * b;
            sum[2] += 1.0;
        }
    }
    std::array::from_fn(|at| {
        let sum = sums[at / 2];
        (sum[at % 2] / sum[2].max(1.0)).round() as i8
    })
}

impl Grey {
    /// The luma of an image, by the weights of ITU-R BT.601.
    fn of(image: &Image) -> Self {
        let size = image.width * image.height;
        let pixels = match image.channels {
            3 => image
                .pixels
                .as_chunks::<3>()
                .0
                .iter()
                .map(|&[r, g, b]| 0.299 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b))
                .collect(),
            _ => image.pixels.iter().take(size).map(|&pixel| f32::from(pixel)).collect(),
        };
        Self { width: image.width, height: image.height, pixels }
    }

    /// The difference of each inner pixel from the mean of its four neighbours, four times.
    fn laplacian(&self) -> Vec<f32> {
        let (w, h) = (self.width, self.height);
        let mut found = Vec::new();
        for y in 1..h.saturating_sub(1) {
            for x in 1..w.saturating_sub(1) {
                let at = y * w + x;
                let p = &self.pixels;
                found.push(p[at - 1] + p[at + 1] + p[at - w] + p[at + w] - 4.0 * p[at]);
            }
        }
        found
    }

    /// The same, at most [`REDUCED`] pixels wide and high, each the mean of the area that it covers.
    fn reduced(self) -> Self {
        let (w, h) = (self.width.min(REDUCED), self.height.min(REDUCED));
        if (w, h) == (self.width, self.height) {
            return self;
        }
        let rows = shares(self.height, h);
        let columns = shares(self.width, w);
        let mut pixels = vec![0.0; w * h];
        let mut line = vec![0.0; w];
        for (y, row) in rows.iter().enumerate() {
            for &(from, weight) in row {
                let source = &self.pixels[from * self.width..(from + 1) * self.width];
                for (value, column) in line.iter_mut().zip(&columns) {
                    *value = column.iter().map(|&(at, share)| source[at] * share).sum();
                }
                pixels[y * w..(y + 1) * w].iter_mut().zip(&line).for_each(|(pixel, value)| *pixel += value * weight);
            }
        }
        Self { width: w, height: h, pixels }
    }

    /// The small picture: the mean grey of each cell of a window around what is in the picture; and where the window is.
    fn window(&self) -> (Vec<f32>, [f32; 2], f32) {
        if self.pixels.is_empty() || self.width == 0 || self.height == 0 {
            return (vec![0.0; SIDE * SIDE], [0.5; 2], 0.5);
        }
        let mut sorted = self.pixels.clone();
        let middle = sorted.len() / 2;
        let median = *sorted.select_nth_unstable_by(middle, f32::total_cmp).1;
        // What differs from the median by less than noise would pull the window to the middle of the frame.
        let noise = 0.25 * mean_and_std(&self.pixels).1;
        let (mut mass, mut x1, mut y1, mut x2, mut y2) = (0.0_f64, 0.0, 0.0, 0.0, 0.0);
        for (at, &pixel) in self.pixels.iter().enumerate() {
            let weight = f64::from(((pixel - median).abs() - noise).max(0.0).powi(2));
            let x = ((at % self.width) as f64 + 0.5) / self.width as f64;
            let y = ((at / self.width) as f64 + 0.5) / self.height as f64;
            mass += weight;
            x1 += weight * x;
            y1 += weight * y;
            x2 += weight * x * x;
            y2 += weight * y * y;
        }
        let empty = self.pixels.iter().filter(|&&pixel| (pixel - median).abs() <= noise).count();
        let (mut x, mut y, mut half) = (0.5, 0.5, 0.5);
        if mass > 0.0 && empty as f64 >= GROUND * self.pixels.len() as f64 {
            (x, y) = (x1 / mass, y1 / mass);
            let spread = (x2 / mass - x * x + y2 / mass - y * y).max(0.0).sqrt();
            // Of evenly spread contents the window is a little more than the whole frame.
            half = (1.4 * spread).clamp(0.05, 0.6);
        }
        let mut window = vec![0.0; SIDE * SIDE];
        for (at, cell) in window.iter_mut().enumerate() {
            for sample in 0..SAMPLES * SAMPLES {
                let place = |cell: usize, sample: usize| {
                    (cell as f64 + (sample as f64 + 0.5) / SAMPLES as f64) / SIDE as f64 * 2.0 - 1.0
                };
                let sx = x + half * place(at % SIDE, sample % SAMPLES);
                let sy = y + half * place(at / SIDE, sample / SAMPLES);
                *cell += self.at(sx, sy);
            }
            *cell /= (SAMPLES * SAMPLES) as f32;
        }
        (window, [x as f32, y as f32], half as f32)
    }

    /// The grey at a place of the frame, from 0 to 1, between the pixels around it; outside as at the nearest edge.
    fn at(&self, x: f64, y: f64) -> f32 {
        let split = |place: f64, size: usize| {
            let place = (place * size as f64 - 0.5).clamp(0.0, (size - 1) as f64);
            let below = place as usize;
            (below, (below + 1).min(size - 1), (place - below as f64) as f32)
        };
        let (left, right, u) = split(x, self.width);
        let (top, bottom, v) = split(y, self.height);
        let row = |y: usize| {
            let line = y * self.width;
            self.pixels[line + left] * (1.0 - u) + self.pixels[line + right] * u
        };
        row(top) * (1.0 - v) + row(bottom) * v
    }
}

/// For each of `to` cells the pixels of `from` that it covers, with their shares, which add up to 1.
fn shares(from: usize, to: usize) -> Vec<Vec<(usize, f32)>> {
    let width = from as f64 / to as f64;
    let cell = |cell: usize| {
        let (start, end) = (cell as f64 * width, (cell + 1) as f64 * width);
        let covered = (start as usize)..(end.ceil() as usize).min(from);
        let share = |pixel: usize| (end.min((pixel + 1) as f64) - start.max(pixel as f64)).max(0.0) / width;
        covered.map(|pixel| (pixel, share(pixel) as f32)).collect()
    };
    (0..to).map(cell).collect()
}

fn mean_and_std(values: &[f32]) -> (f32, f32) {
    if values.is_empty() {
        return (0.0, 0.0);
    }
    let n = values.len() as f64;
    let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / n;
    let variance = values.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>() / n;
    (mean as f32, variance.sqrt() as f32)
}
