"""One training, from top to bottom, for all methods.

The run's folder holds `settings.json`, `checkpoint.pt`, `log.jsonl`, TensorBoard's files, `model.safetensors` and
`result.json`. The log has a line every 50 steps and every epoch. The model is the last epoch's, never the best on test.
The same call goes on where it was stopped and ends in the same weights. On the CPU they are the same to the last bit,
given the same number of threads. Several ranks share each batch and end in what one alone would, up to the order of
sums.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reid.augment import augment
from reid.encoder import save_encoder
from reid.methods import new_method
from reid.progress import Progress, unheard
from reid.tracklets import TrackletDataset
from reid.training.averaging import WeightAverage
from reid.training.bank import encode_all
from reid.training.batches import Batches, image_numbers, labelled, unlabelled
from reid.training.checkpoint import Checkpoint, State
from reid.training.clock import Clock
from reid.training.errors import TrainingError
from reid.training.first_encoder import first_encoder
from reid.training.hindsight import hindsight
from reid.training.journal import Journal, Losses, Stopwatch
from reid.training.optimiser import new_optimiser, random_seed, set_rate
from reid.training.precision import Precision
from reid.training.ranks import (
    device_of_this_rank,
    in_batch_order,
    over_ranks,
    rank,
    ranks,
    same_on_all_ranks,
    sum_gradients,
    wait_for_ranks,
)
from reid.training.run_folder import Result, digest, finish, finished, keep_settings
from reid.training.scoring import TestSet, score
from reid.training.settings import Settings
from reid.training.statistics import settle_statistics
from reid.training.threads import ThreadChoice

LOG_EVERY = 50  # steps between two looks at the losses, the only times that a step waits for the device


def train(
    dataset: TrackletDataset,
    settings: Settings,
    out: Path,
    *,
    people: NDArray[np.int64] | None = None,
    test: TestSet | None = None,
    test_every: int = 0,
    device: torch.device | None = None,
    seconds: float | None = None,
    progress: Progress = unheard,
) -> Result:
    """Trains on `dataset` into the folder `out`, from its checkpoint where there is one.

    Args:
        dataset: T tracklets, as crops of the encoder's size.
        settings: All that decides what the run ends in.
        out: The run's folder.
        people: (T,) who each tracklet shows, if somebody knows. Only reports see it, and what says of itself that it is
            supervised.
        test: Scores before and after, and every `test_every` epochs. Nothing is ever chosen by them.
        test_every: Epochs between two tests. 0 tests before and after only.
        device: None for CUDA where it works.
        seconds: That the steps and all they need may take. Where that is too little, fewer steps are done.
        progress: Told of "training steps" after each. What it raises ends the run, which goes on from the last
            checkpoint.

    Raises:
        TrainingError: A setting is wrong, or `out` is of another run.
        EncoderError: There are no such first weights.
        Diverged: The loss is no number any more.
    """
    # -- what is asked for
    device = device or device_of_this_rank()
    settings = settings.resolved(device)
    config, recipe, seed, epochs = settings.config, settings.config.recipe, settings.seed, settings.epochs
    assert epochs is not None
    keep_settings(out, {**settings.plain(), "crops": digest(dataset)})
    if (result := finished(out)) is not None:
        return result

    # -- what learns, and from what
    encoder = first_encoder(settings).to(device)
    if dataset.crops.shape[1:3] != encoder.size:
        raise TrainingError(f"the crops are {dataset.crops.shape[1:3]} px, the encoder takes {encoder.size}")
    precision = Precision(settings.precision, device)
    settle_statistics(encoder, dataset, precision, seed)
    numbers = image_numbers(dataset, seed)
    identity = torch.from_numpy(people) if people is not None and config.needs_identities else None
    width = encoder.config.dimensions
    try:
        method = new_method(config, unlabelled(dataset, numbers), width, epochs, seed, identity).to(device)
    except ValueError as error:
        raise TrainingError(str(error)) from error
    batches = Batches(dataset, method, recipe, seed, identity)
    shares = settings.accumulate * ranks()
    if (batches.tracklets // batches.groups) % shares:
        raise TrainingError(f"a batch of {batches.tracklets} tracklets can't be shared by {shares} parts and ranks")
    average = WeightAverage(encoder, recipe.weight_average) if recipe.weight_average else None
    over_ranks(encoder, recipe.frames)
    parameters = [*encoder.parameters(), *method.parameters()]
    optimiser = new_optimiser(encoder, method, recipe)
    forward: Any = torch.compile(encoder) if settings.compile else encoder
    generator = torch.Generator(device)
    encode = partial(encode_all, encoder, dataset, method, numbers, precision)

    # -- what was done before
    parts = {"encoder": encoder, "method": method, "optimiser": optimiser, "scaler": precision.scaler}
    checkpoint = Checkpoint(out, State(), parts if average is None else parts | {"averaged": average.encoder})
    checkpoint.load(device)
    state, kept = checkpoint.state, encoder if average is None else average.encoder
    if state.step == 0 and test is not None:
        state.start = score(kept, test, recipe, device)

    # -- the loop
    steps = batches.steps * epochs
    clock = Clock(batches.steps, epochs, method.restarts, seconds)
    threads = ThreadChoice(torch.get_num_threads()) if seconds is not None and device.type == "cpu" else None
    losses, stopwatch = Losses(state.step, batches.steps), Stopwatch()
    with Journal(out, state.step, steps, progress) as journal:
        journal.show(state.step)
        while not clock.over(state.step, state.seconds + (state.refresh if state.step % batches.steps == 0 else 0.0)):
            epoch = state.step // batches.steps
            stopwatch.lap()
            if state.step % batches.steps == 0:  # else it goes on in the middle of an epoch
                torch.manual_seed(random_seed(seed, epoch, 1))
                state.curves = method.start_epoch(clock.epoch(state.step, state.seconds), encode)
                if not method.restarts.isdisjoint(method.passed):
                    checkpoint.parts["optimiser"] = optimiser = new_optimiser(encoder, method, recipe)
                same_on_all_ranks(method)
                state.curves |= hindsight(method, people)
                state.losses = {}
            encoder.train()
            method.train()
            state.refresh = stopwatch.lap()
            state.seconds += state.refresh
            for rows, crops in batches.epoch(epoch, state.step % batches.steps):
                elapsed = state.seconds + stopwatch.running
                rate = recipe.rate(clock.stage_progress(method.epoch, state.step, elapsed))
                set_rate(optimiser, rate)
                # Randomness follows from the step alone, so a run goes on as if it had never been stopped. Each rank
                # augments the whole batch, so its draws are those of one rank.
                torch.manual_seed(random_seed(seed, state.step, 2))
                generator.manual_seed(random_seed(seed, state.step, 3))
                images = crops.to(device, non_blocking=True)
                if recipe.augment != "none":
                    images = augment(images, *encoder.size, generator, mild=recipe.augment == "mild")
                images = images.unflatten(0, rows.shape)  # tracklets × frames × H × W × 3
                embeddings: list[Tensor] = []
                optimiser.zero_grad(set_to_none=True)
                for part in range(settings.accumulate):
                    own = images[part :: settings.accumulate][rank() :: ranks()].flatten(0, 1)
                    with precision.autocast():
                        embedding = torch.cat([forward(group) for group in own.chunk(batches.groups)])
                    embedding = in_batch_order(embedding, recipe.frames)
                    batch = labelled(embedding, rows[part :: settings.accumulate].ravel(), dataset, numbers)
                    loss = method.losses(batch)
                    precision.backward(torch.stack(list(loss.values())).sum() / shares)
                    losses.add(loss, settings.accumulate)
                    embeddings.append(embedding.detach().unflatten(0, (-1, recipe.frames)))
                sum_gradients(parameters)
                precision.step(optimiser, parameters, recipe.clip_value)
                whole = torch.stack(embeddings, 1).flatten(
                    0, 2
                )  # in the order of `rows`, which the parts take turns in
                method.after_step(labelled(whole, rows.ravel(), dataset, numbers))
                if average is not None:
                    average.follow(encoder, state.step)
                state.step, state.images = state.step + 1, state.images + rows.size
                journal.show(state.step)
                if threads is not None:
                    threads.after_step()

                over, due = clock.over(state.step, state.seconds + stopwatch.running), checkpoint.due
                ends = over or state.step % batches.steps == 0
                if ends or due or state.step % LOG_EVERY == 0:
                    losses.look(state)
                    took = stopwatch.lap()
                    state.seconds, state.training = state.seconds + took, state.training + took
                    if state.step % LOG_EVERY == 0 and not ends:
                        journal.write(state, {"learning_rate": rate})
                    if due and not ends:
                        checkpoint.save()
                    stopwatch.lap()
                if over:
                    break
            last = clock.over(state.step, state.seconds + state.refresh)
            figures = {"epoch": epoch + 1, **state.curves, "learning_rate": rate}
            if test is not None and (last or (test_every and (epoch + 1) % test_every == 0)):
                state.final = score(kept, test, recipe, device)
                figures |= state.final
            journal.write(state, figures)
            if last or checkpoint.due:
                checkpoint.save()

    # -- what came of it
    result = Result(
        method=config.method,
        protocol=settings.protocol,
        epochs=epochs,
        steps=state.step,
        images=state.images,
        seconds=round(state.seconds, 2),
        images_per_second=round(state.images / state.training, 1),
        start=state.start,
        final=state.final,
        model=str(out / "model.safetensors"),
        completed=state.step / steps,
    )
    if rank() == 0:
        save_encoder(kept, out / "model.safetensors")
        finish(out, result)
    wait_for_ranks()
    return result
