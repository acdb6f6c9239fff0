//! Memory for a result, which is written before it is read: it is not filled with zeros first.

use std::mem::MaybeUninit;

/// A slice of floats that several threads write, each its own places.
#[derive(Clone, Copy)]
pub(crate) struct Shared {
    first: *mut f32,
    length: usize,
}

// SAFETY: it is an address and a length; whoever writes promises in `Shared::at` that no other thread has the same places.
#[expect(unsafe_code, reason = "see above")]
unsafe impl Send for Shared {}
// SAFETY: as above.
#[expect(unsafe_code, reason = "see above")]
unsafe impl Sync for Shared {}

impl Shared {
    /// Of memory that need not hold anything yet.
    pub(crate) fn of(slice: &mut [MaybeUninit<f32>]) -> Self {
        Self { first: slice.as_mut_ptr().cast(), length: slice.len() }
    }

    /// The address of `count` places from `start` on.
    ///
    /// # Panics
    /// If there are not so many.
    pub(crate) fn at(self, start: usize, count: usize) -> *mut f32 {
        assert!(start + count <= self.length, "{count} places from {start} on, of {}", self.length);
        // SAFETY: `start` lies within the slice, which was just checked.
        #[expect(unsafe_code, reason = "see above")]
        unsafe {
            self.first.add(start)
        }
    }
}

/// `count` floats, which `write` puts there.
///
/// # Safety
/// `write` must write every one of them.
#[expect(unsafe_code, reason = "the caller promises")]
pub(crate) unsafe fn written(count: usize, write: impl FnOnce(Shared)) -> Vec<f32> {
    let mut result: Vec<f32> = Vec::with_capacity(count);
    write(Shared::of(&mut result.spare_capacity_mut()[..count]));
    // SAFETY: the capacity is there, and by the promise all of it was written.
    unsafe { result.set_len(count) };
    result
}

/// Floats that begin where a line of the cache does, so that no vector lies in two lines.
pub(crate) struct Aligned {
    room: Vec<f32>,
    start: usize,
}

impl Aligned {
    /// So many zeros.
    pub(crate) fn zeros(count: usize) -> Self {
        const LINE: usize = 64;
        let room = vec![0.0_f32; count + LINE / size_of::<f32>()];
        let start = room.as_ptr().align_offset(LINE).min(LINE / size_of::<f32>());
        Self { room, start }
    }

    /// So many floats, whatever they are.
    pub(crate) fn at_least(&mut self, count: usize) -> &mut [f32] {
        if self.room.len() - self.start < count {
            *self = Self::zeros(count);
        }
        &mut self.room[self.start..]
    }

    /// The floats, and perhaps a few behind them.
    pub(crate) fn floats(&mut self) -> &mut [f32] {
        &mut self.room[self.start..]
    }
}
