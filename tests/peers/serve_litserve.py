"""The small CNN or the ResNet-18 behind LitServe and ONNX Runtime, one worker and one thread, for serve_others.sh.

    python serve_litserve.py FOLDER cnn|resnet18 PORT [EXAMPLES_AT_ONCE=1]
"""

import sys

import litserve
import numpy as np
import onnxruntime

folder, name, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
most = int(sys.argv[4]) if len(sys.argv) > 4 else 1


class Answers(litserve.LitAPI):
    def setup(self, device):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(f"{folder}/{name}.onnx", options)

    def decode_request(self, request):
        image = request["inputs"][0]
        array = np.asarray(image["data"], dtype=np.float32).reshape(image["shape"])
        return array if most == 1 else array[0]

    def predict(self, images):
        return self.session.run(None, {"input": images})[0]

    def encode_response(self, scores):
        scores = np.atleast_2d(scores)
        return {"outputs": [{"name": "output", "shape": list(scores.shape), "data": scores.flatten().tolist()}]}


if __name__ == "__main__":
    server = litserve.LitServer(Answers(max_batch_size=most), accelerator="cpu", workers_per_device=1)
    server.run(port=port, host="127.0.0.1", generate_client_file=False, log_level="warning")
