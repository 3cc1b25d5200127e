import numpy as np
import pytest

from sample_videos.world.body import Layer
from sample_videos.world.materials import Cloth, Surface, crease, paint_cloth, paint_surfaces

NUMBER = 400


def painted(surface: Surface, axis: int, size: float = 0.01) -> np.ndarray:
    rng = np.random.default_rng([axis, 7])
    normals = np.zeros((NUMBER, 3))
    normals[:, axis] = 1
    out = np.full((NUMBER, 4), np.nan)
    kinds = np.full(NUMBER, int(surface), np.int32)
    positions = rng.uniform(-9, 9, (NUMBER, 3))
    paint_surfaces(kinds, np.tile((0.5, 1.0, 2.0), (NUMBER, 1)), positions, normals, np.full(NUMBER, size), out)
    return out


def clothed(cloth: Cloth, layer: Layer = Layer.TOP, size: float = 0.004, opening: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(5)
    rest = rng.uniform((-0.25, 0.0, -0.15), (0.25, 1.75, 0.15), (NUMBER, 3))
    materials = np.tile((0.1, 0.2, 0.3, int(cloth), 0.8, 0.7, 0.6, 1.0), (8, 1)).astype(float)
    materials[Layer.INNER] = (0.9, 0.9, 0.1, int(Cloth.PLAIN), 0.9, 0.9, 0.1, 1.0)
    out = np.full((NUMBER, 4), np.nan)
    layers = np.full(NUMBER, int(layer), np.int8)
    paint_cloth(layers, rest, rest[:, :2].copy(), rest[:, 2] * 5, np.full(NUMBER, size), materials, opening, 3.7, out)
    return out


@pytest.mark.parametrize("surface", Surface, ids=lambda member: member.name)
def test_every_surface_has_a_colour_near_and_far(surface):
    for axis in range(3):
        for size in (0.002, 0.05, 2.0):
            out = painted(surface, axis, size)
            assert np.isfinite(out).all() and (out >= 0).all() and (out[:, :3] <= 2.5).all() and (out[:, 3] <= 1).all()
    assert painted(surface, 0).tolist() == painted(surface, 0).tolist()


def test_a_tint_multiplies_a_surface():
    out = painted(Surface.GLOW, 1)
    assert out[:, :3] == pytest.approx(np.tile((0.5, 1.0, 2.0), (NUMBER, 1)))


def test_where_there_is_nothing_nothing_is_painted():
    out = np.full((1, 4), 7.0)
    paint_surfaces(np.array([-1], np.int32), np.ones((1, 3)), np.zeros((1, 3)), np.zeros((1, 3)), np.ones(1), out)
    assert (out == 7).all()


@pytest.mark.parametrize("cloth", Cloth, ids=lambda member: member.name)
def test_every_cloth_has_a_colour_near_and_far(cloth):
    for size in (0.001, 0.02, 0.5):
        for layer in Layer:
            out = clothed(cloth, layer, size)
            assert np.isfinite(out).all() and (out >= 0).all() and (out[:, :3] <= 2).all()


@pytest.mark.parametrize("cloth", [Cloth.STRIPES, Cloth.PLAID, Cloth.DOTS, Cloth.BLOCKS, Cloth.CAMOUFLAGE, Cloth.SOLES])
def test_patterns_show_both_colours(cloth):
    out = clothed(cloth)[:, 0]
    assert out.min() < 0.2 and out.max() > 0.5


@pytest.mark.parametrize("cloth", [Cloth.STRIPES, Cloth.PINSTRIPES, Cloth.PLAID])
def test_far_patterns_fade_into_their_mean(cloth):
    near, far = clothed(cloth, size=0.001)[:, 0], clothed(cloth, size=0.4)[:, 0]
    assert far.std() < 0.02 < near.std()
    assert far.mean() == pytest.approx(near.mean(), abs=0.06)


def test_an_open_jacket_shows_what_is_under_it():
    closed, opened = clothed(Cloth.PLAIN), clothed(Cloth.PLAIN, opening=0.06)
    assert not (closed[:, 1] > 0.75).any()
    assert 0.02 < (opened[:, 1] > 0.75).mean() < 0.3


def test_folds_bend_cloth_and_leave_skin():
    rng = np.random.default_rng(2)
    vertices = rng.uniform((-0.2, 0.2, -0.1), (0.2, 1.4, 0.1), (NUMBER, 3))
    normals = rng.normal(size=(NUMBER, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    layers = np.where(np.arange(NUMBER) < NUMBER // 2, int(Layer.SKIN), int(Layer.TOP)).astype(np.int8)
    bent, hollows = np.empty_like(normals), np.empty(NUMBER)
    crease(vertices, normals, layers, 1.3, bent, hollows)
    assert np.linalg.norm(bent, axis=1) == pytest.approx(1)
    agreement = (bent * normals).sum(axis=1)
    assert agreement[: NUMBER // 2] == pytest.approx(1)
    assert 0.5 < agreement[NUMBER // 2 :].mean() < 0.999
    assert (hollows > 0.2).all() and (hollows <= 1).all()
