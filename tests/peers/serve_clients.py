"""Does a client that others wrote take our server for one of its own? tritonclient, over HTTP, in JSON and with bytes.

    python serve_clients.py FIREBOX RUN_OF_PENGUINS RUN_OF_DIGITS

Needs: tritonclient[http] numpy.
"""

import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import tritonclient.http as triton


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


def digits(client: triton.InferenceServerClient) -> None:
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


def repository(client: triton.InferenceServerClient) -> None:
    names = {model["name"]: model["state"] for model in client.get_model_repository_index()}
    assert names == {"digits": "READY", "penguins": "READY"}, names
    client.unload_model("penguins")
    assert not client.is_model_ready("penguins") and client.is_model_ready("digits")
    client.load_model("penguins")
    assert client.is_model_ready("penguins") and client.is_server_ready()


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
            digits(client)
            repository(client)
        finally:
            server.terminate()
            assert server.wait(20) == 0
    print(f"tritonclient takes server {about['version']} for one of its own: health, metadata, JSON, bytes, repository")
