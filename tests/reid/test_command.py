"""How a command ends: its exit code, its one sentence, and what a machine without Typer can still import."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer

from reid import command

ROOT = Path(__file__).parents[2]


class Unstartable(Exception):
    pass


class Broken(Unstartable):
    pass


def ending(raised: BaseException | None, monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code of a command that raises so."""

    def work(number: int = 3) -> None:
        """Works."""
        logging.getLogger("sightline").info("%d things", number)
        if raised is not None:
            raise raised

    monkeypatch.setattr(sys, "argv", ["work", "--number", "5"])
    with pytest.raises(SystemExit) as ended:
        command.run(work, cannot_start=lambda: (Unstartable,), broke_off=(Broken,))
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (None, 0, ""),
        (Unstartable("there is no [b]such[/b] folder"), 2, "Error: there is no [b]such[/b] folder"),
        (Broken("the disk is full"), 1, "Error: the disk is full"),
        (Broken("two lines:\nWarning: \x1b[31m"), 1, "Error: two lines:\n  Warning: \\x1b[31m\n"),
        (KeyboardInterrupt(), 130, "Interrupted. What was finished is kept"),
    ],
)
def test_each_end_has_its_exit_code_and_one_sentence(
    raised: BaseException | None,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert ending(raised, monkeypatch) == code
    printed = capsys.readouterr()
    assert said in printed.err and not printed.out
    assert printed.err.count("Error: ") == (code in (1, 2))


def test_an_end_without_an_error_does_not_ask_for_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    def work() -> None: ...

    def asked_for() -> tuple[type[Exception], ...]:
        raise AssertionError("this would import all floors")

    monkeypatch.setattr(sys, "argv", ["work"])
    with pytest.raises(SystemExit) as ended:
        command.run(work, cannot_start=asked_for)
    assert ended.value.code == 0


def test_what_nobody_expects_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def work() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(sys, "argv", ["work"])
    with pytest.raises(ZeroDivisionError):
        command.run(work, cannot_start=lambda: (Unstartable,))


def test_a_group_runs_one_of_its_commands(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    program = command.group("Two commands.")
    program.command("one")(lambda: command.output.print("1"))
    program.command("two")(lambda: command.output.print("2"))
    assert isinstance(program, typer.Typer)
    monkeypatch.setattr(sys, "argv", ["program", "two"])
    with pytest.raises(SystemExit):
        command.run(program, cannot_start=tuple)
    assert capsys.readouterr().out == "2\n"


def test_json_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    @dataclass
    class Result:
        model: Path
        score: float

    command.print_json(Result(Path("a"), 0.5))
    assert json.loads(capsys.readouterr().out) == {"model": "a", "score": 0.5}


def test_the_library_needs_neither_typer_nor_rich() -> None:
    """Machines that only train have torch but not these. The commands alone may ask for them."""
    files = sorted((ROOT / "reid").rglob("*.py"))
    commands = {path for path in files if "from reid.command import" in path.read_text("utf-8")}
    names = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in set(files) - commands - {ROOT / "reid" / "command.py"}
    }
    assert {path.name for path in commands} == {"train.py", "compare.py"} and "reid.training.loop" in names
    code = f"import sys; sys.modules |= dict.fromkeys(['typer', 'rich']); import {', '.join(sorted(names))}"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
