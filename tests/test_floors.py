"""The house stands as docs/architecture.md draws it: folders import only those below, and files make no circles."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BELOW = {
    "trackers": set(),
    "sample_videos": set(),
    "reid": {"trackers"},
    "deploy": {"reid", "trackers", "sample_videos"},
    "app": {"reid", "trackers", "deploy"},
    "bench": {"reid", "trackers", "deploy", "app", "sample_videos"},
}
# Rooms of `app/` and their floors. All other files are commands.
ROOMS = {"app.web": 5, "app.report": 4, "app.search": 3, "app.engine": 3, "app.learning": 3, "app.encoders": 2}
ROOMS |= {"app.movement": 2}
ROOMS |= {
    "app.record": 1,
    "app.footage": 0,
    "app.errors": -1,
    "app.asking": -1,
    "app.remarks": -1,
    "app.areas": -1,
}  # all stand on these four
COMMANDS = 6
FLOORS = sorted(BELOW)
ALLOWED_OUTSIDE = {"trackers": {"numpy", "lap", "filterpy", "scipy", "trackeval"}}
UNWANTED = ("utils.py", "common", "core", "helpers.py")


def modules(floor: str) -> dict[str, Path]:
    """Module name → file, of all of a floor."""
    files = {}
    for path in sorted((ROOT / floor).rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        files[name.removesuffix(".__init__")] = path
    return files


def imports(path: Path, *, also_late: bool) -> set[str]:
    """Full names of what a file imports. With `also_late`, inside of functions too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names: set[str] = set()
    for node in ast.walk(tree) if also_late else tree.body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("floor", FLOORS)
def test_a_folder_imports_only_those_below_it(floor: str) -> None:
    for name, path in modules(floor).items():
        ours = {full.split(".")[0] for full in imports(path, also_late=True)} & set(FLOORS) - {floor}
        # bench/peers.py runs in another environment, where `trackers` is Roboflow's package.
        if name != "bench.peers":
            assert ours <= BELOW[floor], f"{name} imports {sorted(ours - BELOW[floor])}"


def room_of(module: str) -> tuple[str, int]:
    """The room of `app/` that a module lies in, and its floor."""
    room = ".".join(module.split(".")[:2])
    return (room, ROOMS[room]) if room in ROOMS else ("app", COMMANDS)


def test_a_room_of_app_imports_only_rooms_below_it() -> None:
    files = modules("app")
    assert {room_of(name)[0] for name in files} == {*ROOMS, "app"}
    for name, path in files.items():
        room, floor = room_of(name)
        for full in imports(path, also_late=True):
            if full.split(".")[0] == "app":
                other, below = room_of(full)
                assert other == room or below < floor, f"{name} on floor {floor} imports {full} on floor {below}"


@pytest.mark.parametrize("floor", sorted(ALLOWED_OUTSIDE))
def test_trackers_know_only_arrays(floor: str) -> None:
    for name, path in modules(floor).items():
        tops = {full.split(".")[0] for full in imports(path, also_late=True)}
        outside = tops - set(sys.stdlib_module_names) - {floor}
        assert outside <= ALLOWED_OUTSIDE[floor], f"{name} imports {sorted(outside - ALLOWED_OUTSIDE[floor])}"


@pytest.mark.parametrize("floor", FLOORS)
def test_what_is_private_stays_in_its_file(floor: str) -> None:
    for name, path in modules(floor).items():
        for full in imports(path, also_late=True):
            module, _, what = full.rpartition(".")
            ours = module.split(".")[0] in FLOORS
            assert not (ours and what.startswith("_")), f"{name} imports {what} of {module}"


def test_no_circles_between_files() -> None:
    files = {name: path for floor in FLOORS for name, path in modules(floor).items()}
    needs: dict[str, set[str]] = {}
    for name, path in files.items():
        imported = imports(path, also_late=False)
        needs[name] = {full if full in files else full.rpartition(".")[0] for full in imported} & set(files) - {name}
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, f"a circle: {' → '.join((*way, name))}"
        if name not in done:
            for other in sorted(needs[name]):
                visit(other, (*way, name))
            done.add(name)

    for name in files:
        visit(name, ())
    assert done == set(files)


def test_no_rooms_without_a_purpose() -> None:
    for floor in FLOORS:
        for path in (ROOT / floor).rglob("*"):
            assert path.name not in UNWANTED, path
