"""A case of bad input, and what its error has to say."""

import dataclasses
import re
from collections.abc import Callable
from typing import Any

import pytest

__all__ = ["Case", "assert_refused", "parametrize"]

# A rule says what is allowed, and so the way out; or a sentence says what to do.
_WAY_OUT = re.compile(
    r"`.* must "
    r"(be|begin|have|hold|map|lie|end|start|name|take|differ|keep|return|not be|exist)\b"
    r"|` needs "
    r"|(^|[.:;,] )(Pass|Use|Give|Call|Compile|Write|Take|Train|Leave|leave|End|Choose)\b",
    re.DOTALL,
)


@dataclasses.dataclass(frozen=True)
class Case:
    """One call that must be refused.

    Attributes:
        name: of the public callable, as a user types it after `tfgen.`.
        call: makes the call; is given the models and data of `World`.
        error: the type of the error, exactly.
        argument: that the message names in backticks.
        received: what the message shows of the value, after the word "received".
    """

    name: str
    call: Callable[[Any], Any]
    error: type[Exception]
    argument: str
    received: str


def parametrize(cases: list[Case]) -> Any:
    """The cases as parameters of a test, each with an id of its own."""
    ids = [f"{case.name}-{case.argument}-{number}" for number, case in enumerate(cases)]
    return pytest.mark.parametrize("case", cases, ids=ids)


def assert_refused(case: Case, world: Any) -> None:
    """Asserts that a case raises its error, which says all it must, and changes nothing."""
    before = world.state()
    with pytest.raises(Exception) as raised:  # noqa: PT011 - the type is asserted below
        case.call(world)
    message = str(raised.value)
    seen = f"{type(raised.value).__name__}: {message}"
    assert type(raised.value) is case.error, seen
    assert re.search(rf"`(validation )?{re.escape(case.argument)}[`\[]", message), seen
    _, received, shown = message.partition("received")
    assert received, seen
    assert case.received in shown, seen
    assert _WAY_OUT.search(message), seen
    assert world.state() == before, f"weights or files changed: {seen}"
