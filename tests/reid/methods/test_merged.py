"""Learning from what merging finds: classes, centres, and that nothing is learned from what nothing was joined to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from reid.merging.merge import APART
from reid.methods import Bank, Batch, Tracklets
from reid.methods.merged import Merged, MergedConfig
from tests.reid.methods import scenes

PEOPLE, WIDTH, EACH = 40, 16, 4  # images of a tracklet


def crowd(*, noise: float = 0.15, times: bool = True) -> tuple[Tracklets, torch.Tensor, np.ndarray]:
    """Everybody in three cameras, in two pieces each: tracklets, features of images, and who each tracklet shows."""
    rng = np.random.default_rng(0)
    person = np.repeat(np.arange(PEOPLE), 6)
    camera = np.tile([0, 0, 1, 1, 2, 2], PEOPLE)
    image_tracklet = np.repeat(np.arange(len(person)), EACH)
    centre = rng.normal(size=(PEOPLE, WIDTH))
    features = centre[person[image_tracklet]] + noise * np.sqrt(WIDTH) * rng.normal(size=(len(image_tracklet), WIDTH))
    start = 30.0 * person + 100 * camera + 5.0 * np.tile([0, 1], 3 * PEOPLE)
    time = start[image_tracklet] + np.tile(np.arange(EACH), len(person))
    of = Tracklets(
        torch.from_numpy(camera),
        3,
        torch.from_numpy(image_tracklet),
        torch.zeros((0, 2), dtype=torch.int64),
        torch.from_numpy(time) if times else None,
    )
    return of, torch.from_numpy(features).float(), person


def started(config: MergedConfig, **options: bool) -> tuple[Merged, dict[str, float], np.ndarray, torch.Tensor]:
    of, features, person = crowd(**options)
    method = Merged(of, WIDTH, config, 10, seed=0)
    return method, method.start_epoch(0, lambda: Bank(features)), person, features


@pytest.mark.parametrize("times", [True, False])
def test_classes_are_people(times: bool) -> None:
    method, curves, person, _ = started(MergedConfig(shared_clock=times), times=times)
    label = method.label.numpy()
    inside = label >= 0
    assert inside.mean() == pytest.approx(curves["classed"])
    assert inside.mean() > 0.8
    assert len(np.unique(label[inside])) == curves["classes"] == int(method.count)
    pairs = np.unique(np.stack([label[inside], person[inside]]), axis=1)
    assert pairs.shape[1] < 1.1 * curves["classes"]  # hardly a class shows two people
    assert (np.unique(label[inside], return_counts=True)[1] > 1).all()
    associations = method.associations()
    assert len(associations) == curves["associations"] > 0
    assert (method.camera[associations[:, 0]] != method.camera[associations[:, 1]]).all()


def test_loss_and_centres_as_written_out() -> None:
    config = MergedConfig(temperature=0.1, momentum=0.3)
    method, _, _, features = started(config)
    method.label[:6] = -1
    rows = torch.tensor([0, 9, 30, 31, 60, 90, 91, 200])
    tracklet = method.tracklets.image_tracklet[rows]
    x = features[rows].clone().requires_grad_()
    batch = Batch(x, tracklet, method.camera[tracklet], rows)
    (loss,) = method.losses(batch).values()
    unit = x.detach().numpy() / np.linalg.norm(x.detach().numpy(), axis=1, keepdims=True)
    centre, label = method.centre.numpy().copy(), method.label[tracklet].numpy()
    count = int(method.count)
    wanted = []
    for embedding, c in zip(unit, label):
        if c >= 0:
            logits = centre[:count] @ embedding / 0.1
            wanted.append(np.log(np.exp(logits).sum()) - logits[c])
    assert 0 < len(wanted) < len(rows)
    assert float(loss.detach()) == pytest.approx(np.mean(wanted), rel=1e-4)
    loss.backward()
    assert x.grad is not None
    assert not x.grad[label < 0].any()
    assert x.grad[label >= 0].any()

    method.after_step(batch)
    for c in np.unique(label):
        if c >= 0:
            mean = unit[label == c].mean(0)
            new = 0.3 * centre[c] + 0.7 * mean / np.linalg.norm(mean)
            assert np.allclose(method.centre[c].numpy(), new / np.linalg.norm(new), atol=1e-5)
    others = np.setdiff1d(np.arange(len(centre)), label)
    assert np.array_equal(method.centre.numpy()[others], centre[others])


def test_an_epoch_without_any_class_changes_nothing() -> None:
    of, features, _ = crowd()
    method = Merged(of, WIDTH, MergedConfig(certainty=0.999999), 10, seed=0)
    curves = method.start_epoch(
        0, lambda: Bank(torch.randn(features.shape, generator=torch.Generator().manual_seed(1)))
    )
    assert curves["classes"] == 0
    x = features[:8].clone().requires_grad_()
    tracklet = of.image_tracklet[:8]
    batch = Batch(x, tracklet, of.camera[tracklet], torch.arange(8))
    (loss,) = method.losses(batch).values()
    loss.backward()
    assert float(loss.detach()) == 0
    assert x.grad is not None
    assert not x.grad.any()
    method.after_step(batch)
    assert method.centre.isfinite().all()


def test_clocks_of_cameras_are_only_compared_where_they_are_one() -> None:
    method, *_ = started(MergedConfig())
    _, start, end = method.summed_up(np.ones((len(method.tracklets.image_tracklet), WIDTH), np.float32))
    assert (end - start == EACH - 1).all()
    assert np.ptp(np.r_[start, end]) < APART / 1000  # years, so cameras never meet


def test_what_a_person_said_decides_over_looks() -> None:
    of, features, person = crowd()
    apart = torch.tensor([[0, 1], [0, 2]])  # pieces of one person
    together = torch.tensor([[3, 200]])  # of two
    assert person[0] == person[1] == person[2] and person[3] != person[200]
    method = Merged(replace(of, cannot_link=apart, must_link=together), WIDTH, MergedConfig(), 10, seed=0)
    method.start_epoch(0, lambda: Bank(features))
    label = method.label
    assert label[0] not in (label[1], label[2]) and label[3] == label[200] >= 0


def test_learns() -> None:
    scene = scenes.world(frames=12)  # as alike as `base` sees people, of which merging knows the cosines
    start, final, curves = scenes.learn(Merged(scene.tracklets, 24, MergedConfig(), 10, seed=0), scene)
    assert final > start + 0.15
    assert curves[-1]["associations"] > 10
