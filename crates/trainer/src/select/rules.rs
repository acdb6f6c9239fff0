//! Which networks are worth a try on such data, and why? One rule a line, the plainest first.
//!
//! A rule knows the task, the kind and size of the inputs and the number of examples. Whether a network can be built for the data is
//! not its business: networks refuse what does not suit them, and say why.

use data_loader::{InputKind, Signature, Task};
use model_zoo::Architecture;
use model_zoo::architectures::{
    airbench, bag, bert, cnn, convnext, efficientnet, ft_transformer, gpt, gru, lenet, lstm, lstm_forecast, mlp,
    mobilenet_v3, patch_tst, resnet, resnet_imagenet, tabular_resnet, tcn, unet, vit,
};

/// How many candidates there are at most.
pub const MOST: usize = 6;

/// A network to be tried.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// What it is called in the race; the architecture, and its size where there are several.
    pub name: String,
    /// Why it is worth a try, or not: half a sentence.
    pub reason: String,
    /// The network with its settings; none where the rule advises against it, and `reason` says why.
    pub architecture: Option<Architecture>,
    /// The largest learning rate of Adam's kind at which it learns well; a larger one of the config is lowered to it.
    pub most_rate: Option<f64>,
}

/// What a rule may know.
struct Facts {
    examples: usize,
    /// The longest text.
    length: usize,
    /// Whether it is computed on a processor.
    processor: bool,
}

/// Above it, the rate makes attention or deep normalised stacks fall apart early in training.
const CAREFUL: Option<f64> = Some(1e-3);

fn propose(name: &str, reason: &str, architecture: Architecture, most_rate: Option<f64>) -> Proposal {
    Proposal { name: name.into(), reason: reason.into(), architecture: Some(architecture), most_rate }
}

fn advise_against(name: &str, reason: String) -> Proposal {
    Proposal { name: name.into(), reason, architecture: None, most_rate: None }
}

/// The networks to try on such data with so many examples to learn from, in the order in which they are proposed.
pub fn propose_for(signature: &Signature, examples: usize, processor: bool) -> Vec<Proposal> {
    let kinds: Vec<&InputKind> = signature.inputs.iter().map(|input| &input.kind).collect();
    let shape = signature.inputs.first().map(|input| input.shape.clone()).unwrap_or_default();
    let side = match shape[..] {
        [_, Some(height), Some(width)] => height.min(width),
        _ => 224,
    };
    let length = match kinds[..] {
        [InputKind::Tokens { max_length, .. }, ..] => *max_length,
        _ => 0,
    };
    let facts = Facts { examples, length, processor };
    let all_table = kinds.iter().all(|kind| matches!(kind, InputKind::Numbers { .. } | InputKind::Categories { .. }));
    match (signature.task, &kinds[..]) {
        (Task::Segment, _) => masks(),
        (Task::Generate, _) => continuations(&facts),
        (Task::Forecast, _) => series(&facts),
        (Task::Reconstruct | Task::Contrast, _) => Vec::new(),
        (_, _) if all_table => tables(&facts),
        (_, [InputKind::Image { .. }]) if side <= 64 => small_images(&facts),
        (_, [InputKind::Image { .. }]) => photographs(&facts),
        (_, [InputKind::Tokens { .. }]) => texts(&facts),
        _ => vec![
            propose("linear", "every input only adds its part", linear(), None),
            propose("mlp", "it reads inputs of several kinds", perceptron(&[128, 128], 0.1), None),
        ],
    }
}

fn perceptron(hidden: &[usize], dropout: f64) -> Architecture {
    Architecture::Mlp(mlp::MlpConfig { hidden: hidden.to_vec(), dropout, ..Default::default() })
}

/// A perceptron without hidden layers.
fn linear() -> Architecture {
    perceptron(&[], 0.0)
}

/// Sizes after Gorishniy et al. 2021, smaller where there is little to learn from.
fn tables(facts: &Facts) -> Vec<Proposal> {
    let few = facts.examples < 5_000;
    let (hidden, size): (&[usize], &str) = if few { (&[32, 32], "few") } else { (&[256, 256], "many") };
    let mlp = format!("a plain perceptron, of a size for {size} rows");
    let wide: &[usize] = if few { &[256, 256] } else { &[1024, 1024, 512] };
    let residual = tabular_resnet::TabularResnetConfig {
        width: if few { 64 } else { 192 },
        hidden: if few { 128 } else { 384 },
        dropout: 0.1,
        ..Default::default()
    };
    let attention = ft_transformer::FtTransformerConfig {
        blocks: if few { 2 } else { 3 },
        width: Some(if few || facts.processor { 64 } else { 192 }),
        ..Default::default()
    };
    vec![
        propose("mlp", &mlp, perceptron(hidden, 0.0), None),
        propose(
            "mlp_wide",
            "a wider one with dropout, in case the plain one is too small",
            perceptron(wide, 0.2),
            None,
        ),
        propose(
            "tabular_resnet",
            "shortcuts and norms, the best plain network of Gorishniy et al. 2021",
            Architecture::TabularResnet(residual),
            None,
        ),
        propose(
            "ft_transformer",
            "attention between columns, for columns that matter together",
            Architecture::FtTransformer(attention),
            CAREFUL,
        ),
    ]
}

fn small_images(facts: &Facts) -> Vec<Proposal> {
    let lenet = lenet::LenetConfig { channels: [16, 32], dropout: 0.25, ..Default::default() };
    let cnn = cnn::CnnConfig { dropout: 0.25, ..Default::default() };
    let airbench = airbench::AirbenchConfig { channels: if facts.processor { [16, 64, 64] } else { [64, 256, 256] } };
    let resnet = resnet::ResnetConfig { depth: if facts.processor { 8 } else { 20 }, ..Default::default() };
    let mut all = vec![
        propose("linear", "every pixel only adds its part: what must be beaten", linear(), None),
        propose(
            "lenet",
            "two convolutions, soon trained, enough for small plain images",
            Architecture::Lenet(lenet),
            None,
        ),
        propose("cnn", "more filters than LeNet's, one pooling", Architecture::Cnn(cnn), None),
        propose("airbench", "made to learn small photographs fast", Architecture::Airbench(airbench), None),
        propose("resnet", "the residual network for small images", Architecture::Resnet(resnet), None),
    ];
    all.push(if facts.examples >= 50_000 && !facts.processor {
        let small = vit::VitConfig { features: Some(192), heads: Some(3), layers: Some(6), ..Default::default() };
        propose("vit", "attention between patches, with images enough to learn from", Architecture::Vit(small), CAREFUL)
    } else {
        let reason = match facts.processor {
            true => "a transformer over so many patches wants a graphics card".to_owned(),
            false => format!("a transformer wants 50000 images to learn from at least; here are {}", facts.examples),
        };
        advise_against("vit", reason)
    });
    all
}

fn photographs(facts: &Facts) -> Vec<Proposal> {
    let efficient = efficientnet::EfficientnetConfig { form: efficientnet::Form::Lite0, ..Default::default() };
    let mut all = vec![
        propose(
            "mobilenet_v3",
            "made for small processors, the fastest of them",
            Architecture::MobilenetV3(mobilenet_v3::MobilenetV3Config::default()),
            None,
        ),
        propose("efficientnet", "Lite0: more exact for little more work", Architecture::Efficientnet(efficient), None),
        propose(
            "resnet_imagenet",
            "18 layers, what photographs are compared by",
            Architecture::ResnetImagenet(resnet_imagenet::ResnetImagenetConfig { depth: 18, ..Default::default() }),
            None,
        ),
    ];
    for (name, architecture) in [
        ("convnext", Architecture::Convnext(convnext::ConvnextConfig::default())),
        ("vit", Architecture::Vit(vit::VitConfig::default())),
    ] {
        all.push(if facts.examples >= 20_000 {
            propose(name, "large, with images enough to learn from", architecture, CAREFUL)
        } else {
            let reason =
                format!("from fresh weights it wants 20000 images at least; here are {} to learn from", facts.examples);
            advise_against(name, reason)
        });
    }
    all
}

fn texts(facts: &Facts) -> Vec<Proposal> {
    let gru =
        |embedding, hidden| Architecture::Gru(gru::GruConfig { embedding, hidden, dropout: 0.1, ..Default::default() });
    let lstm =
        |hidden, layers| Architecture::Lstm(lstm::LstmConfig { hidden, layers, dropout: 0.1, ..Default::default() });
    let mut all = vec![
        propose(
            "bag",
            "which tokens there are, not in which order: what must be beaten",
            Architecture::Bag(bag::BagConfig::default()),
            None,
        ),
        propose("gru", "reads in both directions, with few weights", gru(32, 64), None),
        propose("lstm", "remembers longer than a GRU", lstm(64, 1), None),
    ];
    if facts.examples >= 3_000 {
        all.push(propose("gru_wide", "twice as wide, with examples enough to learn from", gru(64, 128), None));
        all.push(propose("lstm_deep", "two layers, with examples enough to learn from", lstm(64, 2), None));
    } else {
        all.push(advise_against("lstm_deep", format!("two layers learn {} examples by heart", facts.examples)));
    }
    let bert = bert::BertConfig { size: bert::Size::Tiny, context: facts.length.max(1), ..Default::default() };
    all.push(if facts.examples >= 20_000 {
        propose("bert", "attention in both directions, with texts enough to learn from", Architecture::Bert(bert), CAREFUL)
    } else {
        let reason = format!(
            "from fresh weights it wants 20000 texts at least; here are {}. With weights of others it needs fewer: see [pretrained]",
            facts.examples
        );
        advise_against("bert", reason)
    });
    all
}

fn continuations(facts: &Facts) -> Vec<Proposal> {
    let of_size = |size, dropout| {
        let context = Some(facts.length.max(1));
        Architecture::Gpt(gpt::GptConfig { size, context, dropout, ..Default::default() })
    };
    let tiny = gpt::GptConfig {
        layers: Some(2),
        features: Some(64),
        heads: Some(4),
        context: Some(facts.length.max(1)),
        ..Default::default()
    };
    let mut all = vec![
        propose("gpt_tiny", "two layers of 64 features, for short texts", Architecture::Gpt(tiny), None),
        propose("gpt_nano", "four layers of 128 features", of_size(gpt::Size::Nano, 0.1), CAREFUL),
        propose("gpt_micro", "six layers of 192 features", of_size(gpt::Size::Micro, 0.1), CAREFUL),
    ];
    if facts.processor {
        all.push(advise_against("gpt_mini", "ten million weights want a graphics card".into()));
    } else {
        all.push(propose("gpt_mini", "six layers of 384 features", of_size(gpt::Size::Mini, 0.1), CAREFUL));
    }
    all
}

fn series(facts: &Facts) -> Vec<Proposal> {
    let tcn =
        |channels: &[usize]| Architecture::Tcn(tcn::TcnConfig { channels: channels.to_vec(), ..Default::default() });
    let recurrent = lstm_forecast::LstmForecastConfig::default();
    let mut all = vec![
        propose("tcn", "causal convolutions, fast and hard to upset", tcn(&[32; 4]), None),
        propose("lstm_forecast", "remembers step by step", Architecture::LstmForecast(recurrent), None),
        propose(
            "patch_tst",
            "attention between patches of the series",
            Architecture::PatchTst(patch_tst::PatchTstConfig::default()),
            None,
        ),
    ];
    if facts.examples >= 2_000 {
        all.push(propose("tcn_wide", "twice as wide, with windows enough to learn from", tcn(&[64; 4]), None));
    }
    all
}

fn masks() -> Vec<Proposal> {
    let unet = |depth, width| Architecture::Unet(unet::UnetConfig { depth, width });
    vec![
        propose("unet_small", "two levels, for plain shapes", unet(2, 16), None),
        propose("unet", "three levels", unet(3, 32), None),
        propose("unet_large", "four levels, as in the paper", unet(4, 64), CAREFUL),
    ]
}
