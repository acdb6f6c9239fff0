//! How much work is worth another thread? A thread that sleeps needs some ten microseconds to begin.

/// So many floats are read, changed a little and written in about that time.
const FLOATS: usize = 1 << 14;
/// And so many products added up.
const PRODUCTS: usize = 1 << 19;

/// How many tasks a thread takes at least, of those that go over so many floats each.
pub(crate) fn least_of_floats(each: usize) -> usize {
    (FLOATS / each.max(1)).max(1)
}

/// How many tasks a thread takes at least, of those that add up so many products each.
pub(crate) fn least_of_products(each: usize) -> usize {
    (PRODUCTS / each.max(1)).max(1)
}
