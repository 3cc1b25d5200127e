"""All that decides what a training ends in, and how a line of text changes it."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self, TypeVar, get_args, get_origin, get_type_hints

import torch

from reid.benchmarks.noise import Noise
from reid.benchmarks.parts import RAW, Protocol
from reid.encoder import Backbone, EncoderConfig, Head
from reid.methods import MethodConfig, Situation, config_named
from reid.training.errors import TrainingError

PrecisionName = Literal["auto", "fp32", "bf16", "fp16"]
T = TypeVar("T")
NO_NOISE = Noise()


@dataclass(frozen=True)
class Settings:
    """All that decides what a run ends in. A run's folder belongs to one of these."""

    config: MethodConfig
    """Of the method, with its recipe."""
    data: str
    """`market1501:DIR`, or how a site is called."""
    protocol: Protocol = RAW
    noise: Noise = NO_NOISE
    """Tracklets made wrong on purpose."""
    epochs: int | None = None
    """None: the recipe's."""
    seed: int = 0
    init: str = "base"
    """random, imagenet (the backbone's weights of Torchvision), a safetensors file, or a shipped encoder's name."""
    backbone: Backbone | None = None
    """None: that of the weights, else `light`."""
    head: Head | None = None
    """None: that of the weights, so that nothing learned is thrown away; without weights, the recipe's."""
    size: tuple[int, int] | None = None
    """Height and width of crops, px; None: those of the weights, else the recipe's."""
    encoder: Mapping[str, Any] = field(default_factory=dict)
    """Other fields of EncoderConfig that shall differ from those of the weights."""
    accumulate: int = 1
    """Parts in which a batch goes through the encoder, for want of memory."""
    precision: PrecisionName = "auto"
    """auto: bf16 on CUDA, else fp32."""
    compile: bool = False

    @classmethod
    def of(
        cls,
        method: str,
        preset_name: str,
        changes: Changes,
        *,
        protocol: Protocol = RAW,
        init: str = "base",
        head: Head | None = None,
        size: tuple[int, int] | None = None,
        **others: Any,
    ) -> Self:
        """Settings of a method by its preset's name, with changes.

        A faithful preset has its paper's head, with its own width, and its size of crops, whatever the weights have.

        Args:
            method: Its name.
            preset_name: One of its presets.
            changes: Of the method, its recipe, the encoder and the noise.
            protocol: Whole tracklets and fragments want other practical settings.
            init: So do trained weights and random ones.
            head: None: the preset's, or that of the weights.
            size: Of crops, the same.
            others: Further fields.

        Raises:
            TrainingError: There is no such method, preset or field.
        """
        situation = Situation(fragmented=protocol == RAW, pretrained=init != "random")
        config = changes.applied_to(preset(method, preset_name, situation))
        encoder = changes.encoder
        if preset_name.startswith("faithful"):
            head, size = head or config.recipe.head, size or config.recipe.size
            encoder = {"dimensions": 0} | encoder
        noise = _changed(Noise(), changes.noise, "noise.")
        return cls(
            config=config, protocol=protocol, init=init, head=head, size=size, encoder=encoder, noise=noise, **others
        )

    def resolved(self, device: torch.device) -> Settings:
        """The same with epochs and precision named. Raises TrainingError where a number is under 1."""
        recipe = self.config.recipe
        precision = self.precision
        if precision == "auto":
            precision = "bf16" if device.type == "cuda" else "fp32"
        epochs = recipe.epochs if self.epochs is None else self.epochs
        if min(epochs, self.accumulate, recipe.batch, recipe.frames) < 1:
            raise TrainingError("epochs, parts, batch and frames must be at least 1")
        if precision == "fp16" and recipe.optimiser == "rmsprop":
            raise TrainingError("rmsprop can't skip a step of fp16 that overflowed: use --precision bf16")
        return replace(self, epochs=epochs, precision=precision)

    def plain(self) -> dict[str, Any]:
        """As values that JSON knows, the method's name among them."""
        return {"method": self.config.method, **dataclasses.asdict(self)}


def preset(method: str, name: str = "practical", situation: Situation = Situation()) -> MethodConfig:
    """A method as it works (`practical`), or as its paper has it (`faithful`, and for some sets others).

    Raises:
        TrainingError: There is no such method, or it has no such preset.
    """
    try:
        kind = config_named(method)
    except ValueError as error:
        raise TrainingError(str(error)) from error
    presets = kind.presets(situation)
    if name not in presets:
        raise TrainingError(f"{method} has no preset {name!r}; it has {', '.join(presets)}")
    return presets[name]


@dataclass(frozen=True)
class Changes:
    """Fields that shall differ from a preset's, as `--set` and `METHOD:FIELD=VALUE,…` name them."""

    method: dict[str, Any]
    """Of the method's settings: `scale=20`."""
    recipe: dict[str, Any]
    """`recipe.batch=64`."""
    encoder: dict[str, Any]
    """`encoder.ghost=16`."""
    noise: dict[str, Any] = field(default_factory=dict)
    """`noise.duplicated=0.1`."""

    @classmethod
    def parse(cls, lines: Iterable[str]) -> Self:
        """Of lines `NAME=VALUE`. Of two with one name the later counts. Raises TrainingError."""
        parts: dict[str, dict[str, Any]] = {"": {}, "recipe": {}, "encoder": {}, "noise": {}}
        for line in lines:
            name, equals, text = line.partition("=")
            part, _, inner = name.rpartition(".")
            if not equals:
                raise TrainingError(f"{line!r} is not NAME=VALUE")
            if part not in parts:
                raise TrainingError(f"{name!r} is no setting: it is NAME, recipe.NAME, encoder.NAME or noise.NAME")
            parts[part][inner] = _value(text)
        _changed(EncoderConfig(), parts["encoder"], "encoder.")  # is told before anything is read
        _changed(Noise(), parts["noise"], "noise.")
        return cls(parts[""], parts["recipe"], parts["encoder"], parts["noise"])

    def applied_to(self, config: MethodConfig) -> MethodConfig:
        """The settings with all changes but those of encoder and noise.

        Raises:
            TrainingError: There is no such field, or a value does not fit it.
        """
        recipe = _changed(config.recipe, self.recipe, "recipe.")
        return _changed(replace(config, recipe=recipe), self.method, "")


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _changed(target: T, changes: Mapping[str, Any], prefix: str) -> T:
    """A dataclass with other values. Raises TrainingError where it has no such field, or one of another kind."""
    fields = {entry.name: getattr(target, entry.name) for entry in dataclasses.fields(target)}  # type: ignore[arg-type]
    fields.pop("recipe", None)
    kinds = get_type_hints(type(target))
    for name, value in changes.items():
        if name not in fields:
            raise TrainingError(f"there is no setting {prefix + name!r}; there are {', '.join(fields)}")
        choices = get_args(kinds[name]) if get_origin(kinds[name]) is Literal else ()
        if not _fits(value, fields[name]) or (choices and value not in choices):
            one_of = f"; it is one of {', '.join(map(str, choices))}" if choices else ""
            raise TrainingError(f"{prefix}{name} is {fields[name]!r} by default and can't be {value!r}{one_of}")
    return replace(target, **changes)  # type: ignore[type-var]


def _fits(value: Any, default: Any) -> bool:
    """Whether a value is of the kind of the one that it replaces.

    None may become a number and the other way round.
    """
    if default is None or value is None:
        return value is None or isinstance(value, int | float)
    if isinstance(default, float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is type(default)


def pixels(text: str) -> tuple[int, int]:
    """Height and width of `HEIGHTxWIDTH`. Raises TrainingError where they are none, or no crop's."""
    try:
        height, width = map(int, text.split("x"))
    except ValueError as error:
        raise TrainingError(f"{text!r} is not HEIGHTxWIDTH, as 256x128") from error
    if not 16 <= min(height, width) <= max(height, width) <= 1024:
        raise TrainingError(f"crops are 16 to 1024 px high and wide, not {text}")
    return height, width
