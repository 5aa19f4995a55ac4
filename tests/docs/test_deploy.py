"""The files under deploy/, against the schemas that can be had without a cloud, and against the rest of the tree."""

import importlib.util
import json
import re
import shlex
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from jobs.cli import COMMANDS
from jobs.config import presets

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


@pytest.fixture(scope="module")
def ray_job() -> dict[str, Any]:
    return dict(yaml.safe_load((DEPLOY / "kuberay/rayjob.yaml").read_text()))


def test_the_cluster_file_fits_the_schema_of_ray_up() -> None:
    spec = importlib.util.find_spec("ray")
    assert spec is not None
    assert spec.origin is not None
    schema = json.loads((Path(spec.origin).parent / "autoscaler/ray-schema.json").read_text())
    cluster = yaml.safe_load((DEPLOY / "ray-up/aws.yaml").read_text())
    jsonschema.validate(cluster, schema)
    assert cluster["head_node_type"] in cluster["available_node_types"]
    assert cluster["available_node_types"]["head"]["resources"] == {"CPU": 0}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**cluster, "max_workers": "many"}, schema)


def test_the_ray_job_has_what_kuberay_requires(ray_job: dict[str, Any]) -> None:
    """Names of fields as in the RayJob and RayCluster definitions, ray.io/v1."""
    assert (ray_job["apiVersion"], ray_job["kind"]) == ("ray.io/v1", "RayJob")
    assert set(ray_job["spec"]) == {
        "entrypoint",
        "backoffLimit",
        "shutdownAfterJobFinishes",
        "ttlSecondsAfterFinished",
        "rayClusterSpec",
    }
    cluster = ray_job["spec"]["rayClusterSpec"]
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        (container,) = group["template"]["spec"]["containers"]
        assert {"name", "image", "env", "resources"} <= set(container)
        assert {"name": "RAY_AUTH_MODE", "value": "disabled"} in container["env"]
    for group in cluster["workerGroupSpecs"]:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]


def test_the_ray_version_is_the_one_that_is_installed(ray_job: dict[str, Any]) -> None:
    pinned = re.search(r"^ray==(.*)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert pinned is not None
    assert ray_job["spec"]["rayClusterSpec"]["rayVersion"] == pinned.group(1)


def test_the_entry_point_is_a_call_that_weft_understands(ray_job: dict[str, Any]) -> None:
    import argparse
    import importlib

    words = shlex.split(ray_job["spec"]["entrypoint"])
    assert words[:3] == ["python", "-m", "jobs.build"]
    parser = argparse.ArgumentParser()
    importlib.import_module(COMMANDS["build"][0]).add_arguments(parser)
    assert parser.parse_args(words[3:]).config in presets()


def test_the_image_holds_every_package_and_the_extras_exist() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    copied = {words[1] for line in lines if (words := line.split())[:1] == ["COPY"] and len(words) == 3}
    stated = {project["project"]["readme"], *project["project"]["license-files"]}
    assert stated <= {name for line in lines if line.startswith("COPY") for name in line.split()}
    assert copied >= {*project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"], "configs"}
    extras = re.search(r"'\.\[(.*)\]'", "\n".join(lines))
    assert extras is not None
    assert set(extras.group(1).split(",")) <= set(project["project"]["optional-dependencies"])
    sources = [words[1:-1] for line in lines if (words := line.split())[:1] == ["COPY"]]
    assert all((ROOT / name).exists() for names in sources for name in names)


def test_every_step_of_the_image_is_one_that_docker_knows_on_a_python_that_weft_knows() -> None:
    """As far as can be said without a daemon: names of instructions, the Python, and who installs before who runs."""
    text = re.sub(r"\\\n", " ", (DEPLOY / "Dockerfile").read_text())
    steps = [line.split(None, 1) for line in text.splitlines() if line and not line.startswith("#")]
    words = [word for word, _ in steps]
    assert words[0] == "FROM"
    assert set(words) <= {"FROM", "RUN", "WORKDIR", "COPY", "USER", "ENV"}
    python = re.fullmatch(r"python:(3\.\d+)-slim", steps[0][1])
    assert python is not None
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"Programming Language :: Python :: {python[1]}" in project["classifiers"]
    installs = max(number for number, (word, rest) in enumerate(steps) if word == "RUN" and "install" in rest)
    assert installs < words.index("USER"), "only root may install"
    for rest in (rest for word, rest in steps if word == "RUN"):
        subprocess.run(["sh", "-n", "-c", rest], check=True)
    assert all(re.fullmatch(r"[A-Z_]+=\S+", pair) for word, rest in steps if word == "ENV" for pair in rest.split())
