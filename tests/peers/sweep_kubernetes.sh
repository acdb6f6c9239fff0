#!/usr/bin/env bash
# Would Kubernetes, Katib and Kubeflow Pipelines take the manifests that we write? No cluster is needed: what is published of them
# judges, the schemas of Kubernetes, its client's models, Katib's SDK, and the protocol buffers and the loader of `kfp`.
#
#     tests/peers/sweep_kubernetes.sh
#     PEERS=/tmp/peers tests/peers/sweep_kubernetes.sh        # keeps the environments there for the next time
#
# Ends with 77 where Python is not there or its packages cannot be fetched.
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
# Two of them, because Katib's SDK and `kfp` want different protocol buffers.
environment kubernetes kubernetes kubernetes-validate kubeflow-katib pyyaml ruamel.yaml 'setuptools<81'
environment kubeflow kfp kfp-kubernetes pyyaml

mkdir "$work/manifests"
FIREBOX_MANIFESTS_OUT="$work/manifests" cargo test ${CARGO_FLAGS---release} --workspace --lib sweep::engines > "$work/log" 2>&1 \
    || { cat "$work/log" >&2; exit 1; }
check() { "$peers/$1/bin/python" tests/peers/sweep_kubernetes.py "$2" "$3"; }
check kubernetes yaml "$work/manifests/texts.yaml"
for file in "$work"/manifests/kubernetes-*.yaml; do check kubernetes kubernetes "$file"; done
for file in "$work"/manifests/katib-*.yaml; do check kubernetes katib "$file"; done
for file in "$work"/manifests/kubeflow-*.yaml; do check kubeflow kubeflow "$file"; done
echo "Kubernetes, Katib and Kubeflow Pipelines would take our manifests, as far as their schemas and models say."
