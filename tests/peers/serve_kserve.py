"""Does the client of KServe take our server for one of its own? Over HTTP, in JSON and with bytes, and over gRPC.

    python serve_kserve.py FIREBOX RUN_OF_DIGITS

Needs: kserve numpy. It cannot share a process with tritonclient: both bring the same messages.
"""

import asyncio
import subprocess
import sys
import time

import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig


def given(pixels: np.ndarray, binary: bool) -> InferInput:
    one = InferInput("image", list(pixels.shape), "UINT8")
    one.set_data_from_numpy(pixels, binary_data=binary)
    return one


def scores(told: object) -> np.ndarray:
    output = next(output for output in told.outputs if output.name == "scores")
    return output.as_numpy().reshape(-1, 10)


async def ask(address: str) -> None:
    pixels = np.random.default_rng(int(time.time())).integers(0, 256, size=(3, 1, 28, 28), dtype=np.uint8)
    client = InferenceRESTClient(RESTConfig(protocol="v2", timeout=20))
    base = f"http://{address}"
    until = time.time() + 30
    while not await client.is_server_ready(base):
        assert time.time() < until, "it does not get ready"
    assert await client.is_server_live(base) and await client.is_model_ready(base, model_name="digits")
    found = {}
    for binary in (False, True):
        request = InferRequest(model_name="digits", infer_inputs=[given(pixels, binary)])
        found["bytes" if binary else "JSON"] = scores(await client.infer(base, request, model_name="digits"))
    calls = InferenceGRPCClient(url=address)
    assert await calls.is_server_live() and await calls.is_server_ready() and await calls.is_model_ready("digits")
    for binary in (False, True):
        request = InferRequest(model_name="digits", infer_inputs=[given(pixels, binary)])
        found[f"gRPC {'bytes' if binary else 'lists'}"] = scores(await calls.infer(request))
    await calls.close()
    for name, one in found.items():
        assert one.shape == (3, 10) and (one == found["JSON"]).all(), name
    print(f"the client of KServe: health, and the same numbers by {', '.join(found)}")


if __name__ == "__main__":
    firebox, digits = sys.argv[1:]
    server = subprocess.Popen([firebox, "serve", f"digits={digits}", "--port", "0"], stdout=subprocess.PIPE, text=True)
    try:
        asyncio.run(ask(server.stdout.readline().strip().rsplit("http://", 1)[1]))
    finally:
        server.terminate()
        assert server.wait(20) == 0
