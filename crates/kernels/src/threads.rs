//! Which threads compute, and how much work is worth another one?

/// So many floats are read, changed a little and written in about the time that a sleeping thread needs to begin.
const FLOATS: usize = 1 << 15;
/// And so many products added up.
const PRODUCTS: usize = 1 << 19;

/// Makes the calling thread one of those that compute: it hands work to the others without waiting for one of them to take it, and where there
/// is little of it does all by itself. Only the first thread of a process that asks can be; for others nothing changes. Where one thread
/// computes, each thread that asks computes by itself.
pub fn compute_here() {
    if rayon::current_thread_index().is_some() {
        return;
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(count()).use_current_thread();
    if count() > 1 {
        // An error says that the pool is there already.
        let _ = pool.build_global();
    } else if let Ok(pool) = pool.build() {
        // Not the pool of the process: the others would wait for this thread, which does other things as well. It is never given back, as the thread is part of it.
        std::mem::forget(pool);
    }
}

/// How many threads compute: as many as there are cores, unless the variable says otherwise that all libraries read.
pub fn count() -> usize {
    let asked =
        std::env::var("RAYON_NUM_THREADS").ok().and_then(|text| text.parse().ok()).filter(|&threads| threads > 0);
    asked.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
}

/// How many tasks a thread takes at least, of those that go over so many floats each.
pub(crate) fn least_of_floats(each: usize) -> usize {
    least(FLOATS, each)
}

/// How many tasks a thread takes at least, of those that add up so many products each.
pub(crate) fn least_of_products(each: usize) -> usize {
    least(PRODUCTS, each)
}

fn least(worth: usize, each: usize) -> usize {
    // The only thread of a pool would be waited for.
    if rayon::current_num_threads() == 1 { usize::MAX } else { (worth / each.max(1)).max(1) }
}
