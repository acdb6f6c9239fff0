//! How is a text continued over the network, all at once or piece by piece?

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::http::request::Parts;
use tokio::sync::mpsc;

use super::answers::Asking;
use super::responses::{self, Answer};
use super::{Shared, requests};
use crate::continuation::Writing;
use crate::limits::Limits;
use crate::wire::{self, Refusal, Wish};
use crate::{Continuation, Error, Predictor};

/// The largest request for a text, in bytes: of each that is under way the tokens are kept.
const PROMPT: usize = 64 << 10;
/// For how long a text has the network for itself before others have a turn; a single token may take longer.
const TURN: Duration = Duration::from_millis(10);

/// Continues a text; others have their turns while it is written.
pub(super) async fn generate(
    shared: &Arc<Shared>,
    head: &Parts,
    name: &str,
    asking: &Arc<Asking>,
) -> Result<Answer, Refusal> {
    let version = shared.choose(name, None, &head.headers, asking)?.version;
    let sender = asking.sender;
    let limits = Limits { body: shared.limits.body.min(PROMPT), ..shared.limits };
    let body = requests::json(&head.headers, asking.body()?, &limits, &shared.room).await?;
    let prompt = Wish::read(&body.bytes)?;
    prompt.sampling().check()?;
    if !prompt.stream {
        let told = shared.engine.alone(&version.network, sender, writing(prompt, |_| ControlFlow::Continue(())));
        return responses::json(200, &wire::whole(&told.await?, &version, asking.begun.elapsed()));
    }
    // A text has an end, and so has what lies ready of it: the network never waits for whoever reads it.
    let (tell, pieces) = mpsc::unbounded_channel();
    let (shared, begun) = (Arc::clone(shared), asking.begun);
    tokio::spawn(async move {
        let last = tell.clone();
        // Whoever reads no more needs no more text.
        let work = writing(prompt, move |text: &str| match tell.send(wire::piece(text)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        });
        let told = shared.engine.alone(&version.network, sender, work).await;
        let told = told.map(|told| wire::whole(&told, &version, begun.elapsed())).map_err(Refusal::from);
        let _ = last.send(wire::last(&told));
    });
    Ok(responses::events(pieces))
}

/// Writes a text for a while each time it is called, until it is at its end.
fn writing(
    wish: Wish,
    mut tell: impl FnMut(&str) -> ControlFlow<()> + Send + 'static,
) -> impl FnMut(&Predictor) -> Result<Option<Continuation>, Error> + Send + 'static {
    let mut under_way: Option<Writing> = None;
    move |predictor| {
        let until = Instant::now() + TURN;
        let mut writing = match under_way.take() {
            Some(writing) => writing,
            None => Writing::begin(predictor, &wish.prompt, wish.tokens, &wish.sampling(), wish.seed)?,
        };
        loop {
            if let Some(whole) = writing.step(predictor, &mut tell)? {
                return Ok(Some(whole));
            }
            if Instant::now() >= until {
                under_way = Some(writing);
                return Ok(None);
            }
        }
    }
}
