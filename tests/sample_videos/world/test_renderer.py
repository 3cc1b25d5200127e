import hashlib
from dataclasses import replace

import numpy as np
import pytest

from sample_videos.world.body import Layer, Mesh
from sample_videos.world.cameras import Camera, Sensor, project
from sample_videos.world.materials import Cloth, Surface
from sample_videos.world.people import Figure
from sample_videos.world.places import Lamp, Light, Place, Shape, Solid, View
from sample_videos.world.renderer import Actor, Shot, Stage

CENTRE, RADII = np.array([0.0, 0.9, 0.0]), np.array([0.3, 0.9, 0.25])  # m
CAMERA = Camera(eye=(0.0, 2.5, 6.0), target=(0.0, 0.8, 0.0), width=240, height=160, sensor=Sensor(saturation=0.9))
GROUND = Solid(Shape.BOX, (-30, -0.1, -30), (30, 0, 30), Surface.PAVING)
OVERCAST = Light((0, 1, 0), (0, 0, 0), (0.9, 0.95, 1.0), (0.4, 0.4, 0.4), (1, 1, 1))
SUNNY = Light((0.8, 1.0, 0.3), (2.2, 2.0, 1.8), (0.5, 0.6, 0.8), (0.3, 0.3, 0.3), (1, 1, 1))


def ball(
    centre: np.ndarray = CENTRE, radii: np.ndarray = RADII, layer: Layer = Layer.TOP, bone: int = 0, steps: int = 24
) -> Mesh:
    """An ellipsoid that one bone moves."""
    polar, around = np.meshgrid(np.linspace(0, np.pi, steps + 1), np.arange(2 * steps) * np.pi / steps, indexing="ij")
    unit = np.stack([np.sin(polar) * np.sin(around), np.cos(polar), np.sin(polar) * np.cos(around)], axis=2)
    unit = unit.reshape(-1, 3)
    normals = unit / radii
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    row, column = np.meshgrid(np.arange(steps), np.arange(2 * steps), indexing="ij")
    a, b = row * 2 * steps + column, row * 2 * steps + (column + 1) % (2 * steps)
    c, d = a + 2 * steps, b + 2 * steps
    faces = np.stack([np.stack([a, c, d], axis=2), np.stack([a, d, b], axis=2)]).reshape(-1, 3).astype(np.int32)
    bones, weights = np.zeros((len(unit), 4), np.int32), np.zeros((len(unit), 4))
    bones[:, 0], weights[:, 0] = bone, 1
    return Mesh(unit * radii + centre, normals, faces, bones, weights, np.full(len(unit), int(layer), np.int8))


def joined(*meshes: Mesh) -> Mesh:
    firsts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    faces = np.concatenate([mesh.faces + first for mesh, first in zip(meshes, firsts)]).astype(np.int32)
    rest = (np.concatenate([getattr(mesh, name) for mesh in meshes]) for name in ("bones", "weights", "layers"))
    vertices, normals = (np.concatenate([getattr(mesh, name) for mesh in meshes]) for name in ("vertices", "normals"))
    return Mesh(vertices, normals, faces, *rest)


def figure(mesh: Mesh | None = None, cloth: Cloth = Cloth.PLAIN, colour: tuple[float, ...] = (0.6, 0.1, 0.1)) -> Figure:
    mesh = mesh or ball()
    materials = np.tile((*colour, float(cloth), 0.1, 0.1, 0.6, 1.0), (8, 1))
    return Figure(mesh, mesh, 1.75, materials, 0.0, 2.5)


def actor(x: float = 0.0, z: float = 0.0, looks: Figure | None = None) -> Actor:
    bones = np.tile(np.eye(4), (17, 1, 1))
    bones[:, 0, 3], bones[:, 2, 3] = x, z
    return Actor(looks or figure(), bones)


def stage(*solids: Solid, light: Light = OVERCAST, camera: Camera = CAMERA) -> Stage:
    return Stage(View("test", Place("test", (GROUND, *solids), light, ()), camera))


@pytest.fixture(scope="module")
def overcast() -> Stage:
    return stage()


@pytest.fixture(scope="module")
def sunny() -> Stage:
    return stage(Solid(Shape.CYLINDER, (-2, 0, -3), (-1.5, 3, -2.5), Surface.CONCRETE), light=SUNNY)


def outline(x: float, z: float, camera: Camera = CAMERA) -> np.ndarray:
    points = project(camera, ball(steps=120).vertices + np.array([x, 0, z]))
    return np.concatenate([points.min(axis=0), points.max(axis=0)])


@pytest.mark.parametrize("distortion", [0.0, -0.15])
def test_the_box_is_that_of_the_known_body(distortion):
    camera = replace(CAMERA, distortion=distortion)
    shot = stage(camera=camera).shoot([actor(0.8, -0.5)])
    assert shot.boxes[0] == pytest.approx(outline(0.8, -0.5, camera), abs=0.8)
    assert shot.full[0] == pytest.approx(outline(0.8, -0.5, camera), abs=0.5)
    assert shot.visibility[0] == pytest.approx(1, abs=0.01)


def test_people_are_drawn_where_their_box_says(overcast):
    empty, shot = overcast.shoot([]).image, overcast.shoot([actor()]).image
    rows, columns = np.nonzero((shot[..., 0].astype(int) - shot[..., 1]) > 30)  # red
    assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == pytest.approx(outline(0, 0), abs=1.5)
    assert (empty[..., 0].astype(int) - empty[..., 1] < 30).all()


def test_a_solid_hides_half(overcast):
    box = Solid(Shape.BOX, (0.0, 0.0, 0.9), (2.0, 3.0, 1.0), Surface.PLASTER)
    shot = stage(box).shoot([actor()])
    assert shot.visibility[0] == pytest.approx(0.5, abs=0.03)
    assert shot.boxes[0] == pytest.approx(overcast.shoot([actor()]).boxes[0])


@pytest.mark.parametrize("shape", [Shape.CYLINDER, Shape.ELLIPSOID])
def test_round_solids_hide(shape):
    assert stage(Solid(shape, (-0.7, -0.5, 0.5), (0.7, 2.6, 1.5), Surface.STEEL)).shoot([actor()]).visibility[0] < 0.1


def test_people_hide_people_whatever_their_order(overcast):
    behind, before = actor(0.3, -1.5), actor(0.0, 0.5)
    first, swapped = overcast.shoot([behind, before]), overcast.shoot([before, behind])
    assert first.visibility[1] == pytest.approx(1)
    assert 0.2 < first.visibility[0] < 0.8
    assert swapped.visibility.tolist() == first.visibility[::-1].tolist()
    assert swapped.image.tolist() == first.image.tolist()


def test_out_of_the_frame_counts_as_hidden(overcast):
    edge = overcast.shoot([actor()]).full[0, 2] - 120.0  # px, half of the body's width
    x = 3.0
    for _ in range(20):  # moves the body so that its middle is at the frame's border
        x += (240 - overcast.shoot([actor(x)]).full[0, [0, 2]].mean()) / edge * RADII[0]
    shot = overcast.shoot([actor(x)])
    assert shot.visibility[0] == pytest.approx(0.5, abs=0.05)
    assert shot.boxes[0, 2] == 240 < shot.full[0, 2]
    gone = overcast.shoot([actor(9.0), actor(0.0, 30.0)])
    assert gone.visibility.tolist() == [0, 0] and not gone.boxes.any()


def test_a_canopy_hides_but_is_no_part_of_the_box(overcast):
    canopy = ball(np.array([0.0, 1.8, 0.6]), np.array([0.7, 0.1, 0.5]), Layer.CANOPY)
    covered, bare = overcast.shoot([actor(looks=figure(joined(ball(), canopy)))]), overcast.shoot([actor()])
    assert covered.boxes[0] == pytest.approx(bare.boxes[0])
    assert covered.full[0] == pytest.approx(bare.full[0])
    assert 0.7 < covered.visibility[0] < 0.98
    assert (covered.image != bare.image).any(axis=2).sum() > 300


@pytest.mark.parametrize("light", ["overcast", "sunny"])
def test_a_window_is_that_part_of_the_frame(light, request):
    scene = request.getfixturevalue(light)
    actors = [actor(-0.6, -0.4), actor(0.0, 0.5), actor(1.8, -4.0)]
    whole = scene.shoot(actors)
    for window in ((70, 20, 165, 150), (100, 60, 131, 113), (0, 0, 240, 160), (3, 90, 70, 160)):
        left, top, right, bottom = window
        part = scene.shoot(actors, window=window)
        assert part.image.tolist() == whole.image[top:bottom, left:right].tolist()
        corner = np.array([left, top, left, top])
        assert part.full == pytest.approx(whole.full - corner, abs=0.6)
        cut = np.clip(whole.boxes, (left, top, left, top), (right, bottom, right, bottom)) - corner
        for box, expected in zip(part.boxes, cut):
            if box.any():
                assert box == pytest.approx(expected, abs=0.01) or (expected[2:] - expected[:2] < 4).any()
    with pytest.raises(ValueError, match="window"):
        scene.shoot(actors, window=(0, 0, 241, 160))


def test_frames_do_not_depend_on_earlier_ones(sunny):
    first = sunny.shoot([actor()])
    sunny.shoot([actor(-1.0, 1.0), actor(1.2, -2.0)], window=(50, 10, 200, 150))
    again = sunny.shoot([actor()])
    assert again.image.tolist() == first.image.tolist()
    assert again.boxes.tolist() == first.boxes.tolist() and again.visibility.tolist() == first.visibility.tolist()


def brightness(shot: Shot) -> np.ndarray:
    return shot.image.astype(float).mean(axis=2)


def test_people_cast_shadows(sunny):
    empty, shot = brightness(sunny.shoot([])), brightness(sunny.shoot([actor()]))
    # The sun is at the right and behind the camera: the shadow of the middle falls to the left.
    ((x, y),) = project(CAMERA, CENTRE[None] - (0.72, 0.9, 0.27)).round().astype(int)
    assert shot[y, x] < 0.75 * empty[y, x]
    lit_side = project(CAMERA, CENTRE[None] - (-0.72, 0.9, 0.27)).round().astype(int)[0]
    assert shot[lit_side[1], lit_side[0]] == empty[lit_side[1], lit_side[0]]


def test_people_shade_people_and_solids_shade_people(sunny):
    alone = brightness(sunny.shoot([actor()]))
    shaded = brightness(sunny.shoot([actor(), actor(0.7, 0.27)]))
    ((x, y),) = project(CAMERA, CENTRE[None] + (0.05, -0.25, 0.23)).round().astype(int)
    assert shaded[y, x] < 0.8 * alone[y, x]
    roof = Solid(Shape.BOX, (-2, 3.0, -2), (3, 3.1, 3), Surface.STEEL)
    under = brightness(stage(roof, light=SUNNY).shoot([actor()]))
    assert under[y, x] < 0.8 * alone[y, x]


def test_the_ground_is_darker_at_the_feet(overcast):
    looks = figure(ball(np.array([0, 0.06, 0]), np.array([0.1, 0.06, 0.15]), bone=7))  # a foot
    empty, shot = brightness(overcast.shoot([])), brightness(overcast.shoot([actor(looks=looks)]))
    ((x, y),) = project(CAMERA, np.array([(0.17, 0.0, 0.0)])).round().astype(int)
    assert shot[y, x] < empty[y, x]


def test_lamps_light_people_from_their_side():
    lamp = Lamp((4.0, 2.0, 2.0), 3.0, (1.0, 0.9, 0.8))
    dark = replace(OVERCAST, sky=(0.05, 0.05, 0.05), ground=(0.03, 0.03, 0.03), lamps=(lamp,))
    shot = brightness(stage(light=dark).shoot([actor()]))
    points = project(CAMERA, CENTRE[None] + ((-0.2, 0, 0.15), (0.2, 0, 0.15))).round().astype(int)
    (left, row), (right, _) = points
    assert shot[row, right] > 1.5 * shot[row, left]


@pytest.mark.parametrize("surface", Surface, ids=lambda member: member.name)
def test_every_surface_renders(surface):
    scene = stage(Solid(Shape.BOX, (-3, 0, -3), (3, 3, -2), surface), camera=replace(CAMERA, width=48, height=32))
    for name in ("lit", "unlit", "inverse_depth", "positions", "normals"):
        assert np.isfinite(getattr(scene.backdrop, name)).all()
    assert (scene.backdrop.lit >= 0).all()


@pytest.mark.parametrize("cloth", Cloth, ids=lambda member: member.name)
def test_every_cloth_renders(cloth, sunny):
    looks = figure(cloth=cloth)
    shot = sunny.shoot([actor(looks=looks)])
    assert np.isfinite(sunny.people).all()
    assert shot.visibility[0] > 0.9


def test_a_rendered_frame_is_the_same_everywhere(sunny):
    looks = figure(joined(ball(), ball(np.array([0, 2.0, 0]), np.array([0.15, 0.2, 0.15]), Layer.SKIN)), Cloth.PLAID)
    image = sunny.shoot([actor(0.2, 0.3, looks), actor(-0.5, -1.0)]).image
    assert hashlib.sha256(image.tobytes()).hexdigest() == PINNED


PINNED = "3d2033774eddcee2ab0190a1bb2b65c66967f89d24bb3ff47956e68c00b63594"
