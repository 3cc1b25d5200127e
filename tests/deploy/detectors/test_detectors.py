"""What all backends share: which class is a person, and a library's error in one line."""

from __future__ import annotations

import pytest

from deploy.detectors import DetectorError, first_line, person_class


@pytest.mark.parametrize(
    ("names", "person"),
    [({0: "head"}, 0), ({0: "car", 7: "Pedestrian"}, 7), ({0: "dog", 1: " person "}, 1), ({2: "people", 3: "car"}, 2)],
)
def test_the_person_class_is_the_only_one_or_the_one_of_that_name(names: dict[int, str], person: int) -> None:
    assert person_class(names, "it") == person


def test_a_model_without_people_is_refused_by_its_first_classes() -> None:
    with pytest.raises(DetectorError, match=r"it has no class named person among its 2 \(car, dog, …\)"):
        person_class({0: "car", 1: "dog"}, "it")


def test_an_error_is_its_first_line_or_its_kind() -> None:
    assert first_line(RuntimeError("\n out of memory \n  at layer 3\n")) == "out of memory "
    assert first_line(KeyError()) == "KeyError"
    assert len(first_line(ValueError("x" * 1000))) == 300
