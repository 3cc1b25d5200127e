"""What several parts of the API take and return."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query

from app.web.filters import Filters, filters

MOST_ROWS = 1000  # of one page of a list

Narrowed = Annotated[Filters, Depends(filters)]
Number = Annotated[int, Query(ge=0, lt=2**63)]
