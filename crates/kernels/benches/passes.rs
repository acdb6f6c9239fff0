//! How many bytes a second do operations read and write that go over every float a few times, and what could the machine do?
//!
//!     cargo bench --bench passes
//!
//! What must be read and written is counted once; `ceilings` says how fast memory can be copied, and how many multiplications and
//! additions (`Gitem/s`) the processor does at most, by which the other benches can be judged. Sizes are those of `firebox bench`.

#![allow(clippy::unwrap_used)]
#![expect(clippy::inline_always, reason = "what is not inlined is compiled for any processor")]

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};

/// That of the program: with another one fresh pages would be measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}

fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|k| (k * 7919 % 1009) as f32 / 500.0 - 1.0).collect()
}

/// So many floats are read or written.
fn floats(count: usize) -> BytesCount {
    BytesCount::new(count * size_of::<f32>())
}

mod ceilings {
    use pulp::{Arch, Simd, WithSimd};
    use rayon::prelude::*;

    use super::{Bencher, ItemsCount, floats, numbers};

    /// Independent sums, more than the processor needs to be busy.
    const SUMS: usize = 16;
    const ROUNDS: usize = 1 << 20;

    struct Busy;

    impl WithSimd for Busy {
        type Output = usize;

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> usize {
            let factor = std::hint::black_box(simd.splat_f32s(0.999));
            let mut sums = std::hint::black_box([simd.splat_f32s(1.0); SUMS]);
            for _ in 0..ROUNDS {
                for sum in &mut sums {
                    *sum = simd.mul_add_e_f32s(*sum, factor, factor);
                }
            }
            std::hint::black_box(sums);
            2 * SUMS * ROUNDS * S::F32_LANES
        }
    }

    #[divan::bench]
    fn multiply_add(bencher: Bencher) {
        let threads = rayon::current_num_threads();
        let each = Arch::new().dispatch(Busy);
        bencher
            .counter(ItemsCount::new(each * threads))
            .bench(|| (0..threads).into_par_iter().with_max_len(1).map(|_| Arch::new().dispatch(Busy)).sum::<usize>());
    }

    /// Megabytes that are copied: 16 lie in no second cache, 256 in no cache at all.
    #[divan::bench(args = [1, 16, 256])]
    fn copy(bencher: Bencher, megabytes: usize) {
        let from = numbers(megabytes << 18);
        let mut to = numbers(megabytes << 18);
        bencher.counter(floats(2 * from.len())).bench_local(|| {
            let pieces = to.par_chunks_mut(1 << 14).zip(from.par_chunks(1 << 14));
            pieces.for_each(|(to, from)| to.copy_from_slice(from));
        });
    }
}

mod activations {
    use kernels::activation::{gelu, gelu_gradient, relu, relu_gradient};

    use super::{Bencher, floats, numbers};

    /// The hidden layer of a block of `gpt`.
    const COUNT: usize = 2048 * 512;

    #[divan::bench]
    fn relu_result(bencher: Bencher) {
        let x = numbers(COUNT);
        bencher.counter(floats(2 * COUNT)).bench(|| relu(&x));
    }

    #[divan::bench]
    fn relu_to_input(bencher: Bencher) {
        let x = numbers(COUNT);
        bencher.counter(floats(3 * COUNT)).bench(|| relu_gradient(&x, &x));
    }

    #[divan::bench]
    fn gelu_result(bencher: Bencher) {
        let x = numbers(COUNT);
        bencher.counter(floats(2 * COUNT)).bench(|| gelu(&x));
    }

    #[divan::bench]
    fn gelu_to_input(bencher: Bencher) {
        let x = numbers(COUNT);
        bencher.counter(floats(3 * COUNT)).bench(|| gelu_gradient(&x, &x));
    }
}

mod norms {
    use kernels::batch_norm::{self, Planes, Rectified};
    use kernels::layer_norm;

    use super::{Bencher, floats, numbers};

    /// The three stages of `resnet`.
    const STAGES: [(usize, usize); 3] = [(16, 1024), (32, 256), (64, 64)];

    fn planes((channels, area): (usize, usize)) -> Planes {
        Planes { batch: 64, channels, area }
    }

    #[divan::bench(args = STAGES)]
    fn batch_result(bencher: Bencher, stage: (usize, usize)) {
        let planes = planes(stage);
        let (x, weight) = (numbers(planes.count()), numbers(planes.channels));
        bencher
            .counter(floats(2 * planes.count()))
            .bench(|| batch_norm::forward(&x, &weight, &weight, None, 1e-5, true, planes));
    }

    #[divan::bench(args = STAGES)]
    fn batch_to_input(bencher: Bencher, stage: (usize, usize)) {
        let planes = planes(stage);
        let (x, weight) = (numbers(planes.count()), numbers(planes.channels));
        let found = batch_norm::forward(&x, &weight, &weight, None, 1e-5, true, planes);
        let statistics = (&found.mean[..], &found.variance[..], 1e-5);
        bencher.counter(floats(4 * planes.count())).bench(|| {
            batch_norm::backward(&x, Rectified::Affine(&found.affine), &x, &weight, statistics, false, planes)
        });
    }

    #[divan::bench]
    fn layer_result(bencher: Bencher) {
        let (x, weight) = (numbers(2048 * 128), numbers(128));
        bencher.counter(floats(2 * x.len())).bench(|| layer_norm::forward(&x, &weight, &weight, 1e-5));
    }

    #[divan::bench]
    fn layer_to_input(bencher: Bencher) {
        let (x, weight) = (numbers(2048 * 128), numbers(128));
        let (_, statistics) = layer_norm::forward(&x, &weight, &weight, 1e-5);
        bencher.counter(floats(3 * x.len())).bench(|| layer_norm::backward(&x, &x, &weight, &statistics));
    }
}

mod others {
    use kernels::adamw::{self, Adamw};
    use kernels::max_pool::{self, MaxPool};
    use kernels::{cross_entropy, embedding};

    use super::{Bencher, floats, numbers};

    const CLASSES: usize = 65;
    const ROWS: usize = 2048;

    fn targets() -> Vec<i64> {
        (0..ROWS as i64).map(|row| row * 31 % CLASSES as i64).collect()
    }

    #[divan::bench]
    fn cross_entropy_result(bencher: Bencher) {
        let (scores, targets) = (numbers(ROWS * CLASSES), targets());
        bencher.counter(floats(scores.len())).bench(|| cross_entropy::forward(&scores, &targets, CLASSES, 0.0));
    }

    #[divan::bench]
    fn cross_entropy_to_scores(bencher: Bencher) {
        let (scores, targets) = (numbers(ROWS * CLASSES), targets());
        let (losses, totals) = cross_entropy::forward(&scores, &targets, CLASSES, 0.0);
        bencher
            .counter(floats(2 * scores.len()))
            .bench(|| cross_entropy::backward(&scores, &targets, &totals, &losses, CLASSES, 0.0));
    }

    #[divan::bench]
    fn embedding_result(bencher: Bencher) {
        let (table, indices) = (numbers(CLASSES * 128), targets());
        bencher.counter(floats(2 * ROWS * 128)).bench(|| embedding::forward(&table, &indices, 128));
    }

    #[divan::bench]
    fn embedding_to_table(bencher: Bencher) {
        let (gradient, indices) = (numbers(ROWS * 128), targets());
        bencher.counter(floats(ROWS * 128)).bench(|| embedding::backward(&gradient, &indices, CLASSES, 128));
    }

    /// That of `cnn`.
    const POOL: MaxPool = MaxPool { planes: 64 * 64, size: [28, 28], window: [2, 2], stride: [2, 2], padding: [0, 0] };

    #[divan::bench]
    fn max_pool_result(bencher: Bencher) {
        let x = numbers(POOL.planes * 784);
        bencher.counter(floats(x.len() + x.len() / 2)).bench(|| max_pool::forward(&x, POOL));
    }

    #[divan::bench]
    fn max_pool_alone(bencher: Bencher) {
        let x = numbers(POOL.planes * 784);
        bencher.counter(floats(x.len() + x.len() / 4)).bench(|| max_pool::largest(&x, POOL));
    }

    #[divan::bench]
    fn max_pool_to_input(bencher: Bencher) {
        let x = numbers(POOL.planes * 784);
        let (y, from) = max_pool::forward(&x, POOL);
        bencher.counter(floats(x.len() + x.len() / 2)).bench(|| max_pool::backward(&y, &from, POOL));
    }

    /// The weights of `mlp`.
    #[divan::bench]
    fn adamw_step(bencher: Bencher) {
        let gradient = numbers(669_706);
        let (mut weight, mut m, mut v) =
            (gradient.clone(), gradient.clone(), gradient.iter().map(|g| g * g).collect::<Vec<_>>());
        let settings = Adamw { rate: 1e-6, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, kept: 1.0, time: 10 };
        bencher
            .counter(floats(7 * gradient.len()))
            .bench_local(|| adamw::step(&mut weight, &gradient, &mut m, &mut v, settings));
    }
}
