//! On what is it computed? The only place that names backends.

pub use burn::tensor::{Device, Tensor};

use burn::tensor::DeviceType;
pub use kernels::threads::count as computing_threads;

use crate::Error;

/// A device that was found and can be opened.
#[derive(Clone, Debug)]
pub struct Found {
    /// What `--device` takes: `cpu`, `wgpu:0` ...
    pub name: String,
    /// What it is: the adapter's own name, or the instruction set of the processor.
    pub description: String,
    /// Whether it only imitates a graphics card; never picked automatically.
    pub software: bool,
    /// The device itself.
    pub device: Device,
}

/// Opens the device that a user asked for: `auto`, `cpu`, `wgpu`, `wgpu:N`, `vulkan`, `vulkan:N` or `ndarray`.
///
/// `auto` is the first real graphics card, else the processor. `wgpu` and `vulkan` without a number are the first real card.
/// A number names any adapter, a software one included.
///
/// # Errors
/// [`Error::UnknownDevice`], [`Error::DeviceNotBuilt`] or [`Error::DeviceMissing`].
pub fn open(asked: &str) -> Result<Found, Error> {
    let (kind, index) = match asked.split_once(':') {
        None => (asked, None),
        Some((kind, index)) => {
            let index: usize = index.parse().map_err(|_| Error::UnknownDevice(asked.to_owned()))?;
            (kind, Some(index))
        }
    };
    match (kind, index) {
        ("auto", None) => {
            let card = [vulkan(), wgpu()].into_iter().flatten().flatten().find(|found| !found.software);
            Ok(card.unwrap_or_else(cpu))
        }
        ("cpu", None) => Ok(cpu()),
        ("ndarray", None) => ndarray().ok_or_else(|| not_built(asked, "ndarray")),
        ("wgpu", index) => pick(asked, wgpu().ok_or_else(|| not_built(asked, "wgpu"))?, index),
        ("vulkan", index) => pick(asked, vulkan().ok_or_else(|| not_built(asked, "vulkan"))?, index),
        _ => Err(Error::UnknownDevice(asked.to_owned())),
    }
}

/// Makes the calling thread one of those that compute on the processor, if that is the device: it waits for no other one then where there is
/// little to do. Only the first thread of a process can be.
pub fn compute_here(device: &Device) {
    if is_processor(device) {
        kernels::threads::compute_here();
    }
}

/// Every device that can be opened here, for `firebox devices`.
pub fn list() -> Vec<Found> {
    let mut all = vec![cpu()];
    for cards in [vulkan(), wgpu()].into_iter().flatten() {
        all.extend(cards);
    }
    all.extend(ndarray());
    // Opening a card to ask for its name costs a moment, so it is done only for this list.
    for found in &mut all {
        if let Some(name) = adapter_name(&found.device) {
            found.description = name;
        }
    }
    all
}

/// The device's own name, where it has one.
pub fn describe(found: &Found) -> String {
    adapter_name(&found.device).unwrap_or_else(|| found.description.clone())
}

fn pick(asked: &str, cards: Vec<Found>, index: Option<usize>) -> Result<Found, Error> {
    let seen = match cards.len() {
        0 => "no graphics adapter answers; is a Vulkan, Metal or DirectX driver installed?".to_owned(),
        _ => cards
            .iter()
            .map(|card| format!("{}{}", card.name, if card.software { " (software)" } else { "" }))
            .collect::<Vec<_>>()
            .join(", "),
    };
    let chosen = match index {
        Some(index) => cards.into_iter().nth(index),
        None => cards.into_iter().find(|card| !card.software),
    };
    chosen.ok_or_else(|| Error::DeviceMissing { device: asked.to_owned(), reason: seen })
}

fn not_built(asked: &str, feature: &'static str) -> Error {
    Error::DeviceNotBuilt { device: asked.to_owned(), feature }
}

fn cpu() -> Found {
    Found {
        name: "cpu".to_owned(),
        description: format!("processor with {}", cpu_features()),
        software: false,
        device: Device::flex(),
    }
}

/// Whether a device is this processor by way of the backend that is used for it, with or without recording gradients.
pub fn is_processor(device: &Device) -> bool {
    device.clone().inner() == Device::flex()
}

/// The widest vector instructions of this processor: results are bit-identical only between machines that agree in them.
pub fn cpu_features() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx512f") {
            "avx512"
        } else if std::arch::is_x86_feature_detected!("avx2") {
            "avx2"
        } else {
            "sse2"
        }
    }
    #[cfg(target_arch = "aarch64")]
    {
        "neon"
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        "scalar"
    }
}

#[cfg(feature = "ndarray")]
#[expect(clippy::unnecessary_wraps, reason = "none where it is not built in")]
#[expect(deprecated, reason = "kept for comparison until burn drops it")]
fn ndarray() -> Option<Found> {
    Some(Found {
        name: "ndarray".to_owned(),
        description: "processor through ndarray, for comparison".to_owned(),
        software: false,
        device: Device::ndarray(),
    })
}

#[cfg(not(feature = "ndarray"))]
fn ndarray() -> Option<Found> {
    None
}

#[cfg(feature = "wgpu")]
#[expect(clippy::unnecessary_wraps, reason = "none where it is not built in")]
fn wgpu() -> Option<Vec<Found>> {
    let software = Device::wgpu(burn::tensor::DeviceKind::Cpu);
    Some(cards("wgpu", DeviceType::Wgpu, &software))
}

#[cfg(not(feature = "wgpu"))]
fn wgpu() -> Option<Vec<Found>> {
    None
}

#[cfg(feature = "vulkan")]
#[expect(clippy::unnecessary_wraps, reason = "none where it is not built in")]
fn vulkan() -> Option<Vec<Found>> {
    let software = Device::vulkan(burn::tensor::DeviceKind::Cpu);
    Some(cards("vulkan", DeviceType::Vulkan, &software))
}

#[cfg(not(feature = "vulkan"))]
fn vulkan() -> Option<Vec<Found>> {
    None
}

#[cfg_attr(not(any(feature = "wgpu", feature = "vulkan")), expect(dead_code))]
fn cards(backend: &str, kind: DeviceType, software: &Device) -> Vec<Found> {
    Device::enumerate(kind)
        .iter()
        .enumerate()
        .map(|(index, device)| Found {
            name: format!("{backend}:{index}"),
            description: "graphics adapter".to_owned(),
            software: device == software,
            device: device.clone(),
        })
        .collect()
}

#[cfg(any(feature = "wgpu", feature = "vulkan"))]
fn adapter_name(device: &Device) -> Option<String> {
    if *device == Device::flex() {
        return None;
    }
    device.identity().map(|identity| identity.name)
}

#[cfg(not(any(feature = "wgpu", feature = "vulkan")))]
fn adapter_name(_device: &Device) -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_always_there() {
        assert_eq!(open("cpu").unwrap().name, "cpu");
        assert_eq!(list()[0].name, "cpu");
        assert!(!open("auto").unwrap().software);
        assert!(is_processor(&Device::flex()) && is_processor(&Device::flex().autodiff()));
    }

    #[test]
    fn words_that_are_no_device_are_refused() {
        for word in ["", "gpu", "cpu:0", "wgpu:x", "wgpu:-1", "auto:1"] {
            assert!(matches!(open(word), Err(Error::UnknownDevice(_))), "{word}");
        }
        assert!(open("wgpu:99").is_err());
    }
}
