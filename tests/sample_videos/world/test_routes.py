import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from sample_videos.world.places import Footprints
from sample_videos.world.routes import Walker, walk
from sample_videos.world.scenes import VIEWS

PLACES = [VIEWS[name].place for name in ("plaza", "street", "hall")]
FPS, SECONDS = 10, 12


def crowd(number):
    rng = np.random.default_rng(3)
    return [Walker(i + 1, float(rng.uniform(1.0, 1.6)), 1.4) for i in range(number)]


@pytest.fixture(scope="module")
def walked():
    return walk(PLACES, crowd(36), SECONDS, FPS, seed=5)


def test_every_place_has_every_frame_and_people(walked):
    assert set(walked) == {place.name for place in PLACES}
    for frames in walked.values():
        assert len(frames) == SECONDS * FPS
        assert 4 < np.mean([len(steps) for steps in frames]) < 20
        assert {step.clock for step in frames[7]} == {0.7}


def test_nobody_is_in_two_places_at_once(walked):
    for frame in range(SECONDS * FPS):
        present = Counter(step.person for frames in walked.values() for step in frames[frame])
        assert set(present) <= set(range(1, 37))
        assert max(present.values()) == 1


def test_nobody_stands_in_a_solid_or_jumps(walked):
    for place in PLACES:
        footprints, before = Footprints(place.solids), {}
        for steps in walked[place.name]:
            feet = np.array([(step.x, step.z) for step in steps if not step.seat and step.walking > 0.3]).reshape(-1, 2)
            if len(feet):
                assert footprints.nearest(feet)[0].min() > 0.1
            for step in steps:
                x, z = before.get(step.person, (step.x, step.z))
                assert math.hypot(step.x - x, step.z - z) * FPS < 3.2
            before = {step.person: (step.x, step.z) for step in steps}


def test_people_keep_their_distance(walked):
    near = pairs = 0
    for frames in walked.values():
        for steps in frames:
            spots = np.array([(step.x, step.z) for step in steps]).reshape(-1, 2)
            apart = np.linalg.norm(spots[:, None] - spots, axis=2)[np.triu_indices(len(spots), 1)]
            near, pairs = near + int((apart < 0.3).sum()), pairs + len(spots)
    assert near < 0.01 * pairs


def test_legs_move_with_the_ground_that_is_covered(walked):
    checked = 0
    for frames in walked.values():
        for steps, after in pairwise(frames):
            later = {step.person: step for step in after}
            for step in steps:
                following = later.get(step.person)
                if following is None or min(step.walking, following.walking) < 0.97:
                    continue
                covered = math.hypot(following.x - step.x, following.z - step.z)
                assert following.phase - step.phase == pytest.approx(2 * math.pi * covered / 1.4, rel=0.12, abs=0.05)
                checked += 1
    assert checked > 500


def test_people_stand_and_sit_and_walk_together():
    walked = walk(PLACES, crowd(40), 30, 5, seed=2)
    steps = [step for frames in walked.values() for frame in frames for step in frame]
    assert sum(step.seat > 0 for step in steps) > 20
    assert sum(step.seat == 0 and step.walking < 0.05 for step in steps) > 50
    together = Counter()
    for frames in walked.values():
        for frame in frames:
            going = [step for step in frame if step.walking > 0.7]
            for a in going:
                for b in going:
                    turn = abs(math.remainder(a.heading - b.heading, 2 * math.pi))
                    if a.person < b.person and math.hypot(a.x - b.x, a.z - b.z) < 1.3 and turn < 0.5:
                        together[a.person, b.person] += 1
    assert sum(frames > 25 for frames in together.values()) >= 3


def test_the_seed_decides():
    first, again, of_another_seed = (walk(PLACES[:2], crowd(6), 1, 5, seed) for seed in (1, 1, 2))
    assert first == again
    assert first != of_another_seed
