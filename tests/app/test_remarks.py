"""Remarks of one kind are one line."""

from __future__ import annotations

from app.remarks import Remark, summed


def test_counts_of_a_kind_are_added_in_the_order_met() -> None:
    odd, even = Remark("odd files", 1, "They are odd."), Remark("even files", 2, "They are even.")
    assert summed([odd, even, odd]) == [Remark("odd files", 2, "They are odd."), even]
    assert summed([]) == []
