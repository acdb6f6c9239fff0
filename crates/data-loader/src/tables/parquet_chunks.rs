//! How does the decoder of Parquet read a file that may be let go and opened again in between?

use std::io::{BufReader, Read};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

use crate::error::Error;
use crate::files::handles::Handle;
use crate::tables::block_cache::Failure;

/// A file as one decoder sees it.
#[derive(Clone, Debug)]
pub(crate) struct Chunks {
    file: Arc<Handle>,
    /// Why it could not be read, if it could not: the decoder makes a text of that.
    failed: Arc<Mutex<Option<Error>>>,
}

/// A place in the file from which bytes are read one after the other.
#[derive(Debug)]
pub(crate) struct Place {
    chunks: Chunks,
    next: u64,
}

impl Chunks {
    /// The whole of `file`.
    pub(crate) fn new(file: &Arc<Handle>) -> Self {
        Self { file: Arc::clone(file), failed: Arc::default() }
    }

    /// How many bytes there are.
    pub(crate) fn size(&self) -> u64 {
        self.file.len()
    }

    /// The bytes from `start` on.
    pub(crate) fn from(&self, start: u64) -> Place {
        Place { chunks: self.clone(), next: start }
    }

    /// Why a decoder failed that says `message`: because the file could not be read, if that is so.
    pub(crate) fn failure(&self, message: String) -> Failure {
        let error = self.failed.lock().unwrap_or_else(PoisonError::into_inner).take();
        error.map_or(Failure::Malformed(message), Failure::from)
    }

    fn fill(&self, start: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        self.file.read_at(start, buffer).map_err(|error| {
            let said = std::io::Error::other(error.to_string());
            self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            said
        })
    }
}

impl Read for Place {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let there = usize::try_from(self.chunks.size().saturating_sub(self.next)).unwrap_or(usize::MAX);
        let most = buffer.len().min(there);
        self.chunks.fill(self.next, &mut buffer[..most])?;
        self.next += most as u64;
        Ok(most)
    }
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.size()
    }
}

impl ChunkReader for Chunks {
    type T = BufReader<Place>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(BufReader::new(self.from(start)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        if start.checked_add(length as u64).is_none_or(|end| end > self.size()) {
            return Err(ParquetError::EOF(format!("{length} bytes from {start} on are not there")));
        }
        let mut buffer = vec![0; length];
        self.fill(start, &mut buffer)?;
        Ok(buffer.into())
    }
}
