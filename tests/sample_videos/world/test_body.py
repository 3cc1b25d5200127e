from __future__ import annotations

import hashlib
import time
from dataclasses import replace

import numpy as np
import pytest

from sample_videos.world.body import (
    PARENTS,
    Bottom,
    Head,
    Layer,
    Mesh,
    Outfit,
    Physique,
    Top,
    build_mesh,
    ellipsoid,
    settled,
    skeleton,
    surface_nets,
)

COARSE = 0.030


def edges(mesh: Mesh, layer: Layer) -> np.ndarray:
    """(E, 2) directed edges of one layer's faces."""
    faces = mesh.faces[mesh.layers[mesh.faces[:, 0]] == layer]
    return np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])


def test_surface_nets_of_a_ball() -> None:
    radius = 0.1

    def ball(p):  # type: ignore[no-untyped-def]
        return ellipsoid(p, (0.01, 0.02, -0.03), (radius, radius, radius))

    v, n, f = surface_nets(ball, (-0.15, -0.15, -0.18), (0.15, 0.15, 0.15), 0.02)
    offset = v - np.array([0.01, 0.02, -0.03])
    assert np.abs(np.sqrt((offset**2).sum(axis=1)) - radius).max() < 3e-4
    assert (n * offset).sum(axis=1).min() > 0.997 * radius
    a, b, c = (v[f[:, i]] for i in range(3))
    outwards = np.cross(b - a, c - a)
    assert ((outwards * (a + b + c - 3 * np.array([0.01, 0.02, -0.03]))).sum(axis=1) > 0).all()
    area = 0.5 * np.sqrt((outwards**2).sum(axis=1)).sum()
    assert area == pytest.approx(4 * np.pi * radius**2, rel=0.02)
    # Closed: every edge is met once in each direction.
    directed = np.concatenate([f[:, [0, 1]], f[:, [1, 2]], f[:, [2, 0]]])
    assert {tuple(e) for e in directed.tolist()} == {tuple(e[::-1]) for e in directed.tolist()}


def test_nothing_inside_the_bounds_gives_an_empty_mesh() -> None:
    v, n, f = surface_nets(lambda p: np.ones_like(p[0]), (0, 0, 0), (0.1, 0.1, 0.1), 0.02)
    assert v.shape == n.shape == (0, 3)
    assert f.shape == (0, 3)


def test_settled_points_lie_on_the_surface() -> None:
    start = np.array([[0.0, 0.11, 0.0], [0.09, 0.0, 0.0]])
    v, n = settled(lambda p: ellipsoid(p, (0, 0, 0), (0.1, 0.1, 0.1)), start, 0.02)
    assert np.allclose(v, [[0, 0.1, 0], [0.1, 0, 0]], atol=3e-4)
    assert np.allclose(n, [[0, 1, 0], [1, 0, 0]], atol=1e-3)


def test_skeleton_has_human_proportions() -> None:
    bones = skeleton(Physique())
    assert bones.joints.shape == bones.ends.shape == (17, 3)
    assert all(parent < bone for bone, parent in enumerate(PARENTS))
    shoulder, elbow, wrist = bones.joints[11:14]
    arm = np.linalg.norm(elbow - shoulder) + np.linalg.norm(wrist - elbow)
    assert shoulder[1] - arm == pytest.approx(0.47 * 1.75, abs=0.04)  # hanging, wrists reach the crotch
    left, right = bones.joints[[5, 6, 7, 11, 12, 13]], bones.joints[[8, 9, 10, 14, 15, 16]]
    assert np.allclose(left * [-1, 1, 1], right)


@pytest.mark.parametrize(
    "outfit",
    [
        Outfit(),
        Outfit(top=Top(hem=0.5, loose=0.03, collar=0.03), head=Head("long", "beanie", Layer.INNER)),
        Outfit(top=Top(sleeve=0.0), bottom=Bottom("skirt", hem=0.5), boot=0.2, bag="backpack"),
        Outfit(top=Top(vest=True), head=Head("bald", "helmet", scarf=True, beard=True), bag="trolley", bag_side=-1),
        Outfit(top=Top(hood="up"), bottom=Bottom(hem=0.5), bag="crossbody"),
    ],
)  # fmt: skip
def test_meshes_are_sound(outfit: Outfit) -> None:
    mesh = build_mesh(Physique(girth=1.1, curves=0.5), outfit, COARSE)
    number = len(mesh.vertices)
    assert mesh.normals.shape == (number, 3)
    assert mesh.bones.shape == mesh.weights.shape == (number, 4)
    assert mesh.faces.min() == 0
    assert mesh.faces.max() == number - 1
    assert np.isfinite(mesh.vertices).all()
    assert np.allclose((mesh.normals**2).sum(axis=1), 1)
    assert np.allclose(mesh.weights.sum(axis=1), 1)
    assert mesh.weights.min() >= 0
    own = mesh.layers != Layer.CARRIED
    assert mesh.vertices[own, 1].min() == pytest.approx(0, abs=0.005)
    assert 1.72 < mesh.vertices[own, 1].max() < 1.83
    # A face's two vertices of the same edge never are of different pieces, and faces look where normals do.
    layers = mesh.layers[mesh.faces]
    assert (layers == layers[:, :1]).all()
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    agree = (np.cross(b - a, c - a) * mesh.normals[mesh.faces].sum(axis=1)).sum(axis=1) > 0
    assert agree.mean() > 0.97


def test_layers_follow_the_outfit() -> None:
    plain = set(build_mesh(Physique(), Outfit(), COARSE).layers.tolist())
    assert plain == {Layer.SKIN, Layer.TOP, Layer.BOTTOM, Layer.SHOES, Layer.HAIR}
    everything = Outfit(top=Top(vest=True), bag="tote")
    full = set(build_mesh(Physique(), everything, COARSE, umbrella=-1).layers.tolist())
    assert full == plain | {Layer.INNER, Layer.CARRIED, Layer.CANOPY}
    assert Layer.HAIR not in build_mesh(Physique(), Outfit(head=Head("bald")), COARSE).layers


def test_a_top_is_a_closed_surface_and_covers_the_skin() -> None:
    mesh = build_mesh(Physique(), Outfit(), COARSE)
    directed = edges(mesh, Layer.TOP)
    assert {tuple(e) for e in directed.tolist()} == {tuple(e[::-1]) for e in directed.tolist()}
    skin = mesh.vertices[mesh.layers == Layer.SKIN]
    assert not ((skin[:, 1] > 0.9) & (skin[:, 1] < 1.3) & (np.abs(skin[:, 0]) < 0.2)).any()


def test_straps_lie_on_the_coat() -> None:
    """Over any garment some strap is in front of the chest, and not far in front of it."""
    for loose in (0.01, 0.045):
        outfit = Outfit(top=Top(loose=loose, straight=0.8), bag="crossbody")
        mesh = build_mesh(Physique(), outfit, 0.02)
        front = (np.abs(mesh.vertices[:, 0]) < 0.05) & (np.abs(mesh.vertices[:, 1] - 1.3) < 0.05)
        coat = mesh.vertices[front & (mesh.layers == Layer.TOP), 2].max()
        strap = mesh.vertices[front & (mesh.layers == Layer.CARRIED), 2].max()
        assert 0.002 < strap - coat < 0.03


def test_body_parts_move_with_their_bones() -> None:
    mesh = build_mesh(Physique(), Outfit(bag="briefcase", bag_side=1), COARSE, umbrella=-1)
    strongest = mesh.bones[np.arange(len(mesh.bones)), mesh.weights.argmax(axis=1)]
    x, y = mesh.vertices[:, 0], mesh.vertices[:, 1]
    skin = mesh.layers == Layer.SKIN
    assert set(strongest[skin & (x > 0.50)]) == {13}
    assert set(strongest[skin & (x < -0.50)]) == {16}
    assert set(strongest[skin & (y > 1.6)]) == {4}
    assert set(strongest[(mesh.layers == Layer.BOTTOM) & (x > 0.05) & (y > 0.15) & (y < 0.4)]) == {6}
    assert set(strongest[(mesh.layers == Layer.SHOES) & (x < 0) & (y < 0.05)]) == {10}
    assert set(strongest[mesh.layers == Layer.CARRIED]) == {13}
    assert set(strongest[mesh.layers == Layer.CANOPY]) == {16}


def test_the_same_person_has_the_same_mesh() -> None:
    shape = Physique(height=1.6, girth=1.05)
    first, second = (build_mesh(shape, Outfit(bag="backpack"), COARSE) for _ in range(2))
    assert digest(first) == digest(second)
    assert digest(first) != digest(build_mesh(replace(shape, girth=1.1), Outfit(bag="backpack"), COARSE))


def digest(mesh: Mesh) -> str:
    return hashlib.sha256(mesh.vertices.tobytes() + mesh.faces.tobytes() + mesh.weights.tobytes()).hexdigest()


def test_meshes_are_made_fast_and_small() -> None:
    outfit = Outfit(top=Top(hem=0.5, loose=0.03), head=Head("long"), bag="backpack")
    build_mesh(Physique(), outfit, 0.034)
    start = time.process_time()
    mesh = build_mesh(Physique(), outfit, 0.018)
    assert time.process_time() - start < 1.0  # some 0.1 s. The rest is for busy machines
    assert len(mesh.faces) < 33_000
