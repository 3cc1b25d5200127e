"""A person: body, clothes, carried things and manner of walking, all from one seed.

Most clothes are neutral and much alike, as on a real street. So no colour alone tells who someone is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from sample_videos.world.body import Bag, Bottom, Hair, Head, Layer, Mesh, Outfit, Physique, Top, build_mesh
from sample_videos.world.materials import Cloth

SHADOW_CELL = 0.034  # m
CHILDREN, OLD, BAGS, HATS = 0.05, 0.13, 0.57, 0.13  # shares of people
Colour = tuple[float, float, float]  # linear R, G, B
Paint = tuple[Colour, Cloth, Colour, float]  # colour A, pattern, colour B, scale of the pattern
Arms = Literal["swing", "phone", "pockets", "strap", "carry", "trolley", "umbrella", "crossed", "behind", "call"]
T = TypeVar("T")


@dataclass(frozen=True)
class Figure:
    """What a renderer needs of a person."""

    mesh: Mesh
    shadow: Mesh  # a coarse one
    height: float  # m, the mesh is of a person of 1.75 m
    materials: NDArray[np.float64]  # (8, 8) by Layer: colour A (3), Cloth, colour B (3), scale of the pattern
    opening: float  # m, half the width by which a jacket stands open, 0 closed
    texture: float  # seed of its patterns and folds


@dataclass(frozen=True)
class Manner:
    """How someone moves. Angles are in radians."""

    speed: float = 1.3  # m/s, liked best
    reach: float = 0.80  # stride (two steps) / height
    swing: float = 0.38  # of the arms, each way
    elbow: float = 0.30  # bend of the arms
    abduction: float = 0.12  # of the arms, from the body
    lean: float = 0.04  # forward
    stoop: float = 0.05  # of the head
    sway: float = 0.018  # m, sideways
    twist: float = 0.10  # of the pelvis about the vertical
    width: float = 0.085  # m between a foot and the middle
    toes_out: float = 0.12
    offset: float = 0.0  # of the slow movements of someone who stands
    walking: tuple[Arms, Arms] = ("swing", "swing")  # left, right
    standing: tuple[Arms, Arms] = ("swing", "swing")


@dataclass(frozen=True)
class Person:
    """Somebody, as drawn from a seed."""

    seed: int
    palette: str
    shape: Physique
    outfit: Outfit
    manner: Manner
    paints: tuple[Paint, ...]  # by Layer
    opening: float = 0.0  # m, half the width by which the jacket stands open
    umbrella: bool = False  # held open over the head

    @property
    def height(self) -> float:
        """In metres."""
        return self.shape.height

    @property
    def umbrella_side(self) -> int:
        """The hand that holds it: 1 left, -1 right."""
        return -self.outfit.bag_side


def figure(someone: Person, cell: float = 0.018) -> Figure:
    """The meshes and materials of a person. It takes some tenths of a second."""
    held = someone.umbrella_side if someone.umbrella else 0
    return Figure(
        mesh=build_mesh(someone.shape, someone.outfit, cell, umbrella=held),
        shadow=build_mesh(someone.shape, someone.outfit, SHADOW_CELL, umbrella=held),
        height=someone.shape.height,
        materials=np.array([(*a, float(cloth), *b, scale) for a, cloth, b, scale in someone.paints], np.float64),
        opening=someone.opening,
        texture=float(np.random.default_rng([someone.seed, 3]).uniform(0, 100)),
    )


# --- colours ---------------------------------------------------------------------------------------------------------

BLACK, WHITE = (0.014, 0.014, 0.016), (0.70, 0.70, 0.68)
CHARCOAL, GREY, NAVY, BROWN = (0.045, 0.045, 0.05), (0.13, 0.13, 0.135), (0.018, 0.026, 0.060), (0.10, 0.060, 0.034)
PALE_BLUE, BEIGE, OLIVE = (0.36, 0.46, 0.62), (0.42, 0.34, 0.23), (0.060, 0.065, 0.032)
GREEN = (0.02, 0.12, 0.055)
NEUTRALS: dict[Colour, float] = {
    BLACK: 0.27, CHARCOAL: 0.13, GREY: 0.11, (0.32, 0.32, 0.32): 0.06, WHITE: 0.12, NAVY: 0.15, BEIGE: 0.05,
    BROWN: 0.05, OLIVE: 0.06,
}  # fmt: skip
BRIGHTS: tuple[Colour, ...] = (
    (0.42, 0.025, 0.03), (0.18, 0.012, 0.025), (0.55, 0.17, 0.03), (0.60, 0.40, 0.05), (0.05, 0.20, 0.07),
    (0.03, 0.18, 0.17), (0.03, 0.08, 0.36), (0.16, 0.32, 0.58), (0.14, 0.05, 0.24), (0.55, 0.22, 0.30),
    (0.45, 0.06, 0.20), (0.32, 0.45, 0.35), (0.36, 0.28, 0.48), (0.25, 0.10, 0.05),
)  # fmt: skip
DENIMS: dict[Colour, float] = {
    (0.022, 0.032, 0.066): 4, (0.040, 0.065, 0.125): 4, (0.085, 0.135, 0.22): 2, (0.20, 0.27, 0.36): 1,
}  # fmt: skip
SKINS: dict[Colour, float] = {
    (0.68, 0.44, 0.34): 3, (0.60, 0.37, 0.27): 3, (0.50, 0.29, 0.19): 2.5, (0.38, 0.20, 0.12): 1.5,
    (0.24, 0.115, 0.065): 1.3, (0.13, 0.060, 0.035): 1, (0.065, 0.032, 0.020): 0.7,
}  # fmt: skip
DARK_HAIRS: dict[Colour, float] = {(0.007, 0.006, 0.005): 1, (0.014, 0.010, 0.007): 1}
HAIRS: dict[Colour, float] = {
    (0.007, 0.006, 0.005): 2, (0.014, 0.010, 0.007): 2, (0.035, 0.020, 0.011): 2.4, (0.075, 0.042, 0.020): 1.6,
    (0.16, 0.090, 0.040): 0.9, (0.36, 0.24, 0.10): 0.9, (0.17, 0.045, 0.015): 0.3,
}  # fmt: skip
GREY_HAIR = (0.27, 0.27, 0.27)
SAFETY: tuple[Colour, ...] = ((0.62, 0.75, 0.06), (0.85, 0.20, 0.025))


def choose(rng: np.random.Generator, weights: Mapping[T, float]) -> T:
    """One of the keys, by their weights."""
    keys, shares = list(weights), np.cumsum(list(weights.values()))
    at = int(np.searchsorted(shares, float(rng.random()) * shares[-1], side="right"))
    return keys[min(at, len(keys) - 1)]


def tinted(rng: np.random.Generator, colour: Colour, spread: float = 0.22) -> Colour:
    """A shade of a colour."""
    gain = 1 + spread * float(rng.uniform(-1, 1))
    r, g, b = (min(0.85, max(0.006, c * gain * (1 + 0.08 * float(rng.uniform(-1, 1))))) for c in colour)
    return r, g, b


def cloth_colour(rng: np.random.Generator, neutral: float) -> Colour:
    """Neutral with that probability."""
    if rng.random() < neutral:
        return tinted(rng, choose(rng, NEUTRALS))
    return tinted(rng, BRIGHTS[int(rng.integers(len(BRIGHTS)))])


def contrasting(rng: np.random.Generator, to: Colour, neutral: float) -> Colour:
    """A colour of cloth that an eye tells from another. Neutral with that probability."""
    for _ in range(12):
        colour = cloth_colour(rng, neutral)
        if sum(abs(a**0.45 - b**0.45) for a, b in zip(colour, to)) > 0.55:
            return colour
    return WHITE if sum(to) < 0.6 else BLACK


# --- clothes ---------------------------------------------------------------------------------------------------------

TOPS: dict[str, Top] = {
    "tank": Top(hem=0.87, sleeve=0.0, loose=0.007, straight=0.2, neck=1.425),
    "tee": Top(hem=0.86, sleeve=0.40, loose=0.011, sleeve_loose=0.013, straight=0.55, neck=1.462),
    "polo": Top(hem=0.87, sleeve=0.42, loose=0.011, sleeve_loose=0.012, straight=0.55, neck=1.46, collar=0.016),
    "blouse": Top(hem=0.88, sleeve=0.97, loose=0.012, sleeve_loose=0.010, straight=0.3, neck=1.44),
    "shirt": Top(hem=0.85, sleeve=0.97, loose=0.012, sleeve_loose=0.009, straight=0.55, collar=0.020),
    "tucked shirt": Top(hem=0.985, sleeve=0.97, loose=0.011, sleeve_loose=0.009, straight=0.25, collar=0.022),
    "sweater": Top(hem=0.87, sleeve=0.98, loose=0.017, sleeve_loose=0.012, straight=0.6),
    "hoodie": Top(hem=0.86, sleeve=0.99, loose=0.022, sleeve_loose=0.016, straight=0.65, hood="down"),
    "blazer": Top(hem=0.80, sleeve=0.97, loose=0.018, sleeve_loose=0.012, straight=0.45, neck=1.48, collar=0.018),
    "jacket": Top(hem=0.86, sleeve=0.98, loose=0.024, sleeve_loose=0.016, straight=0.75, collar=0.034),
    "puffer": Top(hem=0.85, sleeve=0.99, loose=0.038, sleeve_loose=0.026, straight=0.85, collar=0.045),
    "parka": Top(hem=0.68, sleeve=0.99, loose=0.030, sleeve_loose=0.020, straight=0.8, collar=0.03, hood="down"),
    "coat": Top(hem=0.52, sleeve=0.98, loose=0.024, sleeve_loose=0.015, straight=0.55, flare=0.012, collar=0.032),
    "long coat": Top(hem=0.34, sleeve=0.98, loose=0.026, sleeve_loose=0.016, straight=0.55, flare=0.02, collar=0.034),
    "gilet": Top(hem=0.86, sleeve=0.98, loose=0.030, sleeve_loose=0.010, straight=0.8, collar=0.03, vest=True),
    "safety vest": Top(hem=0.84, sleeve=0.98, loose=0.026, sleeve_loose=0.011, straight=0.9, neck=1.44, vest=True),
    "safety jacket": Top(hem=0.82, sleeve=0.99, loose=0.028, sleeve_loose=0.020, straight=0.85, collar=0.03),
}  # fmt: skip
LIGHT = ("tank", "tee", "polo", "blouse")
OPENS = ("hoodie", "blazer", "jacket", "puffer", "parka", "coat", "long coat")


@dataclass(frozen=True)
class Palette:
    """What people wear on one kind of day: weights of tops and hats, and shares."""

    tops: dict[str, float]
    hats: dict[Literal["cap", "beanie", "hat", "hijab"], float]
    neutral: float = 0.75  # of clothes
    plain: float = 1.0  # of tops, without a pattern
    skirts: float = 0.0  # of women
    dresses: float = 0.0  # of women in a light top
    shorts: float = 0.0
    scarves: float = 0.0
    hatted: float = HATS


PALETTES: dict[str, Palette] = {
    "everyday": Palette(
        {
            "tee": 3, "tank": 0.3, "polo": 0.7, "blouse": 1.1, "shirt": 1.6, "tucked shirt": 0.5, "sweater": 2,
            "hoodie": 2, "blazer": 0.8, "jacket": 2.2, "puffer": 0.5, "parka": 0.4, "coat": 0.8, "gilet": 0.3,
        },
        {"cap": 6, "beanie": 2, "hat": 1, "hijab": 3},
        neutral=0.66, plain=0.68, skirts=0.16, dresses=0.2, shorts=0.07, scarves=0.04,
    ),
    "winter": Palette(
        {
            "sweater": 0.8, "hoodie": 1, "jacket": 2, "puffer": 3, "parka": 2.5, "coat": 3, "long coat": 1,
            "gilet": 0.4,
        },
        {"cap": 1, "beanie": 7, "hat": 1, "hijab": 2},
        neutral=0.75, plain=0.88, skirts=0.08, scarves=0.34, hatted=2 * HATS,
    ),
    "office": Palette(
        {
            "blazer": 3, "shirt": 2, "tucked shirt": 3, "blouse": 1.5, "sweater": 1.2, "polo": 0.5, "coat": 1,
            "jacket": 0.4,
        },
        {"hat": 1, "hijab": 3},
        neutral=0.75, plain=0.78, skirts=0.36, dresses=0.2, scarves=0.04, hatted=HATS / 2,
    ),
    "uniforms": Palette({}, {}),
    "summer": Palette(
        {"tee": 4, "tank": 1.6, "polo": 1.3, "blouse": 1, "shirt": 1.2, "tucked shirt": 0.3},
        {"cap": 6, "hat": 3, "hijab": 1.5},
        neutral=0.58, plain=0.55, skirts=0.24, dresses=0.48, shorts=0.36,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Uniform:
    """Clothes that several people wear, to the thread."""

    top: str
    cloth: Paint
    trousers: Colour
    inner: Colour = WHITE  # the shirt under a vest
    cover: Literal["none", "cap", "helmet"] = "none"
    cover_colour: Colour = WHITE


def reflective(colour: Colour) -> Paint:
    """Safety cloth of a colour, with bands that shine."""
    return colour, Cloth.REFLECTIVE, (0.6, 0.6, 0.62), 1.0


UNIFORMS = (
    Uniform("safety vest", reflective(SAFETY[0]), (0.03, 0.035, 0.05), NAVY, "helmet", (0.75, 0.55, 0.04)),
    Uniform("safety vest", reflective(SAFETY[1]), CHARCOAL, GREY),
    Uniform("safety jacket", reflective(SAFETY[1]), NAVY, cover="helmet"),
    Uniform("polo", ((0.36, 0.02, 0.03), Cloth.LETTERS, WHITE, 1.0), BLACK),
    Uniform("polo", (GREEN, Cloth.LETTERS, WHITE, 1.0), BEIGE, cover="cap", cover_colour=GREEN),
    Uniform("shirt", ((0.16, 0.26, 0.42), Cloth.LETTERS, NAVY, 1.0), NAVY, cover="cap", cover_colour=NAVY),
)  # fmt: skip


def person(seed: int, palette: str = "everyday") -> Person:
    """Someone, dressed in one of `PALETTES`. The same seed has the same body whatever the clothes.

    Raises:
        ValueError: There is no such palette.
    """
    if palette not in PALETTES:
        raise ValueError(f"no palette {palette!r}; there are {', '.join(PALETTES)}")
    rng = np.random.default_rng([seed, 0])
    female, age = bool(rng.random() < 0.5), float(rng.random())
    child, old = age < CHILDREN, age > 1 - OLD
    shape = draw_shape(rng, female, child)
    skin = tinted(rng, choose(rng, SKINS), 0.12)
    dark = sum(skin) < 0.45
    tone = choose(rng, DARK_HAIRS if dark else HAIRS)
    hair_colour = tinted(rng, GREY_HAIR if old and rng.random() < 0.7 else tone, 0.3)
    head = draw_head(rng, female, child, old, dark)
    manner = draw_manner(rng, old, child)
    rng = np.random.default_rng([seed, 1, sorted(PALETTES).index(palette)])
    if palette == "uniforms":
        outfit, paints, opening = draw_uniform(rng, head)
    else:
        outfit, paints, opening = draw_clothes(rng, PALETTES[palette], head, female, child)
    outfit = carry(rng, outfit, palette, child)
    paints[Layer.SKIN] = (skin, Cloth.FACE, hair_colour, 1.0)
    if outfit.head.cover == "none" or outfit.head.cover_layer is Layer.INNER:
        paints[Layer.HAIR] = (hair_colour, Cloth.STRANDS, hair_colour, 1.0)
    paints[Layer.CANOPY] = (cloth_colour(rng, 0.6), Cloth.PLAIN, BLACK, 1.0)
    bag = cloth_colour(rng, 0.45 if outfit.bag == "shopping" else 0.72)
    paints[Layer.CARRIED] = (bag, Cloth.BLOCKS if rng.random() < 0.2 else Cloth.PLAIN, contrasting(rng, bag, 0.6), 1.0)
    manner = hold(rng, manner, outfit)
    return Person(
        seed=seed,
        palette=palette,
        shape=shape,
        outfit=outfit,
        manner=manner,
        paints=tuple(paints[layer] for layer in Layer),
        opening=opening,
    )


def draw_shape(rng: np.random.Generator, female: bool, child: bool) -> Physique:
    """A body."""

    def normal(mean: float, spread: float, low: float, high: float) -> float:
        return float(min(high, max(low, rng.normal(mean, spread))))

    if child:
        height = float(rng.uniform(1.20, 1.50))
        girth, head = normal(0.97, 0.08, 0.84, 1.2), 1.20 - 0.3 * (height - 1.20)
        return Physique(height=height, girth=girth, shoulders=0.93, hips=0.94, curves=0.0, head=head)
    height = normal(1.64, 0.065, 1.48, 1.84) if female else normal(1.77, 0.07, 1.58, 1.98)
    girth = normal(1.0, 0.12, 0.84, 1.34)
    if female:
        shoulders, hips = normal(0.92, 0.03, 0.86, 1.0), normal(1.04, 0.04, 0.95, 1.13)
        curves = normal(0.75, 0.2, 0.3, 1.0)
        return Physique(height=height, girth=girth, shoulders=shoulders, hips=hips, curves=curves, head=1.02)
    shoulders, hips = normal(1.02, 0.035, 0.93, 1.09), normal(0.98, 0.03, 0.91, 1.06)
    return Physique(height=height, girth=girth, shoulders=shoulders, hips=hips, curves=0.0)


def draw_head(rng: np.random.Generator, female: bool, child: bool, old: bool, dark: bool) -> Head:
    """Hair and beard, more often curly on a dark skin."""
    curly = 1.6 if dark else 0.1
    hair: dict[Hair, float] = {
        "short": 2.6,
        "crop": 1.6,
        "parted": 1.6,
        "quiff": 1,
        "bun": 0.25,
        "long": 0.2,
        "afro": curly / 2,
    }
    if female:
        hair = {"long": 3.2, "ponytail": 2.4, "bob": 1.8, "bun": 1.6, "short": 0.7, "parted": 0.5, "afro": curly}
    elif not child:
        hair |= {"bald": 0.5, "receding": 0.5 + old, "fringe": 0.3 + 1.5 * old}
    return Head(hair=choose(rng, hair), beard=bool(not female and not child and rng.random() < 0.24))


def draw_manner(rng: np.random.Generator, old: bool, child: bool) -> Manner:
    """How someone of an age moves, with arms that hold nothing yet."""

    def normal(mean: float, spread: float) -> float:
        return mean + spread * float(min(2.0, max(-2.0, rng.normal())))

    slow = 0.78 if old else 0.95 if child else 1.0
    return Manner(
        speed=normal(1.32, 0.14) * slow,
        reach=normal(0.79, 0.04) * (0.9 if old else 1.0),
        swing=max(0.10, normal(0.34, 0.12)) * slow,
        elbow=max(0.10, normal(0.30, 0.10)),
        abduction=max(0.06, normal(0.11, 0.03)),
        lean=normal(0.035, 0.025) + 0.07 * old,
        stoop=normal(0.05, 0.05) + 0.08 * old,
        sway=max(0.006, normal(0.018, 0.006)),
        twist=max(0.03, normal(0.10, 0.03)),
        width=normal(0.078, 0.012),
        toes_out=normal(0.14, 0.07),
        offset=float(rng.uniform(0, 100)),
    )


def draw_clothes(
    rng: np.random.Generator, palette: Palette, head: Head, female: bool, child: bool
) -> tuple[Outfit, dict[Layer, Paint], float]:
    """Clothes, their paints and how far the jacket stands open."""
    grown_up = ("blazer", "tucked shirt", "coat", "long coat")
    tops = {top: weight for top, weight in palette.tops.items() if female or top != "blouse"}
    name = choose(rng, {top: weight for top, weight in tops.items() if not (child and top in grown_up)})
    top = varied(rng, name, TOPS[name])
    colour, pattern, second_colour, scale = top_paint(rng, palette, name)
    suit = name == "blazer" and bool(rng.random() < 0.6)
    if suit:
        colour, pattern = tinted(rng, choose(rng, {BLACK: 3, NAVY: 3, CHARCOAL: 3, GREY: 1})), Cloth.PLAIN
    dress = female and name in LIGHT and rng.random() < palette.dresses
    skirt = dress or (female and rng.random() < palette.skirts)
    shorts = not skirt and rng.random() < palette.shorts
    if skirt:
        bottom = Bottom(
            "skirt", hem=choose(rng, {0.60: 1, 0.50: 3, 0.44: 2, 0.28: 2, 0.16: 1}) + float(rng.uniform(-0.03, 0.03))
        )
        bottom = replace(bottom, flare=float(rng.uniform(0.0, 0.05)))
        below = skirt_paint(rng, palette)
        if dress:
            top, below = replace(top, hem=0.95, straight=0.1), (colour, pattern, second_colour, scale)
    else:
        bottom = trousers(rng, female, bool(shorts))
        below = (colour, Cloth.PLAIN, colour, 1.0) if suit else trousers_paint(rng, name)
    boot = 0.0
    slim = bottom.kind == "trousers" and bottom.ankle < 0.046
    if not shorts and (bottom.hem > 0.25 or slim) and rng.random() < 0.33:
        boot = choose(rng, {0.06: 1, 0.20: 1, 0.26: 1})
    head = draw_cover(rng, palette, head, name, female)
    inner = cloth_colour(rng, 0.82)
    opening = 0.0
    often = {"blazer": 0.85}.get(name, 0.5)
    if name in OPENS and not head.scarf and top.hood != "up" and rng.random() < often:
        opening = float(rng.uniform(0.02, 0.06))
        if name == "blazer" and head.cover == "none":
            inner = tinted(rng, choose(rng, {WHITE: 4, PALE_BLUE: 1, BLACK: 1}), 0.1)
    paints: dict[Layer, Paint] = {
        Layer.TOP: (colour, pattern, second_colour, scale),
        Layer.BOTTOM: below,
        Layer.SHOES: draw_shoes(rng, boot > 0),
        Layer.HAIR: (cloth_colour(rng, 0.6), Cloth.PLAIN, BLACK, 1.0),
        Layer.INNER: (inner, Cloth.PLAIN, BLACK, 1.0),
    }
    return Outfit(top, bottom, head, boot), paints, opening


def top_paint(rng: np.random.Generator, palette: Palette, name: str) -> Paint:
    """Colours and pattern that suit the top of that name."""
    colour = cloth_colour(rng, palette.neutral)
    if name in ("tucked shirt", "shirt") and rng.random() < 0.4:
        colour = tinted(rng, choose(rng, {WHITE: 2, PALE_BLUE: 1}), 0.1)
    pattern = Cloth.PLAIN
    if name in ("jacket", "gilet") and rng.random() < 0.12:
        colour, pattern = tinted(rng, choose(rng, DENIMS)), Cloth.DENIM
    elif rng.random() > palette.plain:
        if name in ("tee", "sweater", "hoodie", "tank", "polo"):
            weights = {
                Cloth.STRIPES: 3,
                Cloth.PRINT: 2.5,
                Cloth.BLOCKS: 1.2,
                Cloth.BAND: 1.2,
                Cloth.LETTERS: 0.6,
                Cloth.DOTS: 0.5,
            }
        elif name in ("shirt", "tucked shirt", "blouse"):
            weights = {Cloth.PLAID: 2, Cloth.PINSTRIPES: 2, Cloth.DOTS: 1, Cloth.STRIPES: 1}
        else:
            weights = {Cloth.BLOCKS: 2, Cloth.BAND: 1.2, Cloth.CAMOUFLAGE: 0.5, Cloth.PLAID: 1}
        pattern = choose(rng, weights)
    return colour, pattern, contrasting(rng, colour, 0.65), float(rng.uniform(0.7, 1.5))


def skirt_paint(rng: np.random.Generator, palette: Palette) -> Paint:
    """Mostly plain."""
    colour = cloth_colour(rng, palette.neutral)
    pattern = choose(rng, {Cloth.PLAIN: 7, Cloth.PLAID: 1, Cloth.DOTS: 1, Cloth.STRIPES: 1})
    return colour, pattern, contrasting(rng, colour, 0.6), float(rng.uniform(0.7, 1.5))


def trousers_paint(rng: np.random.Generator, name: str) -> Paint:
    """Denim, dark or some other colour, as they go with the top of that name."""
    draw = float(rng.random())
    if draw < 0.40 and name != "tucked shirt":
        colour, pattern = tinted(rng, choose(rng, DENIMS)), Cloth.DENIM
    elif draw < 0.65:
        colour, pattern = tinted(rng, choose(rng, {BLACK: 2, CHARCOAL: 1})), Cloth.PLAIN
    else:
        colour, pattern = cloth_colour(rng, 0.88), Cloth.PLAIN
    return colour, pattern, colour, 1.0


def trousers(rng: np.random.Generator, female: bool, shorts: bool) -> Bottom:
    """Trousers, tight to wide, or shorts."""
    if shorts:
        return Bottom("trousers", float(rng.uniform(0.46, 0.58)), 0.090, 0.088)
    knee, ankle = choose(rng, {(0.066, 0.050): 3, (0.072, 0.058): 4, (0.080, 0.068): 3, (0.090, 0.085): 1.2})
    if female and rng.random() < 0.45:
        knee, ankle = 0.058, 0.043  # tight
    hem = (0.09, 0.13) if rng.random() < 0.15 else (0.03, 0.06)  # some end over the ankle
    return Bottom("trousers", float(rng.uniform(*hem)), knee, ankle)


def varied(rng: np.random.Generator, name: str, top: Top) -> Top:
    """A garment as this person's is cut."""
    hem, sleeve, hood = top.hem, top.sleeve, top.hood
    if name != "tucked shirt":
        hem += float(rng.uniform(-0.03, 0.03)) * (2 if hem < 0.7 else 1)
    if sleeve > 0 and name != "blazer":
        sleeve += float(rng.uniform(-0.03, 0.01))
    if name in ("shirt", "sweater", "hoodie") and rng.random() < 0.15:
        sleeve = float(rng.uniform(0.55, 0.7))  # rolled up
    if name in ("jacket", "puffer") and rng.random() < 0.45:
        hood = "down"
    if hood == "down" and rng.random() < 0.10:
        hood = "up"
    return replace(top, loose=top.loose * float(rng.uniform(0.85, 1.3)), hem=hem, sleeve=sleeve, hood=hood)


def draw_cover(rng: np.random.Generator, palette: Palette, head: Head, name: str, female: bool) -> Head:
    """Perhaps a hat or a scarf."""
    scarf = bool(rng.random() < palette.scarves and name not in LIGHT)
    if rng.random() >= palette.hatted:
        return replace(head, scarf=scarf)
    cover = choose(rng, {hat: weight for hat, weight in palette.hats.items() if female or hat != "hijab"})
    if cover == "hijab":
        return replace(head, cover="hijab", hair="bald", beard=False)
    # Hair shows beneath, so that the hat is of the colour of what else is painted INNER.
    return replace(head, hair=flattened(head.hair), cover=cover, cover_layer=Layer.INNER, scarf=scarf)


def flattened(hair: Hair) -> Hair:
    """What is left of it under a hat."""
    return "short" if hair in ("afro", "bun", "quiff", "parted") else hair


def draw_shoes(rng: np.random.Generator, boots: bool) -> Paint:
    """Colours of shoes and their soles."""
    colour = choose(rng, {BLACK: 5, BROWN: 1.2, WHITE: 1.8, GREY: 1, NAVY: 0.8})
    if not boots and rng.random() < 0.12:
        colour = BRIGHTS[int(rng.integers(len(BRIGHTS)))]
    soles = WHITE if not boots and rng.random() < 0.45 else (0.02, 0.02, 0.02)
    return tinted(rng, colour), Cloth.SOLES, soles, 1.0


def draw_uniform(rng: np.random.Generator, head: Head) -> tuple[Outfit, dict[Layer, Paint], float]:
    """One of `UNIFORMS`. Only the shoes are one's own."""
    uniform = UNIFORMS[int(rng.integers(len(UNIFORMS)))]
    vest = TOPS[uniform.top].vest
    if uniform.cover != "none" and rng.random() < 0.75:
        layer = Layer.HAIR if vest else Layer.INNER  # a vest's INNER is its shirt
        head = replace(head, hair=flattened(head.hair), cover=uniform.cover, cover_layer=layer)
    paints: dict[Layer, Paint] = {
        Layer.TOP: uniform.cloth,
        Layer.BOTTOM: (uniform.trousers, Cloth.PLAIN, BLACK, 1.0),
        Layer.SHOES: draw_shoes(rng, False),
        Layer.HAIR: (uniform.cover_colour, Cloth.PLAIN, BLACK, 1.0),
        Layer.INNER: (uniform.inner if vest else uniform.cover_colour, Cloth.PLAIN, BLACK, 1.0),
    }
    return Outfit(TOPS[uniform.top], Bottom("trousers", 0.045, 0.078, 0.066), head), paints, 0.0


def carry(rng: np.random.Generator, outfit: Outfit, palette: str, child: bool) -> Outfit:
    """Perhaps a bag."""
    side = 1 if rng.random() < 0.5 else -1
    bag: Bag = "none"
    if rng.random() < BAGS:
        bags: dict[Bag, float] = {
            "backpack": 3.2, "tote": 1.6, "shoulder": 1.8, "crossbody": 1.5,
            "briefcase": 2.5 if palette == "office" else 0.3, "shopping": 0.9, "trolley": 0.7,
        }  # fmt: skip
        bag = "backpack" if child else choose(rng, bags)
        if bag == "backpack" and outfit.top.hood != "none":  # it would stick out of the hood
            bag = "crossbody"
    return replace(outfit, bag=bag, bag_side=side)


def hold(rng: np.random.Generator, manner: Manner, outfit: Outfit) -> Manner:
    """What the arms do, given what there is to hold."""
    walking: list[Arms] = ["swing", "swing"]
    standing: list[Arms] = ["swing", "swing"]
    bag, busy = outfit.bag, 0 if outfit.bag_side > 0 else 1
    if bag in ("briefcase", "shopping"):
        walking[busy] = standing[busy] = "carry"
    elif bag == "trolley":
        walking[busy] = "trolley"
        standing[busy] = "trolley"
    elif bag in ("tote", "shoulder") and rng.random() < 0.5:
        walking[busy] = standing[busy] = "strap"
    free = [n for n in (0, 1) if walking[n] == "swing"]
    hand = free[int(rng.integers(len(free)))]
    draw = float(rng.random())
    if draw < 0.10:
        walking[hand] = "phone"
    elif draw < 0.13:
        walking[hand] = "call"
    elif draw < 0.20 and outfit.top.sleeve > 0.8:
        for n in free:
            walking[n] = "pockets"
    draw = float(rng.random())
    if draw < 0.22:
        standing[hand] = "phone"
    elif draw < 0.28:
        standing[hand] = "call"
    elif draw < 0.50:
        for n in free:
            standing[n] = "pockets"
    elif len(free) == 2 and draw < 0.65:
        standing = ["crossed", "crossed"]
    elif len(free) == 2 and draw < 0.72:
        standing = ["behind", "behind"]
    return replace(manner, walking=(walking[0], walking[1]), standing=(standing[0], standing[1]))
