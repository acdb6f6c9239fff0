//! Squares of four by four floats, whose rows become columns.

/// How many rows and columns a square has.
pub(crate) const SIDE: usize = 4;

#[cfg(target_arch = "x86_64")]
mod quads {
    //! By the vectors that every processor of this kind has.

    use std::arch::x86_64::{
        __m128, _mm_add_ps, _mm_add_ss, _mm_cvtss_f32, _mm_loadu_ps, _mm_movehl_ps, _mm_movelh_ps, _mm_shuffle_ps,
        _mm_storeu_ps, _mm_unpackhi_ps, _mm_unpacklo_ps,
    };

    pub(super) type Quad = __m128;

    /// # Safety
    /// There are four floats.
    #[inline(always)]
    #[expect(unsafe_code, reason = "the caller promises")]
    pub(super) unsafe fn load(place: *const f32) -> Quad {
        // SAFETY: by the promise; they need not be aligned.
        unsafe { _mm_loadu_ps(place) }
    }

    /// # Safety
    /// There is room for four floats.
    #[inline(always)]
    #[expect(unsafe_code, reason = "the caller promises")]
    pub(super) unsafe fn store(place: *mut f32, quad: Quad) {
        // SAFETY: by the promise; it need not be aligned.
        unsafe { _mm_storeu_ps(place, quad) }
    }

    /// Halves being added to halves.
    #[inline(always)]
    pub(super) fn total([a, b, c, d]: [Quad; 4]) -> f32 {
        // SAFETY: the instructions are there wherever this is compiled.
        #[allow(unused_unsafe, unsafe_code, reason = "older compilers want it; see above")]
        unsafe {
            let four = _mm_add_ps(_mm_add_ps(a, c), _mm_add_ps(b, d));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
    }

    #[inline(always)]
    pub(super) fn turned([a, b, c, d]: [Quad; 4]) -> [Quad; 4] {
        // SAFETY: the instructions are there wherever this is compiled.
        #[allow(unused_unsafe, unsafe_code, reason = "older compilers want it; see above")]
        unsafe {
            let (low, high) =
                ([_mm_unpacklo_ps(a, b), _mm_unpacklo_ps(c, d)], [_mm_unpackhi_ps(a, b), _mm_unpackhi_ps(c, d)]);
            [
                _mm_movelh_ps(low[0], low[1]),
                _mm_movehl_ps(low[1], low[0]),
                _mm_movelh_ps(high[0], high[1]),
                _mm_movehl_ps(high[1], high[0]),
            ]
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod quads {
    //! By whatever the compiler makes of them.

    pub(super) type Quad = [f32; 4];

    /// # Safety
    /// There are four floats.
    #[inline(always)]
    #[expect(unsafe_code, reason = "the caller promises")]
    pub(super) unsafe fn load(place: *const f32) -> Quad {
        // SAFETY: by the promise; they need not be aligned.
        unsafe { place.cast::<Quad>().read_unaligned() }
    }

    /// # Safety
    /// There is room for four floats.
    #[inline(always)]
    #[expect(unsafe_code, reason = "the caller promises")]
    pub(super) unsafe fn store(place: *mut f32, quad: Quad) {
        // SAFETY: by the promise; it need not be aligned.
        unsafe { place.cast::<Quad>().write_unaligned(quad) }
    }

    /// Halves being added to halves.
    #[inline(always)]
    pub(super) fn total([a, b, c, d]: [Quad; 4]) -> f32 {
        let four: [f32; 4] = std::array::from_fn(|k| (a[k] + c[k]) + (b[k] + d[k]));
        (four[0] + four[2]) + (four[1] + four[3])
    }

    #[inline(always)]
    pub(super) fn turned(rows: [Quad; 4]) -> [Quad; 4] {
        std::array::from_fn(|column| rows.map(|row| row[column]))
    }
}

/// Copies a square whose rows lie `from_step` floats apart to one whose rows, the columns of the first, lie `to_step` apart.
///
/// # Safety
/// Four floats of each row are there on either side, and those of `to` are nobody else's.
#[inline(always)]
#[expect(unsafe_code, reason = "the caller promises")]
pub(crate) unsafe fn turn(from: *const f32, from_step: usize, to: *mut f32, to_step: usize) {
    // SAFETY: by the promise.
    unsafe {
        let rows = std::array::from_fn(|row| quads::load(from.add(row * from_step)));
        for (column, quad) in quads::turned(rows).into_iter().enumerate() {
            quads::store(to.add(column * to_step), quad);
        }
    }
}

/// The sum of a square, halves being added to halves.
#[inline(always)]
pub(crate) fn total(floats: &[f32; SIDE * SIDE]) -> f32 {
    // SAFETY: there are four times four floats.
    #[expect(unsafe_code, reason = "see above")]
    quads::total(std::array::from_fn(|row| unsafe { quads::load(floats.as_ptr().add(row * SIDE)) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_added_to_halves() {
        let mut floats: [f32; 16] = std::array::from_fn(|k| (k as f32 * 1.37).sin());
        let found = total(&floats);
        for half in [8, 4, 2, 1] {
            (0..half).for_each(|k| floats[k] += floats[k + half]);
        }
        assert_eq!(found.to_bits(), floats[0].to_bits());
    }

    #[test]
    fn rows_become_columns() {
        let from: Vec<f32> = (0..30).map(|k| k as f32).collect();
        let mut to = vec![-1.0; 24];
        // SAFETY: the last row of `from` begins at 21, that of `to` at 18.
        #[expect(unsafe_code, reason = "see above")]
        unsafe {
            turn(from.as_ptr(), 7, to.as_mut_ptr(), 6);
        }
        for (k, value) in to.iter().enumerate() {
            let (row, column) = (k / 6, k % 6);
            assert_eq!(*value, if column < 4 { (7 * column + row) as f32 } else { -1.0 }, "{k}");
        }
    }
}
