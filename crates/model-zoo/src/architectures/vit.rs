//! A transformer over the patches of an image.
//!
//! Dosovitskiy et al., "An Image is Worth 16x16 Words", 2021, the sizes Ti and S after Touvron et al., "Training data-efficient image
//! transformers", 2021. Parameters are named as in timm's `VisionTransformer`.
//!
//! Shapes: B batch, C channels, H height, W width, L patches and one, F features, K outputs.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use data_loader::signature::Signature;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::blocks::{Conv2d, Conv2dConfig, DropPath, Dropout, Ending, Init, LayerNorm, Linear, SelfAttention};
use crate::inputs::only_image;
use crate::network::{Network, NetworkConfig};
use crate::{Error, Inputs, Output, ops};

/// One line for `firebox list`.
pub const SUMMARY: &str = "a transformer over the patches of an image: ViT-Ti, S, B (Dosovitskiy et al. 2021)";

const EPSILON: f64 = 1e-6;
/// The standard deviation of fresh weights.
const STD: f64 = 0.02;
/// How much wider the perceptron of a block is than its input.
const EXPANSION: usize = 4;
const MOST_LAYERS: usize = 1000;
/// Far beyond any width in use, and far below where four times it overflows.
const MOST_FEATURES: usize = 1 << 20;
/// More patches than this make scores of attention that no memory holds.
const MOST_PATCHES: usize = 1 << 16;
/// From this side on patches have 16 pixels, below it 4.
const LARGE: usize = 96;

/// Which of the published sizes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Size {
    /// 192 features, 3 heads, 12 layers: 5.7 million parameters.
    #[default]
    Tiny,
    /// 384 features, 6 heads, 12 layers: 22 million parameters.
    Small,
    /// 768 features, 12 heads, 12 layers: 87 million parameters.
    Base,
}

/// Settings of [`Vit`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct VitConfig {
    /// Which of the published sizes.
    pub size: Size,
    /// Pixels on a side of a patch; if left out 16 for images of at least 96 pixels on each side, else 4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch: Option<usize>,
    /// Features of each patch, if not those of `size`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub features: Option<usize>,
    /// Heads of each attention, if not those of `size`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heads: Option<usize>,
    /// Blocks of attention and perceptron, if not those of `size`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layers: Option<usize>,
    /// Probability with which a feature is silenced while training, after the embedding and in each block.
    pub dropout: f64,
    /// Probability with which the last block is left out for an example while training; earlier ones less often.
    pub drop_path: f64,
}

/// The network.
#[derive(Module, Debug)]
pub struct Vit {
    /// `[1, 1, F]`.
    cls_token: Param<Tensor<3>>,
    /// `[1, L, F]`.
    pos_embed: Param<Tensor<3>>,
    patch_embed: PatchEmbedding,
    dropout: Dropout,
    blocks: Vec<Block>,
    norm: LayerNorm,
    head: Linear,
    ending: Ending,
}

/// From pixels to features.
#[derive(Module, Debug)]
struct PatchEmbedding {
    proj: Conv2d,
}

impl NetworkConfig for VitConfig {
    type Network = Vit;

    fn init(&self, signature: &Signature, init: &mut Init) -> Result<Vit, Error> {
        let unfit = |reason: String| Error::Unfit { architecture: "vit", reason };
        let (features, heads) = match self.size {
            Size::Tiny => (192, 3),
            Size::Small => (384, 6),
            Size::Base => (768, 12),
        };
        let features = self.features.unwrap_or(features);
        let heads = self.heads.unwrap_or(heads);
        let layers = self.layers.unwrap_or(12);
        if !(1..=MOST_FEATURES).contains(&features) || !(1..=MOST_LAYERS).contains(&layers) || heads == 0 {
            return Err(unfit(format!(
                "`features` must be from 1 to {MOST_FEATURES}, `layers` from 1 to {MOST_LAYERS}, `heads` at least 1"
            )));
        }
        if !features.is_multiple_of(heads) {
            return Err(unfit(format!("{features} features cannot be shared by {heads} heads")));
        }
        if [self.dropout, self.drop_path].iter().any(|probability| !(0.0..1.0).contains(probability)) {
            return Err(unfit("`dropout` and `drop_path` must be from 0 to below 1".into()));
        }
        let (channels, sides) = only_image(signature, "vit")?;
        let [Some(height), Some(width)] = sides else {
            return Err(unfit("it needs images of one fixed size; add [data.transforms.resize]".into()));
        };
        let patch = self.patch.unwrap_or(if height.min(width) >= LARGE { 16 } else { 4 });
        if patch == 0 || !height.is_multiple_of(patch) || !width.is_multiple_of(patch) {
            return Err(unfit(format!(
                "images of {height} x {width} pixels cannot be cut into patches of {patch}; `patch` may be {}",
                divisors(height, width)
            )));
        }
        let patches = (height / patch) * (width / patch);
        if patches > MOST_PATCHES {
            return Err(unfit(format!("patches of {patch} pixels make {patches} of them; make `patch` larger")));
        }
        let proj = Conv2dConfig { stride: patch, ..Conv2dConfig::new(channels, features, patch) };
        let (outputs, ending) = Ending::new(signature, "vit", features, init)?;
        Ok(Vit {
            cls_token: init.normal([1, 1, features], 1e-6),
            pos_embed: init.normal([1, patches + 1, features], STD),
            patch_embed: PatchEmbedding { proj: proj.init(init) },
            dropout: Dropout::new(self.dropout),
            blocks: DropPath::rising(layers, self.drop_path)
                .map(|path| Block::new(features, heads, self.dropout, path, init))
                .collect(),
            norm: LayerNorm::of(features, EPSILON, init),
            head: linear(features, outputs, init),
            ending,
        })
    }
}

/// The sides of patches that leave nothing over, from 2 pixels on.
fn divisors(height: usize, width: usize) -> String {
    let fitting = (1..=height.min(width)).filter(|d| height.is_multiple_of(*d) && width.is_multiple_of(*d));
    let all: Vec<String> = fitting.skip(1).take(12).map(|d| d.to_string()).collect();
    if all.is_empty() { "1 alone: resize the images".into() } else { all.join(", ") }
}

impl Network for Vit {
    fn spared(&self) -> &'static [&'static str] {
        &["cls_token", "pos_embed"]
    }

    /// # Shapes
    /// - image: `[B, C, H, W]`
    /// - result: `[B, K]`
    fn forward(&self, inputs: &Inputs) -> Result<Output, Error> {
        let patches = self.patch_embed.proj.forward(inputs.image()?);
        let [batch, features, down, across] = patches.dims();
        let [_, places, _] = self.pos_embed.lazy_shape().dims();
        if down * across + 1 != places {
            let reason = format!("it was built for {} patches, and the image has {}", places - 1, down * across);
            return Err(Error::Unfit { architecture: "vit", reason });
        }
        let patches = patches.reshape([batch, features, down * across]).swap_dims(1, 2);
        let class = self.cls_token.val().expand([batch, 1, features]);
        let mut x = self.dropout.forward(ops::add(Tensor::cat(vec![class, patches], 1), self.pos_embed.val()));
        for block in &self.blocks {
            x = block.forward(x);
        }
        let class: Tensor<2> = self.norm.forward(x.slice_dim(1, 0..1)).reshape([batch, features]);
        Ok(self.ending.forward(self.head.forward(class)))
    }
}

/// Attention over all patches, then a perceptron at each; each is added to its input.
#[derive(Module, Debug)]
struct Block {
    norm1: LayerNorm,
    attn: SelfAttention,
    norm2: LayerNorm,
    mlp: Perceptron,
    dropout: Dropout,
    drop_path: DropPath,
}

#[derive(Module, Debug)]
struct Perceptron {
    fc1: Linear,
    fc2: Linear,
}

impl Block {
    fn new(features: usize, heads: usize, dropout: f64, drop_path: DropPath, init: &mut Init) -> Self {
        let mut attn = SelfAttention::new(features, heads, false, init);
        attn.qkv = linear(features, 3 * features, init);
        attn.proj = linear(features, features, init);
        Self {
            norm1: LayerNorm::of(features, EPSILON, init),
            attn,
            norm2: LayerNorm::of(features, EPSILON, init),
            mlp: Perceptron {
                fc1: linear(features, EXPANSION * features, init),
                fc2: linear(EXPANSION * features, features, init),
            },
            dropout: Dropout::new(dropout),
            drop_path,
        }
    }

    /// # Shapes
    /// - `x`: `[B, L, F]`
    /// - result: as `x`
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let noisy = |added| self.drop_path.forward(self.dropout.forward(added));
        let x = ops::add(x.clone(), noisy(self.attn.forward(self.norm1.forward(x))));
        let hidden = ops::gelu(self.mlp.fc1.forward(self.norm2.forward(x.clone())));
        ops::add(x, noisy(self.mlp.fc2.forward(hidden)))
    }
}

/// Normal weights, and no bias to begin with.
fn linear(inputs: usize, outputs: usize, init: &mut Init) -> Linear {
    Linear::normal(inputs, outputs, STD, init)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::published::{count, photographs};

    #[test]
    fn parameter_counts_are_those_of_timm() {
        for (size, published) in [(Size::Tiny, 5_717_416), (Size::Small, 22_050_664), (Size::Base, 86_567_656)] {
            let config = VitConfig { size, ..VitConfig::default() };
            assert_eq!(count(&config, &photographs(224)), published, "{size:?}");
        }
    }

    #[test]
    fn images_that_leave_something_over_are_refused_with_what_fits() {
        let config = VitConfig { patch: Some(16), layers: Some(1), ..VitConfig::default() };
        let error = config.build(&photographs(28), 0, &Device::flex()).unwrap_err();
        assert!(error.to_string().contains("`patch` may be 2, 4, 7, 14, 28"), "{error}");
    }
}
