"""A case as one zip, for somebody who has no access to the site. Everybody but the chosen people is blurred in it.

It holds `report.html`, `clips/NNN.mp4`, `case.json`, and `SHA256SUMS` of them. All names are ours. It is written as it
is made, so a case of any size takes the memory of one clip and the pictures of the report.
"""

from __future__ import annotations

import hashlib
import json
import time
import zipfile
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

from app.asking import Progress, unheard
from app.errors import FootageError
from app.record import Site
from app.record.cases import Case, CaseItem, Cases
from app.record.rows import AuditEntry
from app.report.pages import render
from app.report.redacted import cut_redacted
from app.report.redacted_crops import redacted_crops

ERASED = "It was erased while this was made."


@dataclass(frozen=True, slots=True)
class CaseExport:
    """What was written."""

    case: int
    sha256: str  # of the zip
    size: int  # bytes
    clips: int
    without: list[str]  # why an item has no clip, a sentence each


@dataclass(frozen=True, slots=True, eq=False)
class ItemView:
    """An item as the report shows it."""

    item: CaseItem
    pictures: list[bytes]  # JPEG
    clip: str | None  # its name in the zip
    why_none: str  # why there is no clip, a sentence


def export_case(site: Site, number: int, out: BinaryIO, *, who: str, progress: Progress = unheard) -> CaseExport:
    """Writes a case as a zip, and notes who had it: that it begins, and the zip's SHA-256 when it is whole.

    Args:
        site: the site, opened to write.
        number: of the case.
        out: takes the zip, from its first byte to its last one. It need not be able to seek.
        who: as the audit names them.
        progress: hears how many items are done.

    Raises:
        LookupError: there is no such case.
        DetectorError: the shipped detector can't be had, without which nobody is blurred.
    """
    cases = Cases(site)
    case, items = cases.case(number), cases.items(number)
    begun = AuditEntry(time.time(), who, "case export", {"case": number, "tracklets": [i.tracklet for i in items]})
    head = site.note(begun)
    target = _Counted(out)
    views: list[ItemView] = []
    sums: dict[str, str] = {}
    with zipfile.ZipFile(target, "w") as archive:

        def add(name: str, data: bytes, method: int) -> None:
            entry = zipfile.ZipInfo(name, time.gmtime(begun.time)[:6])
            entry.compress_type, entry.external_attr = method, 0o600 << 16
            archive.writestr(entry, data)
            sums[name] = hashlib.sha256(data).hexdigest()

        for k, item in enumerate(items):
            view, clip = _view(site, item, f"clips/{k + 1:03}.mp4")
            views.append(view)
            if view.clip is not None:
                add(view.clip, clip, zipfile.ZIP_STORED)
            progress("items exported", k + 1, len(items))
        values: dict[str, Any] = {"case": case, "views": views, "site": site.path.name, "who": who, "audit": head}
        report = render("case.html", made=begun.time, **values).encode()
        add("report.html", report, zipfile.ZIP_DEFLATED)
        said = _as_json(case, views, site.path.name, who, begun.time, head)
        add("case.json", json.dumps(said, indent=1, ensure_ascii=False).encode(), zipfile.ZIP_DEFLATED)
        lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items()))
        add("SHA256SUMS", lines.encode(), zipfile.ZIP_DEFLATED)
    digest = target.sha256.hexdigest()
    details = {"case": number, "sha256": digest, "bytes": target.size}
    site.note(AuditEntry(time.time(), who, "case exported", details))
    clips = sum(view.clip is not None for view in views)
    return CaseExport(number, digest, target.size, clips, [view.why_none for view in views if view.clip is None])


def _view(site: Site, item: CaseItem, name: str) -> tuple[ItemView, bytes]:
    """An item, and its clip. What can't be shown of it is said."""
    try:
        piece = site.searchable(item.tracklet)
        pictures = redacted_crops(site, piece)
        return ItemView(item, pictures, name, ""), cut_redacted(site, piece)
    except LookupError:
        return ItemView(item, [], None, ERASED), b""
    except FootageError as error:
        return ItemView(item, pictures, None, str(error)), b""


def _as_json(case: Case, views: list[ItemView], site: str, who: str, made: float, head: str) -> dict[str, Any]:
    """The report for programs. Times are UTC seconds."""
    items = [
        {**asdict(view.item), "clip": view.clip, "why_no_clip": view.why_none or None, "pictures": len(view.pictures)}
        for view in views
    ]
    shown = {**asdict(case), "cameras": sorted(case.cameras), "items": items}
    return {"site": site, "exported": made, "by": who, "audit": head, "case": shown}


class _Counted:
    """Passes bytes on, and knows their digest and number."""

    def __init__(self, out: BinaryIO) -> None:
        self._out, self.sha256, self.size = out, hashlib.sha256(), 0

    def write(self, data: bytes) -> int:
        """All of them."""
        self._out.write(data)
        self.sha256.update(data)
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        """On to where they go."""
        self._out.flush()

    def close(self) -> None:
        """Leaves the file open: it is the caller's."""
