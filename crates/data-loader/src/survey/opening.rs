//! How is a data set opened that may be broken, so that what is wrong with it can be told?

use std::path::Path;

use crate::data_config::{BadExamples, DataConfig, LoaderConfig};
use crate::dataset::{Dataset, transforms_of};
use crate::error::Error;
use crate::task::Task;

impl Dataset {
    /// Opens a data set for the checks, which count examples that cannot be used instead of stopping at the first.
    pub fn open_for_checks(config: &DataConfig, root: &Path, task: Option<Task>, seed: u64) -> Result<Self, Error> {
        let loader = LoaderConfig { bad_examples: BadExamples::Skip, ..config.loader.clone() };
        let lenient = DataConfig { loader, ..config.clone() };
        let open = |config: &DataConfig| Self::open(config, root, task, seed);
        let error = match open(&lenient) {
            Err(error) if !matches!(error, Error::Setting { .. }) => error,
            opened => return opened.map(|dataset| dataset.with_loader_of(config)),
        };
        // Where too little is left without the examples that cannot be used, the first of them says more.
        if let Some(first) = open(config).err().filter(Error::is_bad_example) {
            return Err(first);
        }
        // What a transform cannot be fitted on can be looked at without that transform.
        let all = transforms_of(config, &Self::card_of(config, root)?);
        let without = |place: usize| {
            let mut fewer = all.clone();
            fewer.0.remove(place);
            open(&DataConfig { transforms: Some(fewer), ..lenient.clone() }).ok()
        };
        match (0..all.0.len()).find_map(without) {
            Some(dataset) => Ok(Self { unfit: Some(error.to_string()), ..dataset.with_loader_of(config) }),
            None => Err(error),
        }
    }

    /// The same with the loader of the config, which a reader was kinder than.
    fn with_loader_of(mut self, config: &DataConfig) -> Self {
        self.config.loader = config.loader.clone();
        self
    }
}
