//! A small CNN (28 x 28) or a ResNet-18 (224 x 224) with weights made by chance, behind furnace: `furnace-peer cnn|resnet18 PORT [EXAMPLES_AT_ONCE=1]`.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{AdaptiveAvgPool2d, AdaptiveAvgPool2dConfig, MaxPool2d, MaxPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use furnace_burn::BackendKind;

#[derive(Module, Debug)]
struct Cnn {
    first: Conv2d,
    second: Conv2d,
    pool: MaxPool2d,
    hidden: Linear,
    last: Linear,
}

fn conv(from: usize, to: usize, kernel: usize, stride: usize, bias: bool, device: &Device) -> Conv2d {
    let padding = kernel / 2;
    Conv2dConfig::new([from, to], [kernel, kernel])
        .with_stride([stride, stride])
        .with_padding(PaddingConfig2d::Explicit(padding, padding, padding, padding))
        .with_bias(bias)
        .init(device)
}

impl Cnn {
    fn new(device: &Device) -> Self {
        Self {
            first: conv(1, 32, 3, 1, true, device),
            second: conv(32, 64, 3, 1, true, device),
            pool: MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init(),
            hidden: LinearConfig::new(64 * 14 * 14, 128).init(device),
            last: LinearConfig::new(128, 10).init(device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x = self.pool.forward(relu(self.second.forward(relu(self.first.forward(x)))));
        self.last.forward(relu(self.hidden.forward(x.flatten(1, 3))))
    }
}

#[derive(Module, Debug)]
struct Block {
    first: Conv2d,
    first_norm: BatchNorm,
    second: Conv2d,
    second_norm: BatchNorm,
    shortcut: Option<(Conv2d, BatchNorm)>,
}

impl Block {
    fn new(from: usize, to: usize, stride: usize, device: &Device) -> Self {
        Self {
            first: conv(from, to, 3, stride, false, device),
            first_norm: BatchNormConfig::new(to).init(device),
            second: conv(to, to, 3, 1, false, device),
            second_norm: BatchNormConfig::new(to).init(device),
            shortcut: (stride > 1)
                .then(|| (conv(from, to, 1, stride, false, device), BatchNormConfig::new(to).init(device))),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = relu(self.first_norm.forward(self.first.forward(x.clone())));
        let y = self.second_norm.forward(self.second.forward(y));
        let x = match &self.shortcut {
            Some((conv, norm)) => norm.forward(conv.forward(x)),
            None => x,
        };
        relu(x + y)
    }
}

#[derive(Module, Debug)]
struct ResNet18 {
    stem: Conv2d,
    norm: BatchNorm,
    pool: MaxPool2d,
    blocks: Vec<Block>,
    mean: AdaptiveAvgPool2d,
    last: Linear,
}

impl ResNet18 {
    fn new(device: &Device) -> Self {
        let sizes = [
            (64, 64, 1),
            (64, 64, 1),
            (64, 128, 2),
            (128, 128, 1),
            (128, 256, 2),
            (256, 256, 1),
            (256, 512, 2),
            (512, 512, 1),
        ];
        Self {
            stem: conv(3, 64, 7, 2, false, device),
            norm: BatchNormConfig::new(64).init(device),
            pool: MaxPool2dConfig::new([3, 3])
                .with_strides([2, 2])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .init(),
            blocks: sizes.iter().map(|&(from, to, stride)| Block::new(from, to, stride, device)).collect(),
            mean: AdaptiveAvgPool2dConfig::new([1, 1]).init(),
            last: LinearConfig::new(512, 1000).init(device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let mut x = self.pool.forward(relu(self.norm.forward(self.stem.forward(x))));
        for block in &self.blocks {
            x = block.forward(x);
        }
        self.last.forward(self.mean.forward(x).flatten(1, 3))
    }
}

#[tokio::main]
async fn main() -> furnace::Result<()> {
    let mut words = std::env::args().skip(1);
    let (name, port) = (words.next().unwrap(), words.next().unwrap().parse().unwrap());
    let device = BackendKind::Cpu.device();
    let model = if name == "cnn" {
        let net = Cnn::new(&device);
        furnace_burn::from_fn("cnn", BackendKind::Cpu, &[1, 28, 28], &[10], move |x: Tensor<4>| net.forward(x))?
    } else {
        let net = ResNet18::new(&device);
        furnace_burn::from_fn("resnet18", BackendKind::Cpu, &[3, 224, 224], &[1000], move |x: Tensor<4>| {
            net.forward(x)
        })?
    };
    let most = words.next().map_or(1, |most| most.parse().unwrap());
    furnace::Server::new().host("127.0.0.1").port(port).max_batch_size(most).model(model).serve().await
}
