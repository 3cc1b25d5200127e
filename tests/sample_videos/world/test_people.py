from __future__ import annotations

import collections

import numpy as np
import pytest

from sample_videos.world.body import Layer
from sample_videos.world.materials import Cloth
from sample_videos.world.people import PALETTES, UNIFORMS, figure, person

CROWD = {palette: [person(seed, palette) for seed in range(400)] for palette in PALETTES}


def test_a_seed_is_a_person() -> None:
    assert person(7) == person(7)
    assert hash(person(7)) == hash(person(7))
    assert person(7) != person(8)
    assert {person(7, palette).shape for palette in PALETTES} == {person(7).shape}


def test_an_unknown_palette_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"'beach'.*everyday"):
        person(1, "beach")


@pytest.mark.parametrize("palette", PALETTES)
def test_everyone_is_within_human_bounds(palette: str) -> None:
    for member in CROWD[palette]:
        assert 1.15 <= member.height <= 2.0
        assert 0.7 < member.manner.speed < 1.7
        assert len(member.paints) == len(Layer)
        assert all(0 < c <= 0.85 for a, _, b, _ in member.paints for c in (*a, *b))
        assert member.paints[Layer.SKIN][1] is Cloth.FACE
        assert not member.umbrella


def test_shares_of_children_bags_and_hats() -> None:
    crowd = CROWD["everyday"]
    assert 0.02 < np.mean([member.height < 1.5 and member.shape.head > 1.05 for member in crowd]) < 0.09
    assert np.mean([member.outfit.bag != "none" for member in crowd]) == pytest.approx(0.55, abs=0.07)
    assert np.mean([member.outfit.head.cover != "none" for member in crowd]) == pytest.approx(0.12, abs=0.05)
    bags = collections.Counter(member.outfit.bag for palette in PALETTES for member in CROWD[palette])
    assert min(bags.values()) > 10
    hair = collections.Counter(member.outfit.head.hair for member in crowd)
    assert len(hair) == 12


def test_most_clothes_are_neutral() -> None:
    def neutral(colour: tuple[float, float, float]) -> bool:
        """Dark or without much colour, as an eye sees it."""
        seen = np.array(colour) ** 0.45
        return bool(np.ptp(seen) < 0.17 or seen.max() < 0.33)

    for palette in ("everyday", "winter", "office", "summer"):
        share = np.mean([neutral(member.paints[Layer.TOP][0]) for member in CROWD[palette]])
        assert 0.5 < share < 0.85, palette


def test_uniforms_are_shared_to_the_thread_and_bodies_are_not() -> None:
    crowd = CROWD["uniforms"]
    clothes = collections.Counter(
        (member.paints[Layer.TOP], member.paints[Layer.BOTTOM], member.outfit.top) for member in crowd
    )
    assert len(clothes) == len(UNIFORMS)
    assert min(clothes.values()) > 30
    assert len({member.shape for member in crowd}) == len(crowd)


def test_what_is_held_is_in_the_right_hand() -> None:
    for member in CROWD["office"]:
        hand = 0 if member.outfit.bag_side > 0 else 1
        if member.outfit.bag in ("briefcase", "shopping"):
            assert member.manner.walking[hand] == member.manner.standing[hand] == "carry"
        if member.outfit.bag == "trolley":
            assert member.manner.walking[hand] == "trolley"


def test_figure_has_what_the_renderer_needs() -> None:
    someone = person(3, "winter")
    looks = figure(someone, 0.03)
    assert looks.materials.shape == (8, 8)
    assert looks.materials.dtype == np.float64
    assert looks.materials[Layer.TOP, 3] == someone.paints[Layer.TOP][1]
    assert looks.height == someone.height
    assert len(looks.shadow.faces) < len(looks.mesh.faces)
    again = figure(someone, 0.03)
    assert np.array_equal(looks.mesh.vertices, again.mesh.vertices)
    assert looks.texture == again.texture
