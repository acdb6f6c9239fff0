//! Which decoded blocks of a file are kept, so that rows can be read in any order without the whole file in memory?

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::error::Error;
use crate::tables::cells::Cells;

/// The decoded blocks that are kept may take so many bytes; the one that is being read is kept whatever its size.
const KEPT_BYTES: u64 = 256 << 20;

/// Some columns of one block.
#[derive(Debug)]
pub(crate) struct Decoded {
    /// In the order in which they were asked for.
    pub(crate) cells: Vec<Cells>,
    /// About how much memory they take.
    pub(crate) bytes: u64,
}

/// Why a block is not there.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// Its bytes are wrong, whenever they are read.
    Malformed(String),
    /// They could not be read this time; the next time they may be.
    Unread(Arc<Error>),
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::Malformed(message)
    }
}

impl From<&str> for Failure {
    fn from(message: &str) -> Self {
        Self::Malformed(message.to_owned())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Unread(Arc::new(error))
    }
}

impl Failure {
    /// The error for the file at `path`.
    pub(crate) fn of(self, path: &Path) -> Error {
        match self {
            Self::Malformed(message) => Error::Malformed { path: path.to_path_buf(), message },
            Self::Unread(error) => Arc::try_unwrap(error).unwrap_or_else(|error| match &*error {
                // Several threads waited for one block.
                Error::Io { path, source } => {
                    let copy =
                        source.raw_os_error().map_or_else(|| source.kind().into(), std::io::Error::from_raw_os_error);
                    Error::Io { path: path.clone(), source: copy }
                }
                Error::Mismatch { message, hint } => Error::Mismatch { message: message.clone(), hint: hint.clone() },
                other => Error::Malformed { path: path.to_path_buf(), message: other.to_string() },
            }),
        }
    }
}

/// File, block, and group of columns.
type Key = (usize, usize, usize);
/// Threads that ask for one block at once wait for the first of them to decode it.
type Slot = Arc<OnceLock<Result<Arc<Decoded>, Failure>>>;

/// Decoded blocks, of which those that were not asked for the longest are let go first.
#[derive(Default)]
pub(crate) struct BlockCache {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    slots: HashMap<Key, (Slot, u64)>,
    /// Counts the questions.
    now: u64,
}

impl BlockCache {
    /// The block called `key`, decoded if it is not there.
    pub(crate) fn get(
        &self,
        key: Key,
        decode: impl FnOnce() -> Result<Decoded, Failure>,
    ) -> Result<Arc<Decoded>, Failure> {
        let slot = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.now += 1;
            let now = state.now;
            let (slot, used) = state.slots.entry(key).or_default();
            *used = now;
            Arc::clone(slot)
        };
        let mut fresh = false;
        let found = slot.get_or_init(|| {
            fresh = true;
            decode().map(Arc::new)
        });
        if fresh && matches!(found, Err(Failure::Unread(_))) {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if state.slots.get(&key).is_some_and(|(other, _)| Arc::ptr_eq(other, &slot)) {
                state.slots.remove(&key);
            }
        } else if fresh {
            self.shrink(key);
        }
        found.clone()
    }

    /// Whether another thread is decoding the block called `key`.
    pub(crate) fn is_under_way(&self, key: Key) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.slots.get(&key).is_some_and(|(slot, _)| slot.get().is_none())
    }

    /// Lets blocks go until those that are left take no more than they may, the one called `keep` being among them.
    fn shrink(&self, keep: Key) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // A block that is not yet decoded takes nothing, and one that cannot be decoded next to nothing.
        let bytes = |slot: &Slot| match slot.get() {
            Some(Ok(decoded)) => decoded.bytes + 1024,
            Some(Err(_)) => 1024,
            None => 0,
        };
        let mut total: u64 = state.slots.values().map(|(slot, _)| bytes(slot)).sum();
        while total > KEPT_BYTES {
            let decoded = state.slots.iter().filter(|(key, (slot, _))| **key != keep && slot.get().is_some());
            let Some(oldest) = decoded.min_by_key(|(_, (_, used))| *used).map(|(key, _)| *key) else { return };
            if let Some((slot, _)) = state.slots.remove(&oldest) {
                total -= bytes(&slot);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(bytes: u64) -> Decoded {
        Decoded { cells: Vec::new(), bytes }
    }

    #[test]
    fn a_block_is_decoded_once_while_it_is_kept() {
        let cache = BlockCache::default();
        let decode = || {
            assert!(cache.is_under_way((0, 0, 0)) && !cache.is_under_way((0, 1, 0)));
            Ok(block(1))
        };
        cache.get((0, 0, 0), decode).unwrap();
        assert!(!cache.is_under_way((0, 0, 0)));
        cache.get((0, 0, 0), || panic!("decoded twice")).unwrap();
        let broken = |found: Result<Arc<Decoded>, Failure>| found.unwrap_err().of(Path::new("f")).to_string();
        let error = broken(cache.get((0, 1, 0), || Err("broken".into())));
        assert_eq!(error, broken(cache.get((0, 1, 0), || panic!("decoded twice"))));
        assert!(error.contains("broken"), "{error}");
    }

    #[test]
    fn a_block_that_could_not_be_read_is_read_again() {
        let cache = BlockCache::default();
        // Too many open files: the next time there may be fewer.
        let source = std::io::Error::from_raw_os_error(24);
        let said = source.to_string();
        let error = cache.get((0, 0, 0), || Err(Error::Io { path: "f".into(), source }.into())).unwrap_err();
        for error in [error.clone().of(Path::new("g")), error.of(Path::new("g"))] {
            assert!(
                matches!(&error, Error::Io { path, source } if path == Path::new("f") && source.to_string() == said)
            );
            assert!(!error.is_bad_example(), "its rows could be skipped");
        }
        assert!(cache.get((0, 0, 0), || Ok(block(1))).is_ok(), "the failure was kept");
        cache.get((0, 0, 0), || panic!("decoded twice")).unwrap();
    }

    #[test]
    fn the_blocks_that_are_kept_are_bounded() {
        let cache = BlockCache::default();
        let size = KEPT_BYTES / 3;
        for number in 0..5 {
            cache.get((0, number, 0), || Ok(block(size))).unwrap();
            // The first is asked for again and again, and stays.
            cache.get((0, 0, 0), || panic!("let go")).unwrap();
        }
        assert_eq!(cache.state.lock().unwrap().slots.len(), 2);
        let mut again = false;
        cache
            .get((0, 1, 0), || {
                again = true;
                Ok(block(1))
            })
            .unwrap();
        assert!(again, "the second was kept");
        // A single block above the bound can be read all the same.
        assert!(cache.get((0, 9, 0), || Ok(block(KEPT_BYTES * 2))).is_ok());
        assert_eq!(cache.state.lock().unwrap().slots.len(), 1);
    }
}
