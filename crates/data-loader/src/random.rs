//! Where does chance come from? From numbers derived from a seed, never from a state that must be stored.
//!
//! The generator is xoshiro256++ and its state is filled by `SplitMix64`, both by David Blackman and Sebastiano Vigna
//! (<https://prng.di.unimi.it/>, public domain). They are written out here because the order of the data of a run must not
//! change when a dependency does.

/// A stream of random numbers that is a pure function of the numbers it was derived from.
#[derive(Clone, Debug, PartialEq)]
pub struct Random {
    state: [u64; 4],
}

/// One step of `SplitMix64`: the mixed value of `x` advanced by the golden ratio.
fn split_mix(x: &mut u64) -> u64 {
    *x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *x;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Random {
    /// The stream that belongs to `numbers`, for example (seed, epoch, row). Their order counts.
    pub fn derive(numbers: &[u64]) -> Self {
        let mut x = numbers.len() as u64;
        for &number in numbers {
            // Mixing after every number keeps (1, 2) and (2, 1) apart, as it does (0, 1) and (1, 0).
            x = split_mix(&mut x) ^ number;
        }
        Self { state: std::array::from_fn(|_| split_mix(&mut x)) }
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        let s = &mut self.state;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// A number from 0 up to, but not including, 1, with 53 random bits.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number from 0 up to, but not including, `n`, each equally likely; 0 if `n` is 0.
    ///
    /// Multiply-and-reject after Daniel Lemire, "Fast Random Integer Generation in an Interval" (2019).
    pub fn below(&mut self, n: u64) -> u64 {
        if n == 0 {
            return 0;
        }
        let threshold = n.wrapping_neg() % n;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(n);
            if product as u64 >= threshold {
                return (product >> 64) as u64;
            }
        }
    }

    /// Puts `items` in a random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u64 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_mix_agrees_with_the_published_reference() {
        // First outputs for seed 1234567, as printed in the reference program's known tests.
        let mut x = 1_234_567;
        let found: Vec<u64> = (0..3).map(|_| split_mix(&mut x)).collect();
        assert_eq!(found, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn xoshiro_agrees_with_the_published_reference() {
        let mut random = Random { state: [1, 2, 3, 4] };
        let found: Vec<u64> = (0..4).map(|_| random.next_u64()).collect();
        assert_eq!(found, [41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386]);
    }

    #[test]
    fn streams_differ_by_every_number_and_by_order() {
        let first = |numbers: &[u64]| Random::derive(numbers).next_u64();
        let all = [first(&[0]), first(&[0, 0]), first(&[0, 1]), first(&[1, 0]), first(&[1, 1]), first(&[])];
        for (i, a) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|b| a != b));
        }
        assert_eq!(first(&[7, 8, 9]), first(&[7, 8, 9]));
    }

    #[test]
    fn numbers_below_n_are_even_and_below_n() {
        let mut random = Random::derive(&[3]);
        let mut counts = [0_u32; 7];
        for _ in 0..70_000 {
            counts[random.below(7) as usize] += 1;
        }
        // Five standard deviations of a binomial count (n = 70000, p = 1/7) are 463.
        assert!(counts.iter().all(|&count| count.abs_diff(10_000) < 463), "{counts:?}");
        assert_eq!(random.below(0), 0);
        assert!((0..1000).all(|_| (0.0..1.0).contains(&random.unit())));
    }
}
