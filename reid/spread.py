"""Work in independent tasks: in this process, or on other machines by whoever keeps the same protocol.

Tasks are the same wherever they are done, and so is the order in which their results are put together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol, TypeVar, overload

Result = TypeVar("Result")
Value = TypeVar("Value")


class Spread(Protocol):
    """Does the tasks of one piece of work."""

    def shared(self, count: int, value: Callable[[int], Value]) -> Sequence[Value]:
        """What stands for `count` values among the arguments of tasks. Each is made when it is first asked for."""

    def each(self, task: Callable[..., Result], arguments: Iterable[tuple[Any, ...]]) -> Iterator[Result]:
        """What a task returns for each of `arguments`, in their order. Only a few results wait at once.

        task: A function that a module has by its name. What it returns depends on its arguments alone.
        """


class Here:
    """One task after the other in this process. NumPy gives each to all processors."""

    def shared(self, count: int, value: Callable[[int], Value]) -> Sequence[Value]:
        """As `Spread.shared`. Values are made whenever they are asked for, so none takes memory in the meantime."""
        return _Made(count, value)

    def each(self, task: Callable[..., Result], arguments: Iterable[tuple[Any, ...]]) -> Iterator[Result]:
        """As `Spread.each`."""
        return (task(*some) for some in arguments)


class _Made(Sequence[Value]):
    def __init__(self, count: int, value: Callable[[int], Value]) -> None:
        self._count, self._value = count, value

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, number: int) -> Value: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[Value]: ...
    def __getitem__(self, number: int | slice) -> Value | Sequence[Value]:
        if isinstance(number, slice):
            return [self._value(k) for k in range(*number.indices(self._count))]
        if not 0 <= number < self._count:
            raise IndexError(number)
        return self._value(number)
