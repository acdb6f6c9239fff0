//! How is a text continued over the network, all at once or piece by piece?

use std::ops::ControlFlow;
use std::sync::Arc;

use hyper::Request;
use hyper::body::Incoming;
use tokio::sync::mpsc;

use super::responses::{self, Answer};
use super::routes::answering;
use super::{Shared, requests};
use crate::registry::Version;
use crate::wire::{self, Refusal, Wish};

/// Continues a text. While it is written the network has no time for others.
pub(super) async fn generate(
    shared: &Arc<Shared>,
    request: Request<Incoming>,
    version: Arc<Version>,
    client: u64,
) -> Result<Answer, Refusal> {
    answering(&version)?;
    let (head, body) = request.into_parts();
    let sender = requests::sender(&head.headers, client)?;
    let body = requests::json(&head.headers, body, &shared.limits, &shared.room).await?;
    let prompt = Wish::read(&body.bytes)?;
    let sampling = prompt.sampling();
    sampling.check()?;
    if !prompt.stream {
        let told = shared.engine.alone(&version.network, sender, move |predictor| {
            predictor.generate(&prompt.prompt, prompt.tokens, &sampling, prompt.seed, |_| ControlFlow::Continue(()))
        });
        return responses::json(200, &told.await?);
    }
    // A text has an end, and so has what lies ready of it: the network never waits for whoever reads it.
    let (tell, pieces) = mpsc::unbounded_channel();
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let last = tell.clone();
        let told = shared.engine.alone(&version.network, sender, move |predictor| {
            // Whoever reads no more needs no more text.
            let tell = |text: &str| match tell.send(wire::piece(text)) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            };
            predictor.generate(&prompt.prompt, prompt.tokens, &sampling, prompt.seed, tell)
        });
        let told = told.await.map_err(Refusal::from);
        let _ = last.send(wire::last(&told));
    });
    Ok(responses::events(pieces))
}
