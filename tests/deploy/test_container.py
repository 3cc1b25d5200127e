"""The image holds all that its command needs, and nothing in it may be written. No engine runs here, so it is read."""

from __future__ import annotations

import fnmatch
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import typer

from app.record import Site
from app.record.users import Role, Users
from app.terminal import alone
from tests.app.sites import figure_site

yaml = pytest.importorskip("yaml", reason="the compose file is read with PyYAML")

ROOT = Path(__file__).parents[2]
CONTAINER = ROOT / "deploy" / "container"
STARTS = {"FROM", "ARG", "RUN", "COPY", "WORKDIR", "ENV", "USER", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD"}
ENVIRONMENT = {
    "SIGHTLINE_NAME": "cameras.example.org",
    "SIGHTLINE_FOOTAGE": "/srv/footage",
    "SIGHTLINE_CERTIFICATE": "/etc/sightline/certificate.pem",
    "SIGHTLINE_KEY": "/etc/sightline/key.pem",
}


@dataclass
class Stage:
    """A stage of the Dockerfile."""

    name: str
    base: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def said(self, instruction: str) -> list[str]:
        return [words for name, words in self.steps if name == instruction]


def stages() -> dict[str, Stage]:
    text = re.sub(r"\\\n", " ", (CONTAINER / "Dockerfile").read_text("utf-8"))
    found: dict[str, Stage] = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        instruction, _, words = line.partition(" ")
        assert instruction in STARTS, line
        if instruction == "FROM":
            base, _, name = words.partition(" AS ")
            found[name] = Stage(name, base)
        elif found:
            found[list(found)[-1]].steps.append((instruction, words.strip()))
    return found


def lineage(name: str) -> list[Stage]:
    """A stage and those that it is made from, the first one first."""
    every = stages()
    stage = every[name]
    return [*(lineage(stage.base) if stage.base in every else []), stage]


def said(name: str, instruction: str) -> list[str]:
    return [words for stage in lineage(name) for words in stage.said(instruction)]


def copied(name: str) -> list[tuple[str, str]]:
    """From where to where, what a stage takes of the repository."""
    pairs = [words.split() for words in said(name, "COPY") if not words.startswith("--from=")]
    assert all(len(pair) == 2 for pair in pairs)
    return [(source, target) for source, target in pairs]


def sent(path: Path) -> bool:
    """Whether .dockerignore lets a file through."""
    name = path.relative_to(ROOT).as_posix()
    through = True
    for rule in (ROOT / ".dockerignore").read_text("utf-8").splitlines():
        if not rule or rule.startswith("#"):
            continue
        pattern = rule.removeprefix("!").removeprefix("**/")
        parts = Path(name).parts
        if fnmatch.fnmatch(parts[0], pattern) or ("**/" in rule and any(fnmatch.fnmatch(p, pattern) for p in parts)):
            through = rule.startswith("!")
    return through


def laid_out(name: str, folder: Path) -> Path:
    """The program of a stage as the image has it."""
    for source, target in copied(name):
        here = ROOT / source
        for file in [here] if here.is_file() else sorted(here.rglob("*")):
            if file.is_file() and sent(file):
                there = folder / target / (file.relative_to(here) if here.is_dir() else file.name)
                there.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, there)
    return folder


def options_of(command: str) -> set[str]:
    """What a command of ours may be told."""
    made: Any = typer.main.get_command(alone(importlib.import_module(command).command))
    return {option for parameter in made.params for option in parameter.opts}


def test_what_is_copied_is_there_and_is_sent() -> None:
    for name in stages():
        for source, _ in copied(name):
            assert (ROOT / source).exists(), source
            assert sent(ROOT / source), f".dockerignore keeps {source} back"
    assert not any(sent(ROOT / name) for name in ("sample_videos/films/hall.mp4", "tests/conftest.py", "site/site.db"))
    assert not sent(ROOT / "app" / "__pycache__" / "serve.cpython-311.pyc")


@pytest.mark.parametrize(
    ("name", "listed"),
    [
        ("libraries", "runtime.txt"),
        ("learning-libraries", "learning.txt"),
        ("cluster-libraries", "cluster.txt"),
    ],
)
def test_pip_reads_lists_that_the_stage_has(name: str, listed: str) -> None:
    (line,) = [words for words in stages()[name].said("RUN") if "pip install" in words]
    files = re.findall(r"-[cr] (\S+)", line)
    assert files == ["constraints.txt", f"deploy/{listed}"]
    there = {os.path.normpath(f"{target}/{Path(source).name}") for source, target in copied(name)}
    assert set(files) <= there
    for nested in re.findall(r"^-r (\S+)", (ROOT / "deploy" / listed).read_text("utf-8"), re.MULTILINE):
        assert f"deploy/{nested}" in there


@pytest.mark.parametrize("name", ["serve", "learning", "cluster", "cluster-gpu"])
def test_nobody_of_power_runs_the_program(name: str) -> None:
    assert said(name, "USER") == ["10001:10001"]
    assert list(stages())[-1] == "serve"  # what is built where no target is named
    assert json.loads(said(name, "ENTRYPOINT")[-1]) == ["python", "-m"]
    command, *options = json.loads(said(name, "CMD")[-1])
    assert {option for option in options if option.startswith("--")} <= options_of(command)
    variables = " ".join(said(name, "ENV") + said(name, "ARG"))
    # That Ray asks for a token is no token.
    assert not re.search(r"password|token|secret", variables.replace("RAY_AUTH_MODE=token", ""), re.IGNORECASE)


@pytest.mark.parametrize("name", ["cluster", "cluster-gpu"])
def test_ray_reports_nothing_and_is_never_open(name: str) -> None:
    assert {"RAY_USAGE_STATS_ENABLED=0", "RAY_AUTH_MODE=token"} <= set(" ".join(said(name, "ENV")).split())


def test_the_image_serves_and_tells_that_it_does(tmp_path: Path) -> None:
    """Runs the image's command with the image's files alone, and asks as its health check does."""
    folder = laid_out("serve", tmp_path / "image")
    site = tmp_path / "site"
    figure_site(site, people=1, cameras=1)
    with Site.open_to_write(site) as opened:
        Users(opened.database).add("root", "correct horse battery", Role.ADMIN, None, who="test")
    words = [str(site) if word == "/site" else word for word in json.loads(said("serve", "CMD")[-1])]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(folder), "HOME": str(tmp_path)}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"  # as the image has it
    before = sorted(folder.rglob("*"))
    process = subprocess.Popen(
        [sys.executable, "-m", *words, "--port", "0"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stderr is not None
    try:
        url = process.stdout.readline()
        assert url, process.stderr.read()
        port = re.findall(r":(\d+)/", url)[0]
        check = json.loads(said("serve", "HEALTHCHECK")[0].partition("CMD ")[2])
        assert check[1].startswith("/opt/sightline/") and check[2] == said("serve", "EXPOSE")[0]
        asked = [sys.executable, str(folder / check[1].removeprefix("/opt/sightline/")), port]
        assert subprocess.run(asked, check=False).returncode == 0
    finally:
        process.terminate()
        process.communicate(timeout=20)
    assert subprocess.run(asked, check=False).returncode == 1
    assert sorted(folder.rglob("*")) == before  # so its root may be read-only


def test_all_commands_come_from_the_images_files(tmp_path: Path) -> None:
    folder = laid_out("serve", tmp_path / "image")
    commands = [path.stem for path in (ROOT / "app").glob("*.py") if "\nif __name__ ==" in path.read_text("utf-8")]
    script = (
        f"import sys, importlib\nfor name in {commands}: importlib.import_module('app.' + name)\n"
        "import app.web.application, app.engine.ingest, app.search.query, app.search.merging\n"
        "print(*{m.__file__ for n, m in sys.modules.items() if n.partition('.')[0] in "
        "('app', 'bench', 'deploy', 'reid', 'sample_videos', 'tests', 'trackers') and m.__file__}, sep='\\n')"
    )
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(folder), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    loaded = done.stdout.split()
    assert len(loaded) > 100
    assert [path for path in loaded if not path.startswith(str(folder))] == []


def test_services_are_confined_and_run_what_there_is() -> None:
    compose = yaml.safe_load((CONTAINER / "compose.yaml").read_text("utf-8"))
    assert set(compose["services"]) == {"serve", "command", "learning"}
    for name, service in compose["services"].items():
        assert service["read_only"] and service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"] and "privileged" not in service
        footage = next(v for v in service["volumes"] if isinstance(v, dict))
        assert footage["target"] == "/footage" and footage["read_only"]
        if "build" in service:
            assert (CONTAINER / service["build"]["context"]).resolve() == ROOT
            assert (ROOT / service["build"]["dockerfile"]).is_file()
            assert service["build"]["target"] in stages()
        if name != "serve":
            assert service["network_mode"] == "none" and "ports" not in service
    command, *options = compose["services"]["serve"]["command"]
    assert {option.partition("=")[0] for option in options} <= options_of(command)
    assert set(re.findall(r"\$\{(\w+)", (CONTAINER / "compose.yaml").read_text("utf-8"))) == set(ENVIRONMENT)


def test_compose_reads_its_file() -> None:
    words = ["docker-compose"] if shutil.which("docker-compose") else ["docker", "compose"]
    if (
        shutil.which(words[0]) is None
        or subprocess.run([*words, "version"], capture_output=True, check=False).returncode
    ):
        pytest.skip("there is no docker compose here")
    environment = {**os.environ, **ENVIRONMENT}
    done = subprocess.run(
        [*words, "-f", str(CONTAINER / "compose.yaml"), "--profile", "commands", "config", "--quiet"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
