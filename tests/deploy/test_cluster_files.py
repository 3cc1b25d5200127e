"""The files for three machines and for Kubernetes say the same as the code, the image, the docs and each other."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.test_container import CONTAINER, ROOT, said, stages

yaml = pytest.importorskip("yaml", reason="the files are read with PyYAML")

CLUSTER = ROOT / "deploy" / "cluster"
USER = 10001
ENVIRONMENT = {
    "SIGHTLINE_ADDRESS": "10.0.0.12",
    "SIGHTLINE_HEAD": "10.0.0.12",
    "SIGHTLINE_S3": "http://10.0.0.11:9000",
    "SIGHTLINE_FOOTAGE": "/srv/footage",
    "SIGHTLINE_SECRETS": "/etc/sightline",
}
NODES = ("head", "worker", "worker-gpu")


def text(name: str) -> str:
    return (CLUSTER / name).read_text("utf-8")


def compose() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(text("compose.yaml"))
    return read


def groups(cluster: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The head's group and the workers', by their names."""
    spec = cluster["spec"]
    return {"head": spec["headGroupSpec"], **{group["groupName"]: group for group in spec["workerGroupSpecs"]}}


def the_cluster() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(text("raycluster.yaml"))
    return read


def container(group: dict[str, Any]) -> dict[str, Any]:
    (only,) = group["template"]["spec"]["containers"]
    return dict(only)


def version() -> str:
    (line,) = [line for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines() if line.startswith("ray==")]
    return line.removeprefix("ray==")


def ray_options() -> set[str]:
    """What `ray start` may be told. Ray's own program is asked, and in a process of its own, as all of Ray is."""
    ray = Path(sys.executable).with_name("ray")
    if not ray.is_file():
        pytest.skip("Ray is not installed")
    asked = subprocess.run([ray, "start", "--help"], capture_output=True, text=True, check=True)
    return set(re.findall(r"^  (--[a-z-]+)", asked.stdout, re.MULTILINE))


def test_nodes_are_confined_and_get_secrets_as_files() -> None:
    services = compose()["services"]
    assert set(services) == {*NODES, "database", "store"}
    for name, service in services.items():
        assert service["read_only"] and service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"] and "privileged" not in service
        assert service["profiles"] == [name]
        for variable, value in service["environment"].items():
            if re.search(r"PASS|SECRET|KEY|TOKEN|CREDENTIALS", variable):
                assert value.removeprefix("/run/secrets/") in service["secrets"], variable
    for name in NODES:
        node = services[name]
        assert node["environment"]["RAY_USAGE_STATS_ENABLED"] == "0" and node["environment"]["RAY_AUTH_MODE"] == "token"
        footage = next(volume for volume in node["volumes"] if isinstance(volume, dict))
        assert footage["target"] == "/footage" and footage["read_only"] and not footage["bind"]["create_host_path"]
        assert (CLUSTER / node["build"]["context"]).resolve() == ROOT
        assert (ROOT / node["build"]["dockerfile"]).resolve() == CONTAINER / "Dockerfile"
        assert node["image"] == f"sightline-{node['build']['target']}" and node["build"]["target"] in stages()
        assert said(node["build"]["target"], "USER") == [f"{USER}:{USER}"]
    for name in ("database", "store"):
        assert all(port.startswith("${SIGHTLINE_ADDRESS}:") for port in services[name]["ports"])
    assert services["database"]["command"][:2] == ["-c", "wal_recycle=off"]


def test_all_that_is_to_be_named_is_asked_for() -> None:
    file = text("compose.yaml")
    assert set(re.findall(r"\$\{(\w+):\?", file)) == set(ENVIRONMENT)
    assert set(re.findall(r"\$\{(\w+)", file)) - set(ENVIRONMENT) == set(re.findall(r"\$\{(\w+):-", file))
    explained = set(re.findall(r"^#   (SIGHTLINE_\w+)=", file, re.MULTILINE))
    assert explained == {*ENVIRONMENT, "SIGHTLINE_REGION"}
    read = compose()
    assert {name: secret["file"].rpartition("/")[2] for name, secret in read["secrets"].items()} == {
        name: name for name in read["secrets"]
    }
    assert {name for service in read["services"].values() for name in service["secrets"]} == set(read["secrets"])


def test_ray_knows_all_options_and_each_port_is_one_processs() -> None:
    services = compose()["services"]
    known = ray_options()
    told = " ".join(text("compose.yaml").replace("\n#", " ").split())
    docs = (ROOT / "docs" / "scale.md").read_text("utf-8")
    for name in NODES:
        words = [*services[name]["entrypoint"], *services[name]["command"]]
        assert words[:2] == ["ray", "start"] and "--block" in words
        assert {word.partition("=")[0] for word in words[2:]} <= known
        ports = [int(word.rpartition("=")[2]) for word in services[name]["command"] if "-port=" in word]
        assert ports == sorted({6379, *ports})[1:]
        assert f"6379 to {ports[-3]} and {ports[-2]} to {ports[-1]}." in told
        assert f"6379 to {ports[-3]} and {ports[-2]} to {ports[-1]}," in docs
    for group in groups(the_cluster()).values():
        assert {f"--{name}" for name in group["rayStartParams"]} <= known


def test_compose_reads_its_file() -> None:
    words = ["docker-compose"] if shutil.which("docker-compose") else ["docker", "compose"]
    if (
        shutil.which(words[0]) is None
        or subprocess.run([*words, "version"], capture_output=True, check=False).returncode
    ):
        pytest.skip("there is no docker compose here")
    for profile in compose()["services"]:
        done = subprocess.run(
            [*words, "-f", str(CLUSTER / "compose.yaml"), "--profile", profile, "config", "--format", "json"],
            env={**os.environ, **ENVIRONMENT},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert set(json.loads(done.stdout)["services"]) == {profile}


def test_pods_are_confined_and_ask_for_the_token() -> None:
    cluster = the_cluster()
    assert (cluster["apiVersion"], cluster["kind"]) == ("ray.io/v1", "RayCluster")
    assert cluster["spec"]["rayVersion"] == version()
    for name, group in groups(cluster).items():
        pod, ray = group["template"]["spec"], container(group)
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["fsGroup"] == USER
        assert ray["securityContext"]["readOnlyRootFilesystem"] and ray["securityContext"]["capabilities"] == {
            "drop": ["ALL"]
        }
        assert not ray["securityContext"]["allowPrivilegeEscalation"]
        variables = {variable["name"]: variable for variable in ray["env"]}
        assert variables["RAY_USAGE_STATS_ENABLED"]["value"] == "0"
        assert variables["RAY_AUTH_MODE"]["value"] == "token"
        assert "secretKeyRef" in variables["RAY_AUTH_TOKEN"]["valueFrom"]
        mounts = {mount["name"]: mount for mount in ray["volumeMounts"]}
        assert mounts["footage"]["readOnly"] and mounts["footage"]["mountPath"] == "/footage"
        assert set(mounts) == {volume["name"] for volume in pod["volumes"]}
        assert ("site" in mounts) == (name == "head")
        # KubeRay's probes ask the dashboard, which is off.
        asked = {ray[probe]["tcpSocket"]["port"] for probe in ("readinessProbe", "livenessProbe")}
        assert asked == {6379 if name == "head" else int(group["rayStartParams"]["node-manager-port"])}
    assert container(groups(cluster)["gpu"])["resources"]["limits"]["nvidia.com/gpu"] == 1


def test_images_are_targets_of_the_dockerfile() -> None:
    images = {container(group)["image"] for group in groups(the_cluster()).values()}
    assert images == {f"registry.example.org/sightline-{name}:0.1.0" for name in ("cluster", "cluster-gpu")}
    assert {"cluster", "cluster-gpu"} <= set(stages())


def test_helms_values_make_the_same_cluster() -> None:
    """As the chart makes it of values: one group of its own, the rest by name, and what both have in `common`."""
    values = yaml.safe_load(text("values.yaml"))

    def pod(of: dict[str, Any], name: str) -> dict[str, Any]:
        image = of.get("image", values["image"])
        ray = {
            "name": name,
            "image": f"{image['repository']}:{image['tag']}",
            "imagePullPolicy": image["pullPolicy"],
            "env": [*values["common"]["containerEnv"], *of.get("containerEnv", [])],
            **{key: of[key] for key in ("envFrom", "resources", "securityContext", "volumeMounts")},
        }
        spec = {"serviceAccountName": of["serviceAccountName"], "securityContext": of["podSecurityContext"]}
        spec |= {key: of[key] for key in ("volumes", "tolerations") if key in of}
        return {"rayStartParams": of["rayStartParams"], "template": {"spec": spec | {"containers": [ray]}}}

    def workers(of: dict[str, Any], name: str) -> dict[str, Any]:
        assert of["containerEnv"] == []  # the chart joins it with `common`, and fails where there is none
        counts = {key: of[key] for key in ("replicas", "minReplicas", "maxReplicas")}
        return {"groupName": name, "numOfHosts": 1, **counts, **pod(of, "ray-worker")}

    made = {
        "head": {"serviceType": values["service"]["type"], **pod(values["head"], "ray-head")},
        values["worker"]["groupName"]: workers(values["worker"], values["worker"]["groupName"]),
        **{name: workers(of, name) for name, of in values["additionalWorkerGroups"].items()},
    }
    cluster = deepcopy(the_cluster())
    for group in groups(cluster).values():
        for ray in group["template"]["spec"]["containers"]:
            del ray["readinessProbe"], ray["livenessProbe"]  # which the chart does not know
    assert made == groups(cluster)
    assert values["head"]["rayVersion"] == cluster["spec"]["rayVersion"]
    assert values["fullnameOverride"] == cluster["metadata"]["name"]


def test_only_pods_of_the_cluster_reach_its_ports() -> None:
    made = {document["kind"]: document for document in yaml.safe_load_all(text("prerequisites.yaml"))}
    cluster = the_cluster()
    own = {"matchLabels": {"ray.io/cluster": cluster["metadata"]["name"]}}
    policy = made["NetworkPolicy"]["spec"]
    assert policy == {"podSelector": own, "policyTypes": ["Ingress"], "ingress": [{"from": [{"podSelector": own}]}]}
    account = made["ServiceAccount"]
    assert not account["automountServiceAccountToken"]
    volumes = groups(cluster)["head"]["template"]["spec"]["volumes"]
    claims = {volume["name"]: volume.get("persistentVolumeClaim", {}).get("claimName") for volume in volumes}
    assert claims["site"] == made["PersistentVolumeClaim"]["metadata"]["name"]
    for group in groups(cluster).values():
        assert group["template"]["spec"]["serviceAccountName"] == account["metadata"]["name"]


def test_the_docs_name_what_the_files_need() -> None:
    docs = (ROOT / "docs" / "scale.md").read_text("utf-8")
    for name in ENVIRONMENT:
        assert name in docs, name
    for name in compose()["secrets"]:
        assert re.search(rf"\b{name}\b", docs), name
    for secret in re.findall(r"name: (sightline-[a-z-]+)", text("raycluster.yaml")):
        assert secret in docs, secret
