#!/usr/bin/env bash
# How does a server do that is asked five times as often as it can answer, whose model is read anew again and again, and that answers for long?
#
#     tests/peers/serve_overload.sh                        # 60 s of overload, 100 times read anew, 60 s of soak
#     OVERLOAD=8 RELOADS=10 SOAK=8 tests/peers/serve_overload.sh      # a look
#     NETWORK='[model.cnn]
#     channels = [[64, 128, 128]]' tests/peers/serve_overload.sh      # another network of images, here one that takes longer
#
# Server and load have a core each. Fails if: the server ends; fewer than 90 % of what it can answer is answered under overload, or what is
# turned away waits longer than 10 ms (99 of 100); anything is answered otherwise than by 200, 429 or 503; a request fails while the model is
# read anew; memory grows by more than a tenth during the soak. BIN is the program, FLOOD the load: `cargo build --release -p serving
# --example flood`. Needs Linux with two cores, python3 and taskset.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bin=$(realpath "${BIN:-target/release/firebox}")
flood=$(realpath "${FLOOD:-target/release/examples/flood}")
cat > "$work/cnn.toml" <<TOML
device = "cpu"
[data]
card = "$PWD/datasets/mnist"
[data.transforms.normalize]
${NETWORK:-[model.cnn]}
[train]
steps = 1
batch_size = 8
TOML
"$bin" train "$work/cnn.toml" --run "$work/cnn" > "$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
python3 - "$bin" "$flood" "$work" "${OVERLOAD:-60}" "${RELOADS:-100}" "${SOAK:-60}" <<'PYTHON'
import json, random, subprocess, sys, time, urllib.request
from pathlib import Path

bin, flood, work = sys.argv[1], sys.argv[2], Path(sys.argv[3])
overload, reloads, soak = (float(word) for word in sys.argv[4:])
image = {"name": "image", "shape": [1, 1, 28, 28], "datatype": "UINT8", "data": [random.randrange(256) for _ in range(784)]}
(work / "body.json").write_text(json.dumps({"inputs": [image], "outputs": [{"name": "scores"}]}))
(work / "serve.toml").write_text('control = true\n[[models]]\nname = "cnn"\nbundle = "cnn/bundle"\n')
server = subprocess.Popen(["taskset", "-c", "0", bin, "serve", work / "serve.toml", "--port", "0"], stdout=subprocess.PIPE, text=True)
address = server.stdout.readline().strip().rsplit("http://", 1)[1]
try:
    while True:
        try:
            urllib.request.urlopen(f"http://{address}/v2/health/ready").read()
            break
        except OSError:
            time.sleep(0.02)

    def memory(what="VmRSS"):
        lines = Path(f"/proc/{server.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(what)) / 1024

    def start(rate, seconds):
        words = ["taskset", "-c", "1", flood, address, "/v2/models/cnn/infer", work / "body.json", str(rate), str(seconds), work / "told.json"]
        return subprocess.Popen(words)

    def end(process):
        assert process.wait() == 0
        told = json.loads((work / "told.json").read_text())
        return {status: of for status, of in told["by_status"].items()}

    end(start(0, 2))
    capacity = end(start(0, max(3, overload / 6)))["200"]["per_second"]
    before = memory()
    told = end(start(5 * capacity, overload))
    assert server.poll() is None, "the server ended"
    assert set(told) <= {"200", "429", "503", "not_sent"}, told
    answered, refused = told["200"], told.get("503") or told["429"]
    sent = sum(of["per_second"] for status, of in told.items() if status != "not_sent")
    print(f"capacity {capacity:.0f}/s; asked {sent:.0f}/s ({sent / capacity:.1f} times; {told.get('not_sent', {}).get('count', 0)} could not be sent)")
    print(f"  answered {answered['per_second']:.0f}/s = {answered['per_second'] / capacity:.0%} of capacity, p50 {answered['p50_ms']:.1f} ms, p99 {answered['p99_ms']:.1f} ms")
    print(f"  turned away {refused['per_second']:.0f}/s, p50 {refused['p50_ms']:.2f} ms, p99 {refused['p99_ms']:.2f} ms, at most {refused['most_ms']:.1f} ms")
    print(f"  memory {before:.0f} MiB before, {memory('VmHWM'):.0f} MiB at most")
    good = answered["per_second"] >= 0.9 * capacity and refused["p99_ms"] <= 10 and memory("VmHWM") < before + 128

    def counted():
        """How many requests the server answered, by status."""
        found = {}
        for line in urllib.request.urlopen(f"http://{address}/metrics").read().decode().splitlines():
            if line.startswith('firebox_requests_total{path="/v2/models/NAME/infer"'):
                found[line.split('status="')[1].split('"')[0]] = int(line.rsplit(" ", 1)[1])
        return found

    earlier = counted()
    load = start(0.3 * capacity, 3600)
    time.sleep(0.5)
    begun = time.time()
    for _ in range(int(reloads)):
        request = urllib.request.Request(f"http://{address}/v2/repository/models/cnn/load", data=b"{}", method="POST")
        assert urllib.request.urlopen(request).status == 200
        # Reading a bundle takes the only core that the server has, too.
        time.sleep(0.05)
    took = time.time() - begun
    # Who is killed tells nothing; the server has counted.
    later = {status: count - earlier.get(status, 0) for status, count in counted().items() if count != earlier.get(status, 0)}
    load.kill()
    load.wait()
    print(f"read anew {int(reloads)} times in {took:.1f} s beside {0.3 * capacity:.0f} requests/s; by status {later}")
    assert set(later) == {"200"} and later["200"] > 100, later

    first = None
    until = time.time() + soak
    while time.time() < until:
        told = end(start(0, min(5, soak / 3)))
        assert set(told) == {"200"}, told
        first = first or memory()
    print(f"soak of {soak:.0f} s: memory {first:.0f} MiB after the first part, {memory():.0f} MiB at the end")
    assert memory() <= 1.1 * first + 4, "memory grows"
    assert good, "overload is not borne as it should be"
finally:
    server.terminate()
    server.wait()
PYTHON
