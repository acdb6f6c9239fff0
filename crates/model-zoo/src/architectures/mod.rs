//! Which networks are there?
//!
//! One file each, listed once below. A table header in a config is the address of a file: `[model.lenet]` is `lenet.rs`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::network::NetworkConfig;

pub mod airbench;
pub mod autoencoder;
pub mod bag;
pub mod bert;
pub mod cnn;
pub mod convnext;
pub mod efficientnet;
pub mod ft_transformer;
pub mod gpt;
pub mod gru;
pub mod lenet;
pub mod lstm;
pub mod lstm_forecast;
pub mod mlp;
pub mod mobilenet_v3;
pub mod patch_tst;
pub mod resnet;
pub mod resnet_imagenet;
pub mod tabular_resnet;
pub mod tcn;
pub mod unet;
pub mod vit;

/// An architecture with its settings, as it stands under `[model.<name>]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// A small convolutional network that learns fast.
    Airbench(airbench::AirbenchConfig),
    /// An encoder and a decoder with a narrow place between them.
    Autoencoder(autoencoder::AutoencoderConfig),
    /// The mean of embedded tokens.
    Bag(bag::BagConfig),
    /// A transformer that reads a text in both directions.
    Bert(bert::BertConfig),
    /// Runs of convolutions and poolings.
    Cnn(cnn::CnnConfig),
    /// A convolutional network with the manners of a transformer.
    Convnext(convnext::ConvnextConfig),
    /// Gated inverted residual blocks.
    Efficientnet(efficientnet::EfficientnetConfig),
    /// A transformer over the columns of a table.
    FtTransformer(ft_transformer::FtTransformerConfig),
    /// A transformer that continues a sequence of tokens.
    Gpt(gpt::GptConfig),
    /// Characters or tokens, read in both directions by a gated recurrent layer.
    Gru(gru::GruConfig),
    /// LeNet-5, the small convolutional network.
    Lenet(lenet::LenetConfig),
    /// Long short-term memory over embedded tokens.
    Lstm(lstm::LstmConfig),
    /// Long short-term memory that continues a series.
    LstmForecast(lstm_forecast::LstmForecastConfig),
    /// A multi-layer perceptron.
    Mlp(mlp::MlpConfig),
    /// Inverted residual blocks for small processors.
    MobilenetV3(mobilenet_v3::MobilenetV3Config),
    /// A transformer over patches of a series.
    PatchTst(patch_tst::PatchTstConfig),
    /// The residual network for small images.
    Resnet(resnet::ResnetConfig),
    /// The residual network for photographs.
    ResnetImagenet(resnet_imagenet::ResnetImagenetConfig),
    /// The residual network for tables.
    TabularResnet(tabular_resnet::TabularResnetConfig),
    /// Causal convolutions that continue a series.
    Tcn(tcn::TcnConfig),
    /// An encoder and a decoder for the class of every pixel.
    Unet(unet::UnetConfig),
    /// A transformer over the patches of an image.
    Vit(vit::VitConfig),
}

/// What `firebox list` says of an architecture.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The name under `[model.<name>]`.
    pub name: &'static str,
    /// One line.
    pub summary: &'static str,
    /// The architecture with default settings.
    pub default: fn() -> Architecture,
}

/// Every architecture, alphabetically.
pub const ARCHITECTURES: &[Entry] = &[
    Entry {
        name: "airbench",
        summary: airbench::SUMMARY,
        default: || Architecture::Airbench(airbench::AirbenchConfig::default()),
    },
    Entry {
        name: "autoencoder",
        summary: autoencoder::SUMMARY,
        default: || Architecture::Autoencoder(autoencoder::AutoencoderConfig::default()),
    },
    Entry { name: "bag", summary: bag::SUMMARY, default: || Architecture::Bag(bag::BagConfig::default()) },
    Entry { name: "bert", summary: bert::SUMMARY, default: || Architecture::Bert(bert::BertConfig::default()) },
    Entry { name: "cnn", summary: cnn::SUMMARY, default: || Architecture::Cnn(cnn::CnnConfig::default()) },
    Entry {
        name: "convnext",
        summary: convnext::SUMMARY,
        default: || Architecture::Convnext(convnext::ConvnextConfig::default()),
    },
    Entry {
        name: "efficientnet",
        summary: efficientnet::SUMMARY,
        default: || Architecture::Efficientnet(efficientnet::EfficientnetConfig::default()),
    },
    Entry {
        name: "ft_transformer",
        summary: ft_transformer::SUMMARY,
        default: || Architecture::FtTransformer(ft_transformer::FtTransformerConfig::default()),
    },
    Entry { name: "gpt", summary: gpt::SUMMARY, default: || Architecture::Gpt(gpt::GptConfig::default()) },
    Entry { name: "gru", summary: gru::SUMMARY, default: || Architecture::Gru(gru::GruConfig::default()) },
    Entry { name: "lenet", summary: lenet::SUMMARY, default: || Architecture::Lenet(lenet::LenetConfig::default()) },
    Entry { name: "lstm", summary: lstm::SUMMARY, default: || Architecture::Lstm(lstm::LstmConfig::default()) },
    Entry {
        name: "lstm_forecast",
        summary: lstm_forecast::SUMMARY,
        default: || Architecture::LstmForecast(lstm_forecast::LstmForecastConfig::default()),
    },
    Entry { name: "mlp", summary: mlp::SUMMARY, default: || Architecture::Mlp(mlp::MlpConfig::default()) },
    Entry {
        name: "mobilenet_v3",
        summary: mobilenet_v3::SUMMARY,
        default: || Architecture::MobilenetV3(mobilenet_v3::MobilenetV3Config::default()),
    },
    Entry {
        name: "patch_tst",
        summary: patch_tst::SUMMARY,
        default: || Architecture::PatchTst(patch_tst::PatchTstConfig::default()),
    },
    Entry {
        name: "resnet",
        summary: resnet::SUMMARY,
        default: || Architecture::Resnet(resnet::ResnetConfig::default()),
    },
    Entry {
        name: "resnet_imagenet",
        summary: resnet_imagenet::SUMMARY,
        default: || Architecture::ResnetImagenet(resnet_imagenet::ResnetImagenetConfig::default()),
    },
    Entry {
        name: "tabular_resnet",
        summary: tabular_resnet::SUMMARY,
        default: || Architecture::TabularResnet(tabular_resnet::TabularResnetConfig::default()),
    },
    Entry { name: "tcn", summary: tcn::SUMMARY, default: || Architecture::Tcn(tcn::TcnConfig::default()) },
    Entry { name: "unet", summary: unet::SUMMARY, default: || Architecture::Unet(unet::UnetConfig::default()) },
    Entry { name: "vit", summary: vit::SUMMARY, default: || Architecture::Vit(vit::VitConfig::default()) },
];

/// Something to be done with a network whose type is not known before the config is read.
pub trait WithNetwork {
    /// What comes out of it.
    type Out;
    /// Does it, for one architecture.
    fn run<C: NetworkConfig>(self, config: &C) -> Self::Out;
}

impl Architecture {
    /// Does `job` with the type of this architecture's network. This match is the only place where names become types;
    /// an enum of modules instead would put the variant's name into every parameter path.
    pub fn with<J: WithNetwork>(&self, job: J) -> J::Out {
        match self {
            Self::Airbench(config) => job.run(config),
            Self::Autoencoder(config) => job.run(config),
            Self::Bag(config) => job.run(config),
            Self::Bert(config) => job.run(config),
            Self::Cnn(config) => job.run(config),
            Self::Convnext(config) => job.run(config),
            Self::Efficientnet(config) => job.run(config),
            Self::FtTransformer(config) => job.run(config),
            Self::Gpt(config) => job.run(config),
            Self::Gru(config) => job.run(config),
            Self::Lenet(config) => job.run(config),
            Self::Lstm(config) => job.run(config),
            Self::LstmForecast(config) => job.run(config),
            Self::Mlp(config) => job.run(config),
            Self::MobilenetV3(config) => job.run(config),
            Self::PatchTst(config) => job.run(config),
            Self::Resnet(config) => job.run(config),
            Self::ResnetImagenet(config) => job.run(config),
            Self::TabularResnet(config) => job.run(config),
            Self::Tcn(config) => job.run(config),
            Self::Unet(config) => job.run(config),
            Self::Vit(config) => job.run(config),
        }
    }

    /// The name under `[model.<name>]`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Airbench(_) => "airbench",
            Self::Autoencoder(_) => "autoencoder",
            Self::Bag(_) => "bag",
            Self::Bert(_) => "bert",
            Self::Cnn(_) => "cnn",
            Self::Convnext(_) => "convnext",
            Self::Efficientnet(_) => "efficientnet",
            Self::FtTransformer(_) => "ft_transformer",
            Self::Gpt(_) => "gpt",
            Self::Gru(_) => "gru",
            Self::Lenet(_) => "lenet",
            Self::Lstm(_) => "lstm",
            Self::LstmForecast(_) => "lstm_forecast",
            Self::Mlp(_) => "mlp",
            Self::MobilenetV3(_) => "mobilenet_v3",
            Self::PatchTst(_) => "patch_tst",
            Self::Resnet(_) => "resnet",
            Self::ResnetImagenet(_) => "resnet_imagenet",
            Self::TabularResnet(_) => "tabular_resnet",
            Self::Tcn(_) => "tcn",
            Self::Unet(_) => "unet",
            Self::Vit(_) => "vit",
        }
    }
}
