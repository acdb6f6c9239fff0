//! Which weights does a network begin with?
//!
//! They are drawn on the host from one seed, in the order in which the network is built: the same seed gives the same
//! network on every device.

use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use data_loader::random::Random;

/// More numbers than this are a slip of the pen: 16 GiB of weights, before their gradients.
const MOST: usize = 1 << 32;

/// Draws fresh weights and lays them on a device.
#[derive(Debug)]
pub struct Init {
    /// Without it all that would be drawn is 0.
    random: Option<Random>,
    device: Device,
    /// How many numbers were asked for.
    numbers: usize,
    /// How many may be.
    most: usize,
}

impl Init {
    /// Weights for `device`, all derived from `seed`.
    pub fn new(seed: u64, device: &Device) -> Self {
        Self { random: Some(Random::derive(&[seed])), device: device.clone(), numbers: 0, most: MOST }
    }

    /// Weights for `device` that are to be replaced by at most `most` others, those of a file: nothing is drawn.
    pub fn at_most(most: usize, device: &Device) -> Self {
        Self { random: None, device: device.clone(), numbers: 0, most }
    }

    /// The device on which the weights are laid.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Whether what was asked for is more than any device holds. The weights are then not those asked for.
    pub fn is_too_large(&self) -> bool {
        self.numbers > self.most
    }

    /// Counts the numbers of a parameter; of a network that is too large no more is laid on the device.
    fn admit<const D: usize>(&mut self, shape: [usize; D]) -> [usize; D] {
        let size = shape.iter().try_fold(1_usize, |product, &axis| product.checked_mul(axis));
        self.numbers = self.numbers.saturating_add(size.unwrap_or(usize::MAX));
        if self.is_too_large() { [1; D] } else { shape }
    }

    /// Uniform between `-bound` and `bound`.
    pub fn uniform<const D: usize>(&mut self, shape: [usize; D], bound: f64) -> Param<Tensor<D>> {
        let shape = self.admit(shape);
        let values = self.drawn(shape.iter().product(), |random| (random.unit() * 2.0 - 1.0) * bound);
        self.param(shape, values)
    }

    /// Normal with mean 0 (Box and Muller, 1958).
    pub fn normal<const D: usize>(&mut self, shape: [usize; D], std: f64) -> Param<Tensor<D>> {
        let shape = self.admit(shape);
        let values = self.drawn(shape.iter().product(), |random| {
            let radius = (-2.0 * (1.0 - random.unit()).ln()).sqrt();
            radius * (std::f64::consts::TAU * random.unit()).cos() * std
        });
        self.param(shape, values)
    }

    /// PyTorch's default for linear and convolution layers: uniform with bound `1 / sqrt(fan_in)`
    /// (He et al. 2015 with `a = sqrt(5)`).
    pub fn fan_in<const D: usize>(&mut self, shape: [usize; D], fan_in: usize) -> Param<Tensor<D>> {
        self.uniform(shape, 1.0 / (fan_in.max(1) as f64).sqrt())
    }

    /// Normal with variance `2 / fan_out` (He et al. 2015), the usual choice before ReLU in convolutional networks.
    pub fn kaiming_fan_out<const D: usize>(&mut self, shape: [usize; D], fan_out: usize) -> Param<Tensor<D>> {
        self.normal(shape, (2.0 / fan_out.max(1) as f64).sqrt())
    }

    /// PyTorch's default for filters, but that the first ones pass a channel each on as it is, which is what `dirac_` makes of them there.
    /// `shape` is `[filters, channels, side, side]`, the side odd.
    pub fn passing(&mut self, shape: [usize; 4]) -> Param<Tensor<4>> {
        let [filters, channels, down, across] = self.admit(shape);
        let size = channels * down * across;
        let bound = 1.0 / (size as f64).sqrt();
        let middle = (down * across) / 2;
        let mut values = Vec::with_capacity(filters * size);
        for filter in 0..filters {
            match filter < channels {
                true => values.extend((0..size).map(|at| f32::from(u8::from(at == filter * down * across + middle)))),
                false => values.extend(self.drawn(size, |random| (random.unit() * 2.0 - 1.0) * bound)),
            }
        }
        self.param([filters, channels, down, across], values)
    }

    /// Every value the same.
    pub fn constant<const D: usize>(&mut self, shape: [usize; D], value: f32) -> Param<Tensor<D>> {
        let shape = self.admit(shape);
        self.param(shape, vec![value; shape.iter().product()])
    }

    /// A tensor that is not learnt, every value the same.
    pub fn filled<const D: usize>(&mut self, shape: [usize; D], value: f32) -> Tensor<D> {
        let shape = self.admit(shape);
        Tensor::full(shape, value, &self.device)
    }

    fn drawn(&mut self, count: usize, draw: impl Fn(&mut Random) -> f64) -> Vec<f32> {
        match &mut self.random {
            Some(random) => (0..count).map(|_| draw(random) as f32).collect(),
            None => vec![0.0; count],
        }
    }

    fn param<const D: usize>(&self, shape: [usize; D], values: Vec<f32>) -> Param<Tensor<D>> {
        Param::from_tensor(Tensor::from_data(TensorData::new(values, shape), &self.device))
    }
}
