//! What was trained is what is served: over the network a model answers as `firebox predict` and `firebox generate` do.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::generate::letters;
use crate::sandbox::Sandbox;

/// A server, ended with the test.
struct Served {
    child: Child,
    address: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts `firebox serve`, and waits until every model is ready.
fn serve(sandbox: &Sandbox, line: &str) -> Served {
    let mut command = sandbox.command(&format!("serve {line} --port 0"));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut told).unwrap();
    let address = told.trim().rsplit("http://").next().unwrap().to_owned();
    let served = Served { child, address };
    let until = Instant::now() + Duration::from_mins(1);
    while served.ask("GET", "/v2/health/ready", "").0 != 200 {
        assert!(Instant::now() < until, "it does not get ready");
        std::thread::sleep(Duration::from_millis(10));
    }
    served
}

impl Served {
    /// The status and the body of an answer.
    fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let (status, text) = self.ask("POST", path, &body.to_string());
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).unwrap()
    }
}

/// Rows as a file and as records.
fn rows(sandbox: &Sandbox) -> Vec<Value> {
    let row = |k: usize| (k as f64 / 7.0, k as f64 / 11.0 - 1.0, ["red", "green", "never"][k % 3]);
    let lines: Vec<String> = (0..50).map(row).map(|(a, b, c)| format!("{a:.4},{b:.4},{c}")).collect();
    sandbox.write("new.csv", format!("a,b,c\n{}\n", lines.join("\n")));
    let record = |line: &String| {
        let fields: Vec<&str> = line.split(',').collect();
        json!({ "a": fields[0].parse::<f64>().unwrap(), "b": fields[1].parse::<f64>().unwrap(), "c": fields[2] })
    };
    lines.iter().map(record).collect()
}

#[test]
fn a_server_answers_what_predict_answers_alone_and_beside_others() {
    let sandbox = Sandbox::new();
    sandbox.run("train config.toml --run r --set train.epochs=3").succeeded();
    let records = rows(&sandbox);
    let wanted = sandbox.run("predict r new.csv --json --device cpu").expect(0).json();
    let server = serve(&sandbox, "r");
    let told = server.post("/predict", &json!(records));
    assert_eq!(told["model_name"], "r");
    // At once, as `predict` asks them, every number is the same to the last bit.
    for (told, wanted) in told["predictions"].as_array().unwrap().iter().zip(wanted.as_array().unwrap()) {
        assert_eq!((&told["scores"], &told["label"]), (&wanted["scores"], &wanted["label"]));
    }
    // One by one, by many at once: answered together with whoever asks meanwhile.
    std::thread::scope(|scope| {
        for client in 0..8 {
            let (server, records, wanted) = (&server, &records, &wanted);
            scope.spawn(move || {
                for at in (client..records.len()).step_by(8) {
                    let told = server.post("/predict/r", &records[at]);
                    let (told, wanted) = (&told["predictions"][0], &wanted[at]);
                    assert_eq!(told["label"], wanted["label"]);
                    for (told, wanted) in
                        told["scores"].as_array().unwrap().iter().zip(wanted["scores"].as_array().unwrap())
                    {
                        let difference = told[1].as_f64().unwrap() - wanted[1].as_f64().unwrap();
                        assert!(told[0] == wanted[0] && difference.abs() < 1e-5, "{told} {wanted}");
                    }
                }
            });
        }
    });
    let metrics = server.ask("GET", "/metrics", "").1;
    for words in [
        "phase=\"queue\"",
        "phase=\"infer\"",
        "firebox_batch_examples_count{model=\"r\"",
        "path=\"/predict\",status=\"200\"",
    ] {
        assert!(metrics.contains(words), "{words} is not in {metrics}");
    }
}

#[test]
fn models_of_a_config_are_read_anew_and_taken_out_while_others_answer() {
    let sandbox = Sandbox::new();
    sandbox.run("train config.toml --run r --set train.epochs=2").succeeded();
    sandbox.run("export r --to bundle --out out").expect(0);
    let config = "control = true\n[[models]]\nname = \"one\"\nbundle = \"out/bundle\"\n[[models]]\nbundle = \"r\"\n\
                  [batching]\nrows = 4\nwindow_ms = 1\n";
    sandbox.write("serve.toml", config);
    let server = serve(&sandbox, "serve.toml");
    let record = json!({ "a": 0.5, "b": 0.1, "c": "red" });
    assert_eq!(server.ask("POST", "/predict", &record.to_string()).0, 404);
    let first = server.post("/predict/one", &record);
    assert_eq!(server.post("/predict/r", &record)["predictions"][0]["scores"], first["predictions"][0]["scores"]);
    let index = server.post("/v2/repository/index", &json!({}));
    assert_eq!((&index[0]["name"], &index[1]["state"]), (&json!("one"), &json!("READY")));
    // Another bundle at the same place is another version, and the one before it answers those who name it.
    sandbox.run("export r --to bundle --threshold x=0.9 --out out").expect(0);
    server.post("/v2/repository/models/one/load", &json!({}));
    let second = server.post("/predict/one", &record);
    assert_ne!(second["model_version"], first["model_version"]);
    let path = format!("/v2/models/one/versions/{}", first["model_version"].as_str().unwrap());
    assert_eq!(server.ask("GET", &path, "").0, 200);
    // What cannot be read takes nothing away.
    std::fs::remove_file(sandbox.path("out/bundle/pipeline.json")).unwrap();
    let (status, text) = server.ask("POST", "/v2/repository/models/one/load", "{}");
    assert!(status >= 400 && text.contains("pipeline.json"), "{status} {text}");
    assert_eq!(server.post("/predict/one", &record)["model_version"], second["model_version"]);
    server.post("/v2/repository/models/one/unload", &json!({}));
    assert_eq!(server.ask("POST", "/predict/one", &record.to_string()).0, 404);
    server.post("/predict/r", &record);
}

#[test]
fn a_text_is_continued_as_generate_continues_it_also_piece_by_piece() {
    let sandbox = letters();
    sandbox.run("train config.toml --run r --device cpu").succeeded();
    let told = sandbox.run("generate r ab --seed 3 --temperature 1.5 --tokens 12 --json --device cpu").expect(0).json();
    let server = serve(&sandbox, "r");
    let asked = json!({ "prompt": "ab", "seed": 3, "temperature": 1.5, "tokens": 12 });
    assert_eq!(server.post("/generate", &asked)["text"], told[0]["text"]);
    let mut streamed = asked.clone();
    streamed["stream"] = json!(true);
    let (status, text) = server.ask("POST", "/generate/r", &streamed.to_string());
    assert_eq!(status, 200);
    let data = |line: &str| Some(serde_json::from_str::<Value>(line.trim().strip_prefix("data: ")?).unwrap());
    let events: Vec<Value> = text.lines().filter_map(data).collect();
    let (last, pieces) = events.split_last().unwrap();
    let joined: String = pieces.iter().map(|piece| piece["text"].as_str().unwrap()).collect();
    assert_eq!((last["text"].as_str(), Some(joined.as_str())), (told[0]["text"].as_str(), told[0]["text"].as_str()));
    for (body, words) in [
        (json!({ "prompt": "ab?" }), "`?`"),
        (json!({ "prompt": "ab", "tokens": 0 }), "`tokens` is 0"),
        (json!({ "prompt": "ab", "temperature": -1 }), "temperature"),
        (json!({ "prompts": "ab" }), "prompts"),
    ] {
        let (status, text) = server.ask("POST", "/generate", &body.to_string());
        assert!(status == 400 && text.contains(words), "{status} {text}");
    }
}

#[test]
fn what_cannot_be_served_says_why() {
    let sandbox = Sandbox::new();
    sandbox.run("serve nowhere").refused(2, &["nothing at nowhere"]);
    sandbox.run("serve tiny").refused(2, &["tiny"]);
    sandbox.write("serve.toml", "[[models]]\nbundle = \"nowhere\"\n");
    sandbox.run("serve serve.toml").refused(2, &["nowhere"]);
    sandbox.write("serve.toml", "port = 1\n");
    sandbox.run("serve serve.toml").refused(2, &["serve.toml", "port"]);
    sandbox.run("train config.toml --run r --set train.epochs=1").succeeded();
    sandbox.run("serve r --device abacus").refused(2, &["`abacus`"]);
    sandbox.run("serve a/b=r").refused(2, &["a/b"]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    sandbox.run(&format!("serve r --port {port}")).refused(2, &[&format!("127.0.0.1:{port}"), "--address"]);
    // Whoever is not allowed to, takes nothing out.
    let server = serve(&sandbox, "two=r");
    let (status, text) = server.ask("POST", "/v2/repository/models/two/unload", "");
    assert!(status == 403 && text.contains("`control = true`"), "{text}");
    assert_eq!(server.ask("GET", "/v2/models/two", "").0, 200);
}

/// An image that is sent as a file is answered as one that lies in a folder.
#[test]
fn an_image_file_is_answered_as_predict_answers_it() {
    let sandbox = Sandbox::empty();
    let card = crate::sandbox::repository().join("datasets/mnist");
    let config =
        format!("device = \"cpu\"\n[data]\ncard = {card:?}\n[model.lenet]\n[train]\nsteps = 20\nbatch_size = 16\n");
    sandbox.write("config.toml", config);
    sandbox.run("train config.toml --run r").succeeded();
    let server = serve(&sandbox, "r");
    for (name, format) in [("a.png", image::ImageFormat::Png), ("b.jpg", image::ImageFormat::Jpeg)] {
        let mut bytes = std::io::Cursor::new(Vec::new());
        let pixel = |x: u32, y: u32| image::Rgb([(x * 5) as u8, (y * 4) as u8, (x * y) as u8]);
        image::RgbImage::from_fn(50, 61, pixel).write_to(&mut bytes, format).unwrap();
        let bytes = bytes.into_inner();
        sandbox.write(name, &bytes);
        let wanted = sandbox.run(&format!("predict r {name} --json --device cpu")).expect(0).json();
        let send = |bytes: &[u8]| {
            let mut stream = TcpStream::connect(&server.address).unwrap();
            let kind = if name.ends_with("png") { "image/png" } else { "image/jpeg" };
            let head = format!(
                "POST /predict HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
                bytes.len()
            );
            stream.write_all(&[head.as_bytes(), bytes].concat()).unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            text
        };
        let told = send(&bytes);
        let told: Value = serde_json::from_str(told.split_once("\r\n\r\n").unwrap().1).unwrap();
        assert_eq!(told["predictions"][0]["scores"], wanted[0]["scores"], "{told}");
        // What is none, or only half of one, is refused without a word of folders.
        for broken in [&bytes[..bytes.len() / 2], b"no image", b""] {
            let told = send(broken);
            assert!(told.starts_with("HTTP/1.1 400") && told.contains("whole PNG or JPEG"), "{told}");
        }
    }
    // A picture that claims to be huge is not unpacked.
    let mut bomb = std::io::Cursor::new(Vec::new());
    image::GrayImage::new(5000, 4000).write_to(&mut bomb, image::ImageFormat::Png).unwrap();
    let mut stream = TcpStream::connect(&server.address).unwrap();
    let bomb = bomb.into_inner();
    let head = format!(
        "POST /predict HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: image/png\r\nContent-Length: {}\r\n\r\n",
        bomb.len()
    );
    stream.write_all(&[head.as_bytes(), &bomb].concat()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 400") && text.contains("pixels"), "{text}");
}

#[test]
fn how_requests_come_together_is_measured_and_served_then() {
    let sandbox = Sandbox::new();
    sandbox.run("train config.toml --run r --set train.epochs=1").succeeded();
    let line = "serve r --tune --p99 10s --seconds 0.05 --config tuned.toml";
    let told = sandbox.run(&format!("{line} --json")).expect(0).json();
    let points = told["points"].as_array().unwrap();
    assert!(points.len() >= 30 && points.iter().all(|point| point["requests_per_second"].as_f64().unwrap() > 0.0));
    let most = points.iter().map(|point| point["requests_per_second"].as_f64().unwrap()).fold(0.0, f64::max);
    assert_eq!(told["best"]["requests_per_second"].as_f64(), Some(most));
    let written: toml::Table = std::fs::read_to_string(sandbox.path("tuned.toml")).unwrap().parse().unwrap();
    assert_eq!(written["batching"]["rows"].as_integer(), told["best"]["rows"].as_i64());
    let server = serve(&sandbox, "tuned.toml");
    assert_eq!(server.ask("GET", "/v2/models", "").0, 200);
    drop(server);
    sandbox.run(line).refused(2, &["tuned.toml", "already"]);
    sandbox.run("serve r --tune --p99 fast --config other.toml").expect(2);
    sandbox.run("serve r --tune").expect(2);
    // A latency that nothing keeps: nothing is written.
    let ended = sandbox.run("serve r --tune --p99 0.0001ms --seconds 0.05 --config none.toml").expect(3);
    assert!(ended.stdout.contains("nothing was written") && !sandbox.path("none.toml").exists());
}

#[test]
fn a_key_that_was_made_opens_a_server() {
    let sandbox = Sandbox::new();
    sandbox.run("train config.toml --run r --set train.epochs=1").succeeded();
    let ended = sandbox.run("serve --new-key shop --keys keys.toml").expect(0);
    let key = ended.stdout.trim().to_owned();
    assert!(key.starts_with("fbx_") && ended.stderr.contains("keys.toml"), "{ended:?}");
    sandbox.run("serve --new-key shop --keys keys.toml").refused(2, &["shop", "already"]);
    let other = sandbox.run("serve --new-key desk --keys keys.toml --scopes metrics --json").expect(0).json();
    sandbox.run("serve --new-key x --keys keys.toml --scopes everything").expect(2);
    sandbox.write("serve.toml", "[access]\nkeys = \"keys.toml\"\n[[models]]\nbundle = \"r/bundle\"\nname = \"m\"\n");
    let server = serve(&sandbox, "serve.toml");
    let with = |path: &str, key: &str| {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text.split(' ').nth(1).unwrap().parse::<u16>().unwrap()
    };
    assert_eq!((with("/v2/models", "nothing"), server.ask("GET", "/v2/models", "").0), (401, 401));
    assert_eq!((with("/v2/models", &key), with("/metrics", &key)), (200, 403));
    let desk = other["key"].as_str().unwrap();
    assert_eq!((with("/v2/models", desk), with("/metrics", desk)), (403, 200));
    sandbox.write("serve.toml", "[access]\nkeys = \"nowhere.toml\"\n[[models]]\nbundle = \"r/bundle\"\n");
    sandbox.run("serve serve.toml --port 0").refused(2, &["nowhere.toml"]);
}
