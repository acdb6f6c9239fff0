//! How is an operation of a network computed on the processor? Slices in, slices out; nothing here knows of tensors or of graphs.
//!
//! Each file holds an operation and its gradients, which are sums that the file itself spells out. Every kernel gives the same bits whatever
//! the number of threads. Vector instructions are chosen while the program runs: AVX-512 or AVX2 with FMA where the processor has them,
//! NEON on ARM, else none.

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![expect(clippy::inline_always, reason = "what is not inlined is compiled for any processor: see `widest!`")]

pub mod activation;
pub mod adamw;
pub mod attention;
pub mod batch_norm;
pub mod conv2d;
pub mod cross_entropy;
mod dots;
pub mod dropout;
mod each;
pub mod embedding;
mod fresh;
#[cfg(all(test, target_os = "linux"))]
mod guarded_tests;
mod lanes;
pub mod layer_norm;
pub mod linear;
pub mod max_pool;
mod planes;
mod product;
#[cfg(test)]
mod samples;
mod squares;
pub mod threads;
#[cfg(test)]
mod threads_tests;
