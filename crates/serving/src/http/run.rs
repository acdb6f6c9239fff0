//! How does a program serve, from its start until it is asked to end?

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::Notify;

use super::{Server, Settings};
use crate::Error;

/// They read and write; what computes has threads of its own. On a single core there is one of them, so that what computes gets its half
/// of the time where more is asked than can be answered.
const LISTENING_THREADS: usize = 2;
/// So many large requests are read at once: as JSON they need many times the memory of their numbers.
const READING_THREADS: usize = 2;

/// Large pages are cleared as a whole whenever the allocator takes one anew, be it for a batch of one example: a server then takes half as
/// much memory again, and longer for its slowest answers.
fn keep_pages_small() {
    #[cfg(target_os = "linux")]
    {
        // Without it, it is as it would have been.
        let _ = rustix::thread::disable_transparent_huge_pages(true);
    }
}

/// Serves until the process is asked to end, by SIGTERM or Ctrl-C, or, if `with_input`, by the end of its input; `told` where it
/// listens once it does.
///
/// # Errors
/// As [`Server::bind`] and [`Server::run`].
pub fn until_asked_to_end(settings: Settings, with_input: bool, told: impl FnOnce(SocketAddr)) -> Result<(), Error> {
    let input = Arc::new(Notify::new());
    if with_input {
        let input = Arc::clone(&input);
        // Input is read by blocking: tokio would wait for it at the end.
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            input.notify_one();
        });
    }
    let asked = || async {
        tokio::select! {
            () = asked_to_end() => {},
            () = input.notified() => {},
        }
    };
    until(settings, told, asked)
}

/// Serves until it is `asked` to end, on threads of its own; `told` where it listens once it does.
///
/// # Errors
/// As [`Server::bind`] and [`Server::run`].
pub(crate) fn until<F: Future<Output = ()>>(
    settings: Settings,
    told: impl FnOnce(SocketAddr),
    asked: impl Fn() -> F,
) -> Result<(), Error> {
    keep_pages_small();
    let address = settings.address;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(LISTENING_THREADS.min(cores))
        .max_blocking_threads(READING_THREADS)
        .enable_all()
        .build()
        .map_err(|source| Error::Listen { address, source })?;
    let ended = runtime.block_on(async {
        let server = Server::bind(settings).await?;
        told(server.address());
        server.run(asked).await
    });
    // What is still computed by now nobody waits for.
    runtime.shutdown_background();
    ended
}

/// Completes when the process is asked to end.
async fn asked_to_end() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).ok();
        let (Some(mut terminate), Some(mut interrupt)) =
            (listen(SignalKind::terminate()), listen(SignalKind::interrupt()))
        else {
            // Without a handler a signal ends the process as it always did.
            return std::future::pending().await;
        };
        tokio::select! {
            _ = terminate.recv() => {},
            _ = interrupt.recv() => {},
        }
    }
    #[cfg(not(unix))]
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
