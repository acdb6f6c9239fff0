//! How are calls over gRPC answered? As the same requests over HTTP are; what travels is other.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::{Buf, Bytes};
use http_body_util::Full;
use hyper::Request;
use hyper::http::request::Parts;
use prost::Message;
use tonic::codec::{Codec, DecodeBuf, Decoder};
use tonic::server::{Grpc, UnaryService};
use tonic_prost::ProstEncoder;

use super::answers::Asking;
use super::responses::{self, Answer};
use super::{Shared, requests};
use crate::access::Scope;
use crate::limits::Limits;
use crate::wire::messages::{Change, Index, IndexEntry, IndexRequest, InferRequest, Named, Nothing, Statistics, Well};
use crate::wire::{self, Refusal};

/// The largest message of a call that everyone may make, in bytes.
const NOTHING: usize = 4 << 10;

/// A call of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    ServerLive,
    ServerReady,
    ModelReady,
    ServerMetadata,
    ModelMetadata,
    ModelInfer,
    ModelStatistics,
    RepositoryIndex,
    RepositoryModelLoad,
    RepositoryModelUnload,
}

impl Call {
    /// What the service is called in addresses.
    pub(super) const SERVICE: &'static str = "inference.GRPCInferenceService";

    const ALL: [(&'static str, &'static str, Self); 10] = [
        ("ServerLive", "/inference.GRPCInferenceService/ServerLive", Self::ServerLive),
        ("ServerReady", "/inference.GRPCInferenceService/ServerReady", Self::ServerReady),
        ("ModelReady", "/inference.GRPCInferenceService/ModelReady", Self::ModelReady),
        ("ServerMetadata", "/inference.GRPCInferenceService/ServerMetadata", Self::ServerMetadata),
        ("ModelMetadata", "/inference.GRPCInferenceService/ModelMetadata", Self::ModelMetadata),
        ("ModelInfer", "/inference.GRPCInferenceService/ModelInfer", Self::ModelInfer),
        ("ModelStatistics", "/inference.GRPCInferenceService/ModelStatistics", Self::ModelStatistics),
        ("RepositoryIndex", "/inference.GRPCInferenceService/RepositoryIndex", Self::RepositoryIndex),
        ("RepositoryModelLoad", "/inference.GRPCInferenceService/RepositoryModelLoad", Self::RepositoryModelLoad),
        ("RepositoryModelUnload", "/inference.GRPCInferenceService/RepositoryModelUnload", Self::RepositoryModelUnload),
    ];

    pub(super) fn of(method: &str) -> Option<Self> {
        Self::ALL.iter().find(|(name, ..)| *name == method).map(|(.., call)| *call)
    }

    /// What it is called where requests are counted.
    pub(super) fn label(self) -> &'static str {
        Self::ALL.iter().find(|(.., call)| *call == self).map_or("", |(_, label, _)| label)
    }

    /// What one must be allowed to do; nothing where everyone may.
    pub(super) fn scope(self) -> Option<Scope> {
        match self {
            Self::ServerLive | Self::ServerReady | Self::ModelReady | Self::ServerMetadata => None,
            Self::ModelStatistics => Some(Scope::Metrics),
            Self::RepositoryModelLoad | Self::RepositoryModelUnload => Some(Scope::Control),
            Self::ModelMetadata | Self::ModelInfer | Self::RepositoryIndex => Some(Scope::Predict),
        }
    }
}

type Told<B> = Pin<Box<dyn Future<Output = Result<tonic::Response<B>, tonic::Status>> + Send>>;

/// One call, answered by a function.
struct Answering<F>(Option<F>);

impl<A, B, F, R> UnaryService<A> for Answering<F>
where
    F: FnOnce(A) -> R,
    R: Future<Output = Result<B, Refusal>> + Send + 'static,
    B: Send + 'static,
{
    type Response = B;
    type Future = Told<B>;

    fn call(&mut self, request: tonic::Request<A>) -> Told<B> {
        let told = self.0.take().map(|answer| answer(request.into_inner()));
        Box::pin(async move {
            let once = || tonic::Status::internal("a call is answered once");
            told.ok_or_else(once)?.await.map(tonic::Response::new).map_err(|refusal| wire::status(&refusal))
        })
    }
}

/// Gives the bytes of a message as they are, and writes messages.
struct Bare<B>(PhantomData<B>);

struct AsTheyAre;

impl Decoder for AsTheyAre {
    type Item = Bytes;
    type Error = tonic::Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, tonic::Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

impl<B: Message + Send + 'static> Codec for Bare<B> {
    type Encode = B;
    type Decode = Bytes;
    type Encoder = ProstEncoder<B>;
    type Decoder = AsTheyAre;

    fn encoder(&mut self) -> ProstEncoder<B> {
        ProstEncoder::default()
    }

    fn decoder(&mut self) -> AsTheyAre {
        AsTheyAre
    }
}

/// Reads the message of a call, elsewhere if it is long, and writes what `answer` makes of it.
async fn unary<A, B, R>(
    request: Request<Full<Bytes>>,
    most: usize,
    answer: impl FnOnce(A) -> R + Send + 'static,
) -> Answer
where
    A: Message + Default + Send + 'static,
    B: Message + Send + 'static,
    R: Future<Output = Result<B, Refusal>> + Send + 'static,
{
    let read = |bytes: Bytes| async move {
        let wrong =
            |error: prost::DecodeError| Refusal::bad(format!("the message of the call cannot be read: {error}"));
        let message = requests::aside(bytes.len(), move || {
            wire::check_message(&bytes)?;
            A::decode(bytes).map_err(wrong)
        });
        answer(message.await??).await
    };
    let mut grpc = Grpc::new(Bare::<B>(PhantomData)).max_decoding_message_size(most);
    responses::call(grpc.unary(Answering(Some(read)), request).await)
}

/// The version that is meant; a name alone stands as an empty text in messages.
fn version(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

impl Shared {
    pub(super) async fn call(
        self: &Arc<Self>,
        call: Call,
        head: &Parts,
        asking: Arc<Asking>,
    ) -> Result<Answer, Refusal> {
        // What everyone may ask has nothing to say.
        let body = if call.scope().is_some() { self.limits.body } else { self.limits.body.min(NOTHING) };
        let limits = Limits { body, ..self.limits };
        let body = requests::whole(&head.headers, asking.body()?, &limits, &self.room).await?;
        let request = Request::from_parts(head.clone(), Full::new(body.bytes.clone()));
        let (shared, most) = (Arc::clone(self), self.limits.body);
        Ok(match call {
            Call::ServerLive => {
                unary(request, most, |_: Nothing| async move { Ok(Well { well: !shared.registry.is_broken() }) }).await
            }
            Call::ServerReady => {
                unary(request, most, |_: Nothing| async move { Ok(Well { well: shared.unready().is_none() }) }).await
            }
            Call::ModelReady => {
                let ready = |model: Named| async move {
                    // Of one that there is not it is said that it is not ready, as Triton does.
                    let found = shared.registry.peek(&model.name, version(&model.version));
                    let answers = found.is_ok_and(|found| !found.network.is_broken());
                    Ok(Well { well: answers && !shared.ending.load(Ordering::Acquire) })
                };
                unary(request, most, ready).await
            }
            Call::ServerMetadata => unary(request, most, |_: Nothing| async { Ok(wire::server_metadata()) }).await,
            Call::ModelMetadata => {
                let metadata = |model: Named| async move {
                    asking.caller.may_ask(&model.name)?;
                    let found = shared.registry.find(&model.name, version(&model.version))?;
                    let versions = shared.registry.ids(&found.name);
                    Ok(wire::model_metadata(&found, versions))
                };
                unary(request, most, metadata).await
            }
            Call::ModelInfer => {
                let headers = request.headers().clone();
                let infer = |called: InferRequest| async move {
                    let wanted = version(&called.model_version);
                    let chosen = shared.choose(&called.model_name, wanted, &headers, &asking)?;
                    let rows = shared.limits.rows;
                    let read = move |signature: &_| wire::called(called, signature, rows);
                    let size = body.bytes.len();
                    let (question, answered) = shared.tensors(&asking, &chosen, size, read).await?;
                    Ok(wire::response(&question, &answered.numbers, &chosen.version))
                };
                unary(request, most, infer).await
            }
            Call::ModelStatistics => {
                let told = |model: Named| async move {
                    let all = shared.registry.versions();
                    let suits = |name: &str, id: &str| {
                        asking.caller.may_ask(name).is_ok()
                            && (model.name.is_empty() || model.name == name)
                            && version(&model.version).is_none_or(|wanted| wanted == id)
                    };
                    let suiting = all.iter().filter(|version| suits(&version.name, &version.id));
                    let told = suiting.map(|version| version.statistics.tell(&version.name, &version.id));
                    Ok(Statistics { model_stats: told.collect() })
                };
                unary(request, most, told).await
            }
            Call::RepositoryIndex => {
                let index = |asked: IndexRequest| async move {
                    let all = shared.registry.all().into_iter();
                    let own = all.filter(|entry| asking.caller.may_ask(&entry.name).is_ok());
                    let all = own.map(|entry| wire::entry(&entry));
                    let suits = |entry: &IndexEntry| !asked.ready || entry.state == wire::READY;
                    Ok(Index { models: all.filter(suits).collect() })
                };
                unary(request, most, index).await
            }
            Call::RepositoryModelLoad => {
                unary(request, most, |change: Change| async move {
                    shared.load(&change.model_name, &asking).await.map(|()| Nothing {})
                })
                .await
            }
            Call::RepositoryModelUnload => {
                unary(request, most, |change: Change| async move {
                    shared.unload(&change.model_name, &asking).map(|()| Nothing {})
                })
                .await
            }
        })
    }
}

#[cfg(test)]
#[path = "calls_tests.rs"]
mod tests;
