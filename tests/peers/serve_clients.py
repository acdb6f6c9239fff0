"""Do clients that others wrote take our server for one of their own? tritonclient over HTTP, in JSON and with bytes, and over gRPC; tokens that PyJWT signed; the description of the addresses, held against the schema of OpenAPI; traces, as OpenTelemetry reads them.

    python serve_clients.py FIREBOX RUN_OF_PENGUINS RUN_OF_DIGITS

Needs: tritonclient[http,grpc] numpy pyjwt[crypto] openapi-spec-validator opentelemetry-proto.
"""

import base64
import http.server
import json
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import jwt
import numpy as np
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from google.protobuf import json_format
from openapi_spec_validator import validate
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


def started(firebox: str, config: Path) -> tuple[subprocess.Popen, str]:
    server = subprocess.Popen([firebox, "serve", config, "--port", "0"], stdout=subprocess.PIPE, text=True)
    return server, server.stdout.readline().strip().rsplit("http://", 1)[1]


def infer(client: triton.InferenceServerClient, model: str, inputs: dict, outputs: dict, binary: bool, **said):
    given = []
    for name, (datatype, values) in inputs.items():
        one = triton.InferInput(name, list(values.shape), datatype)
        one.set_data_from_numpy(values, binary_data=binary)
        given.append(one)
    wanted = [triton.InferRequestedOutput(name, binary_data=as_bytes) for name, as_bytes in outputs.items()]
    return client.infer(model, given, outputs=wanted, **said)


def digits(client: triton.InferenceServerClient) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(int(time.time()))
    pixels = random.integers(0, 256, size=(5, 1, 28, 28), dtype=np.uint8)
    plain = infer(client, "digits", {"image": ("UINT8", pixels)}, {"scores": False, "label": False}, False)
    scores, labels = plain.as_numpy("scores"), plain.as_numpy("label")
    assert scores.shape == (5, 10) and labels.shape == (5,), (scores.shape, labels)
    for asked, told in [(True, True), (True, False), (False, True)]:
        again = infer(client, "digits", {"image": ("UINT8", pixels)}, {"label": told, "scores": told}, asked, request_id="x")
        assert again.get_response()["id"] == "x"
        assert (again.as_numpy("scores") == scores).all(), "numbers differ between JSON and bytes"
        found = [text.decode() if isinstance(text, bytes) else text for text in again.as_numpy("label")]
        assert found == list(labels), (found, labels)
    # Compressed both ways; the answer is large enough for that.
    many = np.repeat(pixels, 40, axis=0)
    as_it_is = infer(client, "digits", {"image": ("UINT8", many)}, {"scores": False}, False).as_numpy("scores")
    for there, back in [("gzip", "deflate"), ("deflate", "gzip")]:
        for binary in [True, False]:
            packed = {"request_compression_algorithm": there, "response_compression_algorithm": back}
            again = infer(client, "digits", {"image": ("UINT8", many)}, {"scores": binary}, binary, **packed)
            assert (again.as_numpy("scores") == as_it_is).all(), (there, back, binary)
    # Many at once, each its own.
    wrong = []

    def ask(place: int) -> None:
        own = triton.InferenceServerClient(ADDRESS)
        for _ in range(20):
            told = infer(own, "digits", {"image": ("UINT8", pixels[place : place + 1])}, {"scores": True}, True).as_numpy("scores")
            if np.abs(told[0] - scores[place]).max() > 1e-5 * max(1.0, np.abs(scores[place]).max()):
                wrong.append(place)

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(5)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert not wrong, wrong
    # What does not suit is an error of the protocol.
    try:
        infer(client, "digits", {"image": ("FP32", pixels.astype(np.float32))}, {"scores": True}, True)
        raise AssertionError("floats were taken for bytes")
    except triton.InferenceServerException as error:
        assert "must be UINT8" in error.message(), error
    return pixels, scores


def repository(client: triton.InferenceServerClient) -> None:
    names = {model["name"]: model["state"] for model in client.get_model_repository_index()}
    assert names == {"digits": "READY", "penguins": "READY"}, names
    client.unload_model("penguins")
    assert not client.is_model_ready("penguins") and client.is_model_ready("digits")
    client.load_model("penguins")
    assert client.is_model_ready("penguins") and client.is_server_ready()


def calls(address: str, scores_by_http: np.ndarray, pixels: np.ndarray) -> None:
    """The same over gRPC, on the same port."""
    client = triton_grpc.InferenceServerClient(address)
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("digits")
    about = client.get_server_metadata()
    assert about.name == "firebox" and "statistics" in about.extensions
    model = client.get_model_metadata("digits")
    assert [tensor.name for tensor in model.inputs] == ["image"] and list(model.inputs[0].shape) == [-1, 1, 28, 28]
    given = triton_grpc.InferInput("image", list(pixels.shape), "UINT8")
    given.set_data_from_numpy(pixels)
    wanted = [triton_grpc.InferRequestedOutput(name) for name in ("scores", "label")]
    told = client.infer("digits", [given], outputs=wanted, request_id="x", client_timeout=20)
    assert told.get_response().id == "x"
    assert (told.as_numpy("scores") == scores_by_http).all(), "gRPC answers otherwise than HTTP"
    assert told.as_numpy("label").shape == (len(pixels),)
    before = client.get_inference_statistics("digits").model_stats[0]
    client.infer("digits", [given], outputs=wanted)
    after = client.get_inference_statistics("digits").model_stats[0]
    assert after.inference_count == before.inference_count + len(pixels) and after.inference_stats.success.count > 0
    index = {model.name: model.state for model in client.get_model_repository_index().models}
    assert index == {"digits": "READY", "penguins": "READY"}, index
    client.unload_model("penguins")
    assert not client.is_model_ready("penguins")
    client.load_model("penguins")
    assert client.is_model_ready("penguins")
    wrong = triton_grpc.InferInput("image", list(pixels.shape), "FP32")
    wrong.set_data_from_numpy(pixels.astype(np.float32))
    for asked, model, words in [([wrong], "digits", "must be UINT8"), ([given], "nothing", "no model")]:
        try:
            client.infer(model, asked)
            raise AssertionError(f"{words}: was answered")
        except triton_grpc.InferenceServerException as error:
            assert words in error.message(), error
    # Many at once over one connection.
    done = []
    for _ in range(50):
        client.async_infer("digits", [given], lambda result, error: done.append((result, error)), outputs=wanted)
    until = time.time() + 30
    while len(done) < 50 and time.time() < until:
        time.sleep(0.01)
    assert len(done) == 50 and all(error is None and np.abs(result.as_numpy("scores") - scores_by_http).max() < 1e-4 for result, error in done)
    print("tritonclient over gRPC: health, metadata, answers as over HTTP, statistics, repository, refusals, 50 at once")


def addresses(address: str) -> None:
    told = json.load(urllib.request.urlopen(f"http://{address}/openapi.json"))
    validate(told)
    assert "/predict/penguins" in told["paths"]
    print(f"{len(told['paths'])} addresses are described as OpenAPI {told['openapi']} has it")


def tokens(firebox: str, folder: Path, penguins: str) -> None:
    """Tokens by every kind of key that PyJWT and we both know."""
    keys = {
        "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
        "PS384": rsa.generate_private_key(public_exponent=65537, key_size=3072),
        "ES256": ec.generate_private_key(ec.SECP256R1()),
        "ES384": ec.generate_private_key(ec.SECP384R1()),
        "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    }
    public = []
    for name, key in keys.items():
        written = jwt.get_algorithm_by_name(name).to_jwk(key.public_key(), as_dict=True)
        public.append({**written, "kid": name, "use": "sig"})
    (folder / "jwks.json").write_text(json.dumps({"keys": public}))
    config = folder / "tokens.toml"
    config.write_text(f"[access]\njwks = \"jwks.json\"\nissuer = \"us\"\naudience = \"firebox\"\n[[models]]\nname = \"penguins\"\nbundle = {json.dumps(penguins)}\n")
    server, address = started(firebox, config)

    def ask(token: str | None) -> int:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        try:
            return urllib.request.urlopen(urllib.request.Request(f"http://{address}/v2/models", headers=headers)).status
        except urllib.error.HTTPError as error:
            return error.code

    try:
        claims = {"iss": "us", "aud": "firebox", "sub": "shop", "exp": time.time() + 60}
        stranger = ec.generate_private_key(ec.SECP256R1())
        for name, key in keys.items():
            sign = lambda more, by=key: jwt.encode({**claims, **more}, by, algorithm=name, headers={"kid": name})
            assert ask(sign({})) == 200, name
            assert ask(sign({"scope": "metrics"})) == 403, name
            for more in ({"exp": time.time() - 3600}, {"iss": "them"}, {"aud": "there"}, {"nbf": time.time() + 3600}):
                assert ask(sign(more)) == 401, (name, more)
        assert ask(jwt.encode(claims, stranger, algorithm="ES256", headers={"kid": "ES256"})) == 401
        # The public key, taken for a secret.
        pem = keys["RS256"].public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        head = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"RS256"}').rstrip(b"=")
        body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=")
        import hashlib, hmac
        mac = base64.urlsafe_b64encode(hmac.new(pem, head + b"." + body, hashlib.sha256).digest()).rstrip(b"=")
        assert ask((head + b"." + body + b"." + mac).decode()) == 401
        assert ask(None) == 401
    finally:
        server.terminate()
        assert server.wait(20) == 0
    print(f"tokens that PyJWT signed by {', '.join(keys)} are believed, and others are not")


def traces(firebox: str, folder: Path, penguins: str) -> None:
    taken = []

    class Collector(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append((self.path, self.headers["content-type"], self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    collector = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    config = folder / "traces.toml"
    url = f"http://127.0.0.1:{collector.server_port}/v1/traces"
    config.write_text(f"[traces]\nurl = \"{url}\"\n[[models]]\nname = \"penguins\"\nbundle = {json.dumps(penguins)}\n")
    server, address = started(firebox, config)
    trace, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    headers = {"traceparent": f"00-{trace}-{span}-01"}
    assert urllib.request.urlopen(urllib.request.Request(f"http://{address}/v2", headers=headers)).status == 200
    server.terminate()
    assert server.wait(20) == 0
    collector.shutdown()
    spans = []
    for path, kind, body in taken:
        assert (path, kind) == ("/v1/traces", "application/json"), (path, kind)
        told = json.loads(body)
        for one in told["resourceSpans"][0]["scopeSpans"][0]["spans"]:
            spans.append(dict(one))
            # OTLP writes these in hexadecimal digits, the mapping of protobuf in base64.
            for key in ("traceId", "spanId", "parentSpanId"):
                if key in one:
                    one[key] = base64.b64encode(bytes.fromhex(one[key])).decode()
        json_format.Parse(json.dumps(told), ExportTraceServiceRequest())
    own = [one for one in spans if one["traceId"] == trace]
    assert own and own[0]["parentSpanId"] == span and own[0]["name"] == "/v2", spans
    print(f"{len(spans)} spans are read by OpenTelemetry's own messages, in the trace of who asked")


if __name__ == "__main__":
    firebox, penguins, runs_of_digits = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "serve.toml"
        models = {"penguins": penguins, "digits": runs_of_digits}
        listed = [f"[[models]]\nname = {json.dumps(name)}\nbundle = {json.dumps(path)}\n" for name, path in models.items()]
        config.write_text("control = true\n" + "".join(listed))
        server, ADDRESS = started(firebox, config)
        try:
            client = triton.InferenceServerClient(ADDRESS)
            until = time.time() + 60
            while not client.is_server_ready():
                assert time.time() < until, "it does not get ready"
                time.sleep(0.05)
            assert client.is_server_live()
            about = client.get_server_metadata()
            assert about["name"] == "firebox" and "binary_tensor_data" in about["extensions"], about
            model = client.get_model_metadata("penguins")
            version = model["versions"][-1]
            assert client.is_model_ready("penguins", version), model
            inputs = {tensor["name"]: tensor for tensor in model["inputs"]}
            sizes = {name: tensor["shape"][1] for name, tensor in inputs.items()}
            values = {name: (tensor["datatype"], np.zeros((3, sizes[name]), np.float32 if tensor["datatype"] == "FP32" else np.int64))
                      for name, tensor in inputs.items()}
            told = infer(client, "penguins", values, {"probabilities": True}, True, model_version=version)
            assert np.allclose(told.as_numpy("probabilities").sum(axis=1), 1, atol=1e-5)
            pixels, scores = digits(client)
            repository(client)
            calls(ADDRESS, scores, pixels)
            addresses(ADDRESS)
        finally:
            server.terminate()
            assert server.wait(20) == 0
        tokens(firebox, Path(folder), penguins)
        traces(firebox, Path(folder), penguins)
    print(f"tritonclient takes server {about['version']} for one of its own: health, metadata, JSON, bytes, repository")
