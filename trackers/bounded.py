"""Numbers in text that anybody may have written. `Fraction("1e999999999")` alone would compute for hours."""

from __future__ import annotations

import re
from fractions import Fraction

MOST_CHARACTERS = 64  # of a number. Containers write nine decimals
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d{1,3})?(/\d+)?", re.ASCII | re.IGNORECASE)


def bounded_number(text: str, least: float | Fraction, most: float | Fraction) -> Fraction:
    """The number that `text` is, like `25`, `29.97`, `3e1` or `30000/1001`, exactly.

    Raises:
        ValueError: It is none, or it lies outside of `least` to `most`.
    """
    text = text.strip()
    if len(text) > MOST_CHARACTERS or not _NUMBER.fullmatch(text):
        raise ValueError(f"{text[:MOST_CHARACTERS]!r} is no number that can be meant")
    try:
        number = Fraction(text)
    except ZeroDivisionError as error:
        raise ValueError(f"{text!r} divides by zero") from error
    if not least <= number <= most:
        raise ValueError(f"{text!r} is not between {float(least):g} and {float(most):g}")
    return number
