//! Where does the time of a step go?

use std::time::Instant;

use burn::tensor::Device;
use serde::Serialize;

/// What a step is made of, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Waiting for the loader.
    Wait,
    /// Copying a batch to the device.
    Copy,
    /// From the inputs to the loss.
    Forward,
    /// From the loss to the gradients.
    Backward,
    /// From the gradients to the weights, with clipping and averages.
    Update,
}

impl Phase {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Wait, Self::Copy, Self::Forward, Self::Backward, Self::Update];

    /// As reports call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Copy => "copy",
            Self::Forward => "forward",
            Self::Backward => "backward",
            Self::Update => "update",
        }
    }
}

/// Tells phases apart. On a graphics card operations are only begun when they are called; a stopwatch that is exact waits for their end after
/// each phase, which plain training does not.
#[derive(Debug)]
pub struct Stopwatch {
    begun: Instant,
    /// Seconds of each phase, over all steps.
    seconds: [f64; Phase::ALL.len()],
    waits_for: Option<Device>,
}

impl Stopwatch {
    /// Nothing was measured yet.
    pub fn new() -> Self {
        Self { begun: Instant::now(), seconds: [0.0; Phase::ALL.len()], waits_for: None }
    }

    /// One that waits for what the device has begun.
    pub fn exact(device: &Device) -> Self {
        Self { waits_for: Some(device.clone()), ..Self::new() }
    }

    /// A step begins.
    pub fn start(&mut self) {
        self.begun = Instant::now();
    }

    /// A phase ends; gives its seconds.
    ///
    /// # Errors
    /// If the device fails.
    pub fn lap(&mut self, phase: Phase) -> Result<f64, model_zoo::Error> {
        if let Some(device) = &self.waits_for {
            let failed = |error: &dyn std::fmt::Display| model_zoo::Error::DeviceFailed {
                doing: "measuring",
                reason: error.to_string(),
            };
            device.sync().map_err(|error| failed(&error))?;
        }
        let seconds = self.begun.elapsed().as_secs_f64();
        self.begun = Instant::now();
        self.seconds[phase as usize] += seconds;
        Ok(seconds)
    }

    /// Seconds of each phase so far, in the order of [`Phase::ALL`].
    pub fn seconds(&self) -> [f64; Phase::ALL.len()] {
        self.seconds
    }
}

impl Default for Stopwatch {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_phase_gets_its_own_seconds() {
        let mut watch = Stopwatch::new();
        for _ in 0..2 {
            watch.start();
            std::thread::sleep(Duration::from_millis(20));
            let waited = watch.lap(Phase::Wait).unwrap();
            assert!(waited >= 0.02);
            watch.lap(Phase::Copy).unwrap();
        }
        let [wait, copy, rest @ ..] = watch.seconds();
        assert!(wait >= 0.04 && copy < wait && rest == [0.0; 3], "{:?}", watch.seconds());
    }
}
