"""What several parts of the API take and return."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Query

from app.web.errors import PROBLEM_TYPE
from app.web.filters import Filters, filters

MOST_ROWS = 1000  # of one page of a list


def told(status: int, description: str) -> dict[int | str, dict[str, Any]]:
    """What the API's description says of an error that few routes have."""
    content = {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": description, "content": content}}


Narrowed = Annotated[Filters, Depends(filters)]
Number = Annotated[int, Query(ge=0, lt=2**63)]
