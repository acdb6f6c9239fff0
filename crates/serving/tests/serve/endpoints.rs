//! Every address, and answers that are those of a `Predictor`.

use data_loader::formats::record_from_json;
use data_loader::{Array, ArrayData, Batch, ExampleId, InputArray, Target};
use model_zoo::bundle::{self, Bundle};
use serde_json::{Value, json};
use serving::Predictor;
use serving::predictor::Numbers;

use crate::bundles::{categories, classes, image, numbers, series, tiny, tiny_in, tokens, untrained};
use crate::client::{Running, posted, serve};

fn predictor(path: &std::path::Path) -> Predictor {
    Predictor::open(Bundle::read(path).unwrap(), &model_zoo::device::open("cpu").unwrap()).unwrap()
}

#[test]
fn every_address_of_the_protocol_answers() {
    let server = serve(&tiny());
    let version = &bundle::manifest_sha256(&tiny()).unwrap()[..12];
    assert_eq!(server.get("/v2/health/live").json(), json!({ "live": true }));
    assert_eq!(server.get("/v2/health/ready").json(), json!({ "live": true, "ready": true }));
    let about = server.get("/v2").json();
    assert_eq!(
        (&about["name"], &about["extensions"]),
        (&json!("firebox"), &json!(["binary_tensor_data", "model_repository", "statistics"]))
    );
    let model = json!({
        "name": "bundle_v1",
        "versions": [version],
        "platform": "firebox_bundle",
        "inputs": [{ "name": "numbers", "datatype": "FP32", "shape": [-1, 3] }],
        "outputs": [
            { "name": "scores", "datatype": "FP32", "shape": [-1, 2] },
            { "name": "probabilities", "datatype": "FP32", "shape": [-1, 2] },
            { "name": "label", "datatype": "BYTES", "shape": [-1] },
        ],
    });
    for path in ["/v2/models/bundle_v1".to_owned(), format!("/v2/models/bundle_v1/versions/{version}")] {
        assert_eq!(server.get(&path).json(), model);
        assert_eq!(server.get(&format!("{path}/ready")).json(), json!({ "name": "bundle_v1", "ready": true }));
        let question = json!({ "id": "7", "inputs": [tensor("numbers", "FP32", &[1, 3], json!([1, 2, 3]))] });
        let answer = server.post(&format!("{path}/infer"), &question).json();
        assert_eq!((&answer["model_name"], &answer["model_version"]), (&json!("bundle_v1"), &json!(version)));
        assert_eq!((&answer["id"], answer["outputs"].as_array().unwrap().len()), (&json!("7"), 3));
    }
    let head = server.send(b"HEAD /v2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!((head.status, &*head.body), (200, ""));
    assert_eq!(head.header("content-length").unwrap(), about.to_string().len().to_string());
}

#[test]
fn answers_are_for_no_browser_to_keep_or_to_guess_at() {
    let server = serve(&tiny());
    for reply in [server.get("/v2"), server.get("/metrics"), server.get("/nowhere"), server.post("/predict", &json!(1))]
    {
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert!(reply.header("content-security-policy").unwrap().contains("default-src 'none'"));
        assert!(reply.header("content-type").is_some());
    }
}

#[test]
fn one_connection_carries_many_requests() {
    let server = serve(&tiny());
    let one = "GET /v2/health/live HTTP/1.1\r\nHost: a\r\n\r\n";
    let last = String::from_utf8(posted("/predict", "", r#"{"a": 1, "b": 2, "c": 3}"#)).unwrap();
    let all = server.send(format!("{one}{one}{last}").as_bytes());
    assert_eq!(all.body.matches("HTTP/1.1 200 OK").count(), 2, "{}", all.body);
    assert!(all.body.contains("predictions"));
}

#[test]
fn records_are_answered_as_a_predictor_answers_them() {
    let server = serve(&tiny());
    let predictor = predictor(&tiny());
    let records = [
        json!({ "a": 1.5, "b": -2, "c": 0.25, "kind": "nobody looks at it" }),
        json!({ "a": null, "b": "3.5", "c": 1e3, "unknown": [1] }),
    ];
    let read = |(place, json): (usize, &Value)| {
        record_from_json(json.as_object().unwrap(), predictor.pipeline().schema(), &format!("#{place}")).unwrap()
    };
    let expected = predictor.predict(records.iter().enumerate().map(read).collect()).unwrap();
    let expected = json!(expected);
    for body in [json!(records), json!({ "records": records })] {
        let answer = server.post("/predict", &body).json();
        assert_eq!(answer["predictions"], expected);
        assert_eq!(answer["model_name"], "bundle_v1");
        assert_eq!(answer["model_version"], bundle::manifest_sha256(&tiny()).unwrap()[..12]);
    }
    let one = server.post("/predict", &records[0]).json();
    assert_eq!(one["predictions"][0]["scores"], expected[0]["scores"]);
    assert!(["low", "high"].contains(&one["predictions"][0]["label"].as_str().unwrap()));
    assert_eq!(server.post("/predict", &json!([])).json()["predictions"], json!([]));
}

/// A tensor of a request.
fn tensor(name: &str, datatype: &str, shape: &[usize], data: Value) -> Value {
    json!({ "name": name, "datatype": datatype, "shape": shape, "data": data })
}

/// An input with the same numbers for the predictor.
fn input(name: &str, shape: &[usize], data: ArrayData) -> InputArray {
    InputArray { name: name.into(), array: Array { shape: shape.to_vec(), data }, mask: None, lengths: None }
}

/// Asserts that a bundle answers these tensors over HTTP with the numbers that its predictor gives for these inputs,
/// in an output of this name.
fn same(bundle: &std::path::Path, tensors: Vec<Value>, inputs: Vec<InputArray>, output: &str) -> (Running, Value) {
    let ids = (0..inputs[0].array.shape[0]).map(|row| ExampleId { key: format!("#{row}") }).collect();
    let expected: Numbers = predictor(bundle).infer(&Batch::of(inputs, Target::None, ids)).unwrap();
    let server = serve(bundle);
    let answer = server.post("/v2/models/made-up/infer", &json!({ "inputs": tensors })).json();
    let found = &answer["outputs"][0];
    assert_eq!((&found["name"], &found["datatype"]), (&json!(output), &json!("FP32")), "{answer}");
    assert_eq!(found["shape"], json!(expected.shape));
    let numbers: Vec<f32> = serde_json::from_value(found["data"].clone()).unwrap();
    assert_eq!(numbers, expected.values);
    if let Some(serving::predictor::Classes { probabilities, .. }) = expected.classes {
        let numbers: Vec<f32> = serde_json::from_value(answer["outputs"][1]["data"].clone()).unwrap();
        assert_eq!(numbers, probabilities);
    }
    (server, answer)
}

#[test]
fn images_numbers_and_categories_are_answered_as_a_predictor_answers_them() {
    let mlp = json!({ "mlp": { "hidden": [8] } });
    let (_root, bundle) = untrained(&mlp, "classify", json!([image(), numbers(), categories()]), classes());
    let pixels: Vec<u8> = (0..2 * 3 * 16 * 14).map(|k| (k * 37 % 256) as u8).collect();
    // Nested, and in another order than that of the signature.
    let nested: Vec<Vec<&[u8]>> = pixels.chunks(3 * 16 * 14).map(|image| image.chunks(16 * 14).collect()).collect();
    let nested: Vec<Vec<Vec<&[u8]>>> =
        nested.iter().map(|image| image.iter().map(|plane| plane.chunks(14).collect()).collect()).collect();
    let tensors = vec![
        tensor("categories", "INT64", &[2, 2], json!([[1, 4], [0, 0]])),
        tensor("image", "UINT8", &[2, 3, 16, 14], json!(nested)),
        tensor("numbers", "FP32", &[2, 2], json!([0.1, -2, 3e5, 0])),
    ];
    let inputs = vec![
        input("image", &[2, 3, 16, 14], ArrayData::U8(pixels)),
        input("numbers", &[2, 2], ArrayData::F32(vec![0.1, -2.0, 3e5, 0.0])),
        input("categories", &[2, 2], ArrayData::I64(vec![1, 4, 0, 0])),
    ];
    let (server, answer) = same(&bundle, tensors.clone(), inputs, "scores");
    let label = &answer["outputs"][2];
    assert_eq!((&label["name"], &label["datatype"], &label["shape"]), (&json!("label"), &json!("BYTES"), &json!([2])));
    for (row, label) in label["data"].as_array().unwrap().iter().enumerate() {
        let of_row = &answer["outputs"][1]["data"].as_array().unwrap()[row * 3..row * 3 + 3];
        let best = (0..3).max_by(|&a, &b| of_row[a].as_f64().unwrap().total_cmp(&of_row[b].as_f64().unwrap())).unwrap();
        assert_eq!(*label, ["x", "y", "z"][best]);
    }
    let wanted = json!({ "inputs": tensors, "outputs": [{ "name": "label" }] });
    let answer = server.post("/v2/models/made-up/infer", &wanted).json();
    assert_eq!(answer["outputs"], json!([label]));
}

#[test]
fn texts_are_answered_as_a_predictor_answers_them_with_a_mask_and_without() {
    let gru = json!({ "gru": { "embedding": 6, "hidden": 8 } });
    let (_root, bundle) = untrained(&gru, "classify", json!([tokens()]), classes());
    let ids = tensor("tokens", "INT64", &[2, 4], json!([[3, 10, 1, 2], [5, 6, 0, 0]]));
    let mut inputs = vec![input("tokens", &[2, 4], ArrayData::I64(vec![3, 10, 1, 2, 5, 6, 0, 0]))];
    let (server, whole) = same(&bundle, vec![ids.clone()], inputs.clone(), "scores");
    inputs[0].mask = Some(vec![1, 1, 1, 1, 1, 1, 0, 0]);
    for mask in [
        tensor("mask", "FP32", &[2, 4], json!([1.0, 1, 1, 1, 1, 1, 0.0, 0])),
        tensor("mask", "BOOL", &[2, 4], json!([[true, true, true, true], [true, true, false, false]])),
    ] {
        let (_, masked) = same(&bundle, vec![mask, ids.clone()], inputs.clone(), "scores");
        assert_ne!(masked["outputs"], whole["outputs"], "the mask changes nothing");
    }
    let model = server.get("/v2/models/made-up").json();
    let mask = json!({ "name": "mask", "datatype": "FP32", "shape": [-1, -1], "optional": true });
    assert_eq!(model["inputs"], json!([{ "name": "tokens", "datatype": "INT64", "shape": [-1, -1] }, mask]));
}

#[test]
fn every_task_has_the_name_of_its_tensor() {
    let gpt = json!({ "gpt": { "layers": 1, "features": 8, "heads": 2, "context": 9 } });
    let (_root, bundle) = untrained(&gpt, "generate", json!([tokens()]), json!({ "tokens": { "vocabulary": 11 } }));
    let ids = vec![tensor("tokens", "INT64", &[1, 3], json!([1, 2, 3]))];
    let (server, _) = same(&bundle, ids, vec![input("tokens", &[1, 3], ArrayData::I64(vec![1, 2, 3]))], "scores");
    let outputs = &server.get("/v2/models/made-up").json()["outputs"];
    assert_eq!(*outputs, json!([{ "name": "scores", "datatype": "FP32", "shape": [-1, -1, 11] }]));

    let row = vec![tensor("numbers", "FP32", &[1, 2], json!([1, -1]))];
    let values = json!({ "values": { "names": ["v"], "mean": [100.0], "std": [10.0] } });
    for (architecture, task, output, name) in [
        (json!({ "mlp": { "hidden": [4] } }), "regress", values, "values"),
        (json!({ "autoencoder": { "hidden": [4], "code": 1 } }), "reconstruct", json!("inputs"), "reconstruction"),
    ] {
        let (_root, bundle) = untrained(&architecture, task, json!([numbers()]), output);
        same(&bundle, row.clone(), vec![input("numbers", &[1, 2], ArrayData::F32(vec![1.0, -1.0]))], name);
    }

    let horizon = json!({ "horizon": {
        "names": ["a", "b"], "mean": [0.0, 0.0], "std": [1.0, 1.0],
        "quantiles": [0.1, 0.5, 0.9], "season": 1, "history": true,
    } });
    let lstm = json!({ "lstm_forecast": { "layers": 1, "hidden": 4 } });
    let (_root, bundle) = untrained(&lstm, "forecast", json!([series()]), horizon);
    let steps = vec![0.5, 1.0, 1.5, 1.0, 0.5, 0.0];
    let tensors = vec![tensor("series", "FP32", &[1, 6, 1], json!(steps))];
    let (server, answer) = same(&bundle, tensors, vec![input("series", &[1, 6, 1], ArrayData::F32(steps))], "horizon");
    assert_eq!(answer["outputs"][0]["shape"], json!([1, 2, 3]));
    assert_eq!(server.get("/v2/models/made-up").json()["outputs"][0]["shape"], json!([-1, 2, 3]));

    let pixels = vec![7_u8; 3 * 16 * 14];
    let tensors = vec![tensor("image", "UINT8", &[1, 3, 16, 14], json!(pixels))];
    for (architecture, task, output, name) in [
        (
            json!({ "unet": { "depth": 2, "width": 4 } }),
            "segment",
            json!({ "mask": { "labels": ["x", "y"] } }),
            "scores",
        ),
        (
            json!({ "resnet": { "depth": 8, "width": 4 } }),
            "contrast",
            json!({ "embedding": { "size": 5 } }),
            "embedding",
        ),
    ] {
        let (_root, bundle) = untrained(&architecture, task, json!([image()]), output);
        let inputs = vec![input("image", &[1, 3, 16, 14], ArrayData::U8(pixels.clone()))];
        let (server, answer) = same(&bundle, tensors.clone(), inputs, name);
        let stated = server.get("/v2/models/made-up").json()["outputs"][0]["shape"].clone();
        assert_eq!(stated.as_array().unwrap()[1..], answer["outputs"][0]["shape"].as_array().unwrap()[1..]);
    }
}

#[test]
fn a_model_is_called_as_it_was_told_as_its_folder_is_or_as_its_bundle_says() {
    let (_root, folder) = tiny_in("penguins");
    let packed = folder.with_file_name("packed.tar.zst");
    bundle::pack(&folder, &packed).unwrap();
    for (path, name) in [(folder, "penguins"), (packed, "packed")] {
        assert_eq!(serve(&path).get(&format!("/v2/models/{name}")).status, 200, "{name}");
    }
    for nameless in ["bundle", "model", "models"] {
        let (_root, folder) = tiny_in(nameless);
        assert_eq!(serve(&folder).get("/v2/models/tiny").status, 200, "{nameless}");
    }
    let server = crate::client::serve_with(&tiny(), Some("told"), serving::Limits::default());
    server.wait_until_ready();
    assert_eq!(server.get("/v2/models/told").status, 200);
}

#[test]
fn requests_are_counted_by_route_and_status() {
    let server = serve(&tiny());
    let path = "/v2/models/bundle_v1/infer";
    let good = json!({ "inputs": [tensor("numbers", "FP32", &[1, 3], json!([1, 2, 3]))] });
    assert_eq!(server.post(path, &good).status, 200);
    assert_eq!(server.post(path, &json!({})).status, 400);
    assert_eq!(server.get("/invented/1").status + server.get("/invented/2").status, 808);
    let text = server.get("/metrics").body;
    let version = &bundle::manifest_sha256(&tiny()).unwrap()[..12];
    let info = format!("firebox_model_info{{name=\"bundle_v1\",version=\"{version}\",task=\"classify\"}} 1");
    for line in [
        "firebox_requests_total{path=\"/v2/models/NAME/infer\",status=\"200\"} 1",
        "firebox_requests_total{path=\"/v2/models/NAME/infer\",status=\"400\"} 1",
        "firebox_requests_total{path=\"other\",status=\"404\"} 2",
        "# TYPE firebox_request_seconds histogram",
        "firebox_request_seconds_bucket{path=\"/v2/models/NAME/infer\",le=\"+Inf\"} 2",
        "firebox_request_seconds_count{path=\"/v2/models/NAME/infer\"} 2",
        "firebox_waiting_requests 0",
        &info,
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("invented"));
}

/// Tensors as bytes behind the JSON are those that stand in JSON, there and back.
#[test]
fn tensors_travel_as_bytes_too() {
    let server = serve(&tiny());
    let path = "/v2/models/bundle_v1/infer";
    let values = [0.25_f32, -1.5, 3.0, 0.5, 0.0, 2.0];
    let plain = json!({ "inputs": [tensor("numbers", "FP32", &[2, 3], json!(values))] });
    let plain = server.post(path, &plain).json();
    let mut given = tensor("numbers", "FP32", &[2, 3], Value::Null);
    given.as_object_mut().unwrap().remove("data");
    given["parameters"] = json!({ "binary_data_size": 24 });
    let asked = |outputs: Value| json!({ "id": "x", "inputs": [given], "outputs": outputs }).to_string();
    let send = |json: &str, behind: &[u8], length: usize| {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/octet-stream\r\n\
             Inference-Header-Content-Length: {length}\r\nContent-Length: {}\r\n\r\n",
            json.len() + behind.len()
        );
        server.send_for_bytes(&[head.as_bytes(), json.as_bytes(), behind].concat())
    };
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    // One output as JSON, two as bytes.
    let json = asked(json!([
        { "name": "probabilities" },
        { "name": "scores", "parameters": { "binary_data": true } },
        { "name": "label", "parameters": { "binary_data": true } },
    ]));
    let (head, body) = send(&json, &bytes, json.len());
    let length = head.lines().find_map(|line| line.strip_prefix("inference-header-content-length: ")).unwrap();
    let (answer, behind) = body.split_at(length.parse().unwrap());
    let answer: Value = serde_json::from_slice(answer).unwrap();
    assert_eq!((&answer["id"], &answer["outputs"][0]["data"]), (&json!("x"), &plain["outputs"][1]["data"]));
    let sizes: Vec<usize> =
        (1..3).map(|at| answer["outputs"][at]["parameters"]["binary_data_size"].as_u64().unwrap() as usize).collect();
    assert!(answer["outputs"][1].get("data").is_none() && sizes.iter().sum::<usize>() == behind.len());
    let scores: Vec<f32> =
        behind[..sizes[0]].as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    assert_eq!(scores, serde_json::from_value::<Vec<f32>>(plain["outputs"][0]["data"].clone()).unwrap());
    let label = plain["outputs"][2]["data"][0].as_str().unwrap();
    let first = &behind[sizes[0]..];
    assert_eq!(u32::from_le_bytes(first[..4].try_into().unwrap()) as usize, label.len());
    assert_eq!(&first[4..][..label.len()], label.as_bytes());
    // What does not fit together is refused.
    for (json, behind, length) in [
        (json.clone(), &bytes[..20], json.len()),
        (json.clone(), &[&bytes[..], &[0; 4]].concat()[..], json.len()),
        (json.clone(), &bytes[..], json.len() + 1000),
        (json.clone(), &bytes[..], json.len() - 1),
        (json.replace("24", "20"), &bytes[..20], json.len()),
        (json.replace("24", "18446744073709551615"), &bytes[..], json.len() + 18),
        (json.clone(), &[&f32::NAN.to_le_bytes()[..], &bytes[4..]].concat()[..], json.len()),
    ] {
        let (head, body) = send(&json, behind, length);
        assert!(head.starts_with("http/1.1 400"), "{head} {}", String::from_utf8_lossy(&body));
    }
}
