//! Calls over gRPC, by a client that speaks HTTP/2 and writes frames by hand, which can also be wrong.

use std::net::SocketAddr;

use bytes::{BufMut, Bytes, BytesMut};
use hyper::HeaderMap;

use super::*;
use crate::http::{Server, Settings};
use crate::registry::Source;
use crate::registry::tests::{tiny, within};
use crate::wire::messages::{
    Contents, InferResponse, InputTensor, ModelMetadata, Parameter, RequestedTensor, Said, ServerMetadata, Statistics,
};

/// A message as it stands in the body of a call.
fn framed(message: &[u8]) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_u8(0);
    bytes.put_u32(message.len() as u32);
    bytes.put_slice(message);
    bytes.freeze()
}

/// What is answered to a body: its bytes, and the status of gRPC with its words.
async fn send(address: SocketAddr, method: &str, headers: &HeaderMap, body: Bytes) -> (Bytes, u32, String) {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(async move { drop(connection.await) });
    let mut request = Request::builder()
        .method("POST")
        .uri(format!("http://{address}/{}/{method}", Call::SERVICE))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap();
    request.headers_mut().extend(headers.clone());
    let mut sender = sender.ready().await.unwrap();
    let (answer, mut give) = sender.send_request(request, false).unwrap();
    give.send_data(body, true).unwrap();
    let answer = answer.await.unwrap();
    let head = answer.headers().clone();
    let mut body = answer.into_body();
    let mut bytes = BytesMut::new();
    while let Some(piece) = body.data().await {
        let piece = piece.unwrap();
        body.flow_control().release_capacity(piece.len()).unwrap();
        bytes.put(piece);
    }
    let behind = body.trailers().await.unwrap().unwrap_or_default();
    let said = |name: &str| {
        let value = behind.get(name).or_else(|| head.get(name))?;
        Some(value.to_str().unwrap().replace("%20", " ").replace("%60", "`"))
    };
    let words = said("grpc-message").unwrap_or_default();
    // An answer of plain HTTP has no such status.
    let code = said("grpc-status").map_or(u32::MAX, |code| code.parse().unwrap());
    (bytes.freeze(), code, words)
}

/// What is answered to a message.
async fn call<A: Message, B: Message + Default>(
    address: SocketAddr,
    method: &str,
    message: &A,
) -> Result<B, (u32, String)> {
    let (bytes, code, words) = send(address, method, &HeaderMap::new(), framed(&message.encode_to_vec())).await;
    match code {
        0 => Ok(B::decode(&bytes[5..]).unwrap()),
        code => Err((code, words)),
    }
}

async fn begin(control: bool) -> SocketAddr {
    let model = Source { name: Some("m".into()), bundle: tiny(), ..Source::default() };
    let settings = Settings { address: "127.0.0.1:0".parse().unwrap(), control, ..Settings::of(vec![model]) };
    let server = Server::bind(settings).await.unwrap();
    let address = server.address();
    tokio::spawn(server.run(std::future::pending));
    while !call::<_, Well>(address, "ServerReady", &Nothing {}).await.unwrap().well {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    address
}

fn named(name: &str) -> Named {
    Named { name: name.into(), version: String::new() }
}

/// A request for two examples.
fn question() -> InferRequest {
    let contents = Contents { floats: vec![1.0, 2.0, 3.0, -1.0, 0.5, 0.25], ..Contents::default() };
    let input =
        InputTensor { name: "numbers".into(), datatype: "FP32".into(), shape: vec![2, 3], contents: Some(contents) };
    InferRequest { model_name: "m".into(), id: "7".into(), inputs: vec![input], ..InferRequest::default() }
}

#[test]
fn every_call_of_the_service_is_answered() {
    within(async {
        let address = begin(true).await;
        assert!(call::<_, Well>(address, "ServerLive", &Nothing {}).await.unwrap().well);
        assert!(call::<_, Well>(address, "ModelReady", &named("m")).await.unwrap().well);
        let server: ServerMetadata = call(address, "ServerMetadata", &Nothing {}).await.unwrap();
        assert!(server.name == "firebox" && server.extensions.contains(&"statistics".to_owned()));
        let model: ModelMetadata = call(address, "ModelMetadata", &named("m")).await.unwrap();
        assert_eq!((model.inputs[0].shape.as_slice(), model.outputs.len(), model.versions.len()), (&[-1, 3][..], 3, 1));

        let told: InferResponse = call(address, "ModelInfer", &question()).await.unwrap();
        assert_eq!((told.model_name.as_str(), told.id.as_str(), &told.model_version), ("m", "7", &model.versions[0]));
        let names: Vec<&str> = told.outputs.iter().map(|output| output.name.as_str()).collect();
        assert_eq!((names, told.raw_output_contents.len()), (vec!["scores", "probabilities", "label"], 3));
        assert_eq!((told.outputs[0].shape.as_slice(), told.raw_output_contents[0].len()), (&[2, 2][..], 16));
        // The same as bytes, with a version, one output, and words that mean nothing here.
        let mut other = question();
        let floats = other.inputs[0].contents.take().unwrap().floats;
        other.raw_input_contents = vec![floats.iter().flat_map(|number| number.to_le_bytes()).collect()];
        other.model_version.clone_from(&model.versions[0]);
        other.outputs = vec![RequestedTensor { name: "scores".into() }];
        other.parameters.insert("x".into(), Parameter { said: Some(Said::Whole(1)) });
        let again: InferResponse = call(address, "ModelInfer", &other).await.unwrap();
        assert_eq!(again.raw_output_contents, told.raw_output_contents[..1]);

        let told: Statistics = call(address, "ModelStatistics", &named("m")).await.unwrap();
        assert_eq!(told.model_stats[0].inference_count, 4);
        let none: Statistics = call(address, "ModelStatistics", &named("x")).await.unwrap();
        assert!(none.model_stats.is_empty());
        let index = |ready| async move {
            let asked = IndexRequest { repository_name: String::new(), ready };
            call::<_, Index>(address, "RepositoryIndex", &asked).await.unwrap().models
        };
        assert_eq!(index(true).await[0].state, "READY");
        let change = Change { repository_name: String::new(), model_name: "m".into() };
        let _: Nothing = call(address, "RepositoryModelUnload", &change).await.unwrap();
        assert_eq!((index(true).await.len(), index(false).await[0].reason.as_str()), (0, "unloaded"));
        let (code, words) = call::<_, InferResponse>(address, "ModelInfer", &question()).await.unwrap_err();
        assert!(code == 5 && words.contains("taken out"), "{code} {words}");
        let _: Nothing = call(address, "RepositoryModelLoad", &change).await.unwrap();
        assert!(call::<_, Well>(address, "ModelReady", &named("m")).await.unwrap().well);
    });
}

#[test]
fn what_cannot_be_meant_is_refused_in_a_sentence() {
    within(async {
        let address = begin(false).await;
        let changed = |change: &dyn Fn(&mut InferRequest)| {
            let mut question = question();
            change(&mut question);
            question
        };
        for (question, code, words) in [
            (changed(&|q| q.model_name = "x".into()), 5, "no model `x`"),
            (changed(&|q| q.model_version = "9".into()), 5, "no version `9`"),
            (changed(&|q| q.inputs.clear()), 3, "lacks the input"),
            (changed(&|q| q.inputs[0].name = "y".into()), 3, "no input `y`"),
            (changed(&|q| q.inputs[0].datatype = "INT64".into()), 3, "must be FP32"),
            (changed(&|q| q.inputs[0].shape = vec![i64::MAX, 3]), 3, "are the most"),
            (changed(&|q| q.inputs[0].shape = vec![2, -3]), 3, "above 0"),
            (changed(&|q| q.inputs[0].shape = vec![3, 3]), 3, "24 bytes are not 9 numbers"),
            (changed(&|q| q.inputs[0].contents = None), 3, "has no data"),
            (changed(&|q| q.raw_input_contents = vec![Bytes::new(); 2]), 3, "1 inputs, and the bytes of 2"),
            (changed(&|q| q.raw_input_contents = vec![Bytes::new()]), 3, "and bytes too"),
            (changed(&|q| q.inputs[0].contents.as_mut().unwrap().floats[0] = f32::NAN), 3, "finite"),
            (changed(&|q| q.outputs = vec![RequestedTensor { name: "z".into() }]), 3, "no output `z`"),
        ] {
            let told = call::<_, InferResponse>(address, "ModelInfer", &question).await;
            let (found, said) = told.unwrap_err();
            assert!(found == code && said.contains(words), "{found} {said}, and not {words}");
        }
        let change = Change { repository_name: String::new(), model_name: "m".into() };
        assert_eq!(call::<_, Nothing>(address, "RepositoryModelUnload", &change).await.unwrap_err().0, 7);
        // A time that is over before it began.
        let mut headers = HeaderMap::new();
        headers.insert("grpc-timeout", "1n".parse().unwrap());
        let (_, code, words) = send(address, "ModelInfer", &headers, framed(&question().encode_to_vec())).await;
        assert_eq!(
            (code, words.as_str()),
            (4, "its time was over before its turn came (ask with more time, or at another moment)")
        );
        // There is no such call, and gRPC never learns that.
        assert_eq!(send(address, "ModelTrain", &HeaderMap::new(), framed(&[])).await.1, u32::MAX);
        assert!(call::<_, InferResponse>(address, "ModelInfer", &question()).await.is_ok());
    });
}

/// Frames and messages that were broken at random: each is refused, and the server goes on.
#[test]
fn frames_that_are_broken_are_refused() {
    within(async {
        let address = begin(false).await;
        let whole = framed(&question().encode_to_vec());
        let mut state =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64 | 1;
        let seed = state;
        let mut draw = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % below.max(1) as u64) as usize
        };
        for round in 0..300 {
            let mut bytes = whole.to_vec();
            match round % 4 {
                0 => bytes.truncate(draw(bytes.len())),
                1 => (0..=draw(4)).for_each(|_| {
                    let place = draw(bytes.len());
                    bytes[place] = draw(256) as u8;
                }),
                2 => bytes.extend((0..draw(40)).map(|_| draw(256) as u8)),
                _ => {
                    // The frame is right, and the message is not.
                    let inside: Vec<u8> = (0..draw(60)).map(|_| draw(256) as u8).collect();
                    bytes = framed(&inside).to_vec();
                }
            }
            let (_, code, words) = send(address, "ModelInfer", &HeaderMap::new(), bytes.into()).await;
            assert!(matches!(code, 0..=16) && !words.contains("the program failed"), "{code} {words}, seed {seed}");
        }
        assert!(call::<_, InferResponse>(address, "ModelInfer", &question()).await.is_ok());
    });
}
