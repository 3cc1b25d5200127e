"""What a query found, for people to look at: one HTML page that needs nothing but itself.

The page holds no script and asks for nothing: pictures are in it, and its Content-Security-Policy forbids the rest.
It shows people, so only its owner may read it, and it is written whole or not at all.
"""

from __future__ import annotations

import base64
import itertools
import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from app.engine.crops import as_jpeg
from app.record.private_files import write_private
from app.search.matches import STILL_QUALITY, IdentityGroup, Match, QueryView, Stop, groups, journey, percent

_STILL_SIDE = 960  # px the picture's longer side has at most
_CROP_SIDE = 480  # px of the person cut from it
_MARK = (255, 176, 32)  # RGB of the box
_STEPS = (0.2, 0.4, 0.6, 0.8)  # where a probability changes its colour
_LANE, _AXIS = 44, 26  # px high: a camera in the timeline, and the times below
_TICKS = tuple(float(s) for s in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400))


def write_report(view: QueryView, path: Path) -> None:
    """Writes one self-contained HTML page, readable by its owner only. Raises SiteError where it can't."""
    found = groups(view.matches)
    stops = journey(found[0].matches) if view.seen and found and found[0].number is not None else []
    parts = [
        _head(view),
        _verdict(view),
        _question(view),
        _journey(found[0], stops) if len(stops) > 1 else "",
        _timeline(view.matches),
        _matches(found, view),
        _FOOT,
    ]
    write_private(path, "\n".join(part for part in parts if part).encode("utf-8", "replace"))


# --- pictures


def _fit(pixels: NDArray[np.uint8], side: int) -> tuple[NDArray[np.uint8], float]:
    """A picture whose longer side has at most `side` px, and by how much it shrank."""
    scale = min(1.0, side / max(pixels.shape[:2]))
    if scale < 1:
        size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    return pixels, scale


def _marked(view: QueryView) -> NDArray[np.uint8]:
    """The still, smaller, with the person's box."""
    pixels, scale = _fit(view.still, _STILL_SIDE)
    if view.box is None:
        return pixels
    pixels = pixels.copy()
    x1, y1, x2, y2 = (round(float(edge) * scale) for edge in view.box)
    for colour, thickness in (((0, 0, 0), 5), (_MARK, 3)):  # a dark rim, to be seen on any ground
        cv2.rectangle(pixels, (x1, y1), (x2, y2), colour, thickness, cv2.LINE_AA)
    return pixels


# --- words


def _say(text: object) -> str:
    """Any text as HTML; control characters, which HTML forbids, become a mark."""
    return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", "\ufffd", escape(str(text)))


def _iso(time: float) -> str:
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _clock(time: float) -> str:
    return f"{datetime.fromtimestamp(time, UTC):%H:%M:%S}"


def _time(time: float, *, day: bool = True) -> str:
    shown = f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d} {_clock(time)}" if day else _clock(time)
    return f'<time datetime="{_iso(time)}">{shown}</time>'


def _span(start: float, end: float, *, day: bool = True) -> str:
    """From – to; the day once where both are on the same."""
    same = _iso(start)[:10] == _iso(end)[:10]
    return f"{_time(start, day=day or not same)} – {_time(end, day=not same)}"


def _duration(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes < 2880 else f"{minutes / 1440:.1f} days"


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def _level(probability: float) -> int:
    """Which of the five colours."""
    return sum(probability >= step for step in _STEPS)


def _image(jpeg: bytes, alt: str, css: str = "") -> str:
    data = base64.b64encode(jpeg).decode("ascii")
    kind = f' class="{css}"' if css else ""
    return f'<img{kind} src="data:image/jpeg;base64,{data}" alt="{_say(alt)}">'


# --- the page


def _head(view: QueryView) -> str:
    facts = {"Site": view.site, "Model": view.model, "Compared with": _count(view.gallery, "tracklet"), **view.filters}
    rows = "".join(f"<div><dt>{_say(name)}</dt><dd>{_say(value)}</dd></div>" for name, value in facts.items())
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<meta name="color-scheme" content="light dark">
<title>Query of {_say(view.site)}, {_iso(view.asked)}</title>
<style>{_STYLE}</style>
</head>
<body>
<header>
<p class="brand">Sightline · query by still</p>
<h1>Where else was this person?</h1>
<dl><div><dt>Asked</dt><dd>{_time(view.asked)} UTC</dd></div>{rows}</dl>
</header>
<main>"""


def _verdict(view: QueryView) -> str:
    best = view.matches[0].probability if view.matches else None
    for match in view.matches:
        best = max(best or 0.0, match.probability)
    figure = "" if best is None else f'<p class="best"><strong>{_say(percent(best))}</strong> best match</p>'
    head, css = ("Probably seen here", "seen") if view.seen else ("Not seen here", "unseen")
    return f"""<section class="verdict {css}" aria-labelledby="verdict">
<div><h2 id="verdict">{head}</h2><p>{_say(view.verdict)}</p></div>{figure}
</section>"""


def _question(view: QueryView) -> str:
    whole = view.box is None
    about = "The picture asked with" if whole else "The picture asked with, the person in a box"
    small = whole and max(view.still.shape[:2]) < 360  # a crop: shown larger than it is
    still = _image(as_jpeg(_marked(view), STILL_QUALITY), about, css="alone" if small else "still")
    person = ""
    if not whole:
        cut_out = as_jpeg(_fit(view.person, _CROP_SIDE)[0], STILL_QUALITY)
        person = _image(cut_out, "The person cut from it", css="person")
    says = "The whole picture is the person." if whole else "The picture, and the person in it who was searched for."
    return f"""<section class="card" aria-labelledby="question">
<h2 id="question">Asked with</h2>
<figure class="question"><div>{still}{person}</div><figcaption>{says}</figcaption></figure>
</section>"""


def _journey(person: IdentityGroup, stops: Sequence[Stop]) -> str:
    items = []
    for stop in stops:
        crops = stop.best.shown
        picture = _image(crops[len(crops) // 2], f"The person in {stop.camera}") if crops else ""
        way = ""
        if stop.gap is not None:
            after = f"{_duration(stop.gap)} later" if stop.gap >= 0 else "at the same time"
            way = f'<div class="way"><span>{after}</span>{_ARROW}</div>'
        new_day = stop is stops[0] or _iso(stop.start)[:10] != _iso(stops[stops.index(stop) - 1].start)[:10]
        items.append(
            f'<li>{way}<div class="stop">{picture}<div><strong>{_say(stop.camera)}</strong>'
            f'<span class="when">{_span(stop.start, stop.end, day=new_day)}</span>'
            f"<span>{_duration(stop.end - stop.start)} in sight</span></div></div></li>"
        )
    cameras = len({stop.camera for stop in stops})
    return f"""<section class="card" aria-labelledby="journey">
<h2 id="journey">Journey across cameras</h2>
<p class="note">{_say(person.name)}, {_count(len(stops), "stop")} in {_count(cameras, "camera")}; times are UTC.
Between the stops no camera saw the person, or none that matched.</p>
<ol class="journey">{"".join(items)}</ol>
</section>"""


def _timeline(matches: Sequence[Match]) -> str:
    """A lane a camera, by the time of its first match. Lengths along x are percent, so it is as wide as the page."""
    if not matches:
        return ""
    start, end = min(m.start for m in matches), max(m.end for m in matches)
    margin = max(0.04 * (end - start), 0.5)
    start, end = start - margin, end + margin

    def at(time: float) -> float:
        return 100 * (time - start) / (end - start)

    lanes: dict[str, list[Match]] = {}
    for match in sorted(matches, key=lambda m: m.start):
        lanes.setdefault(match.camera, []).append(match)
    height = len(lanes) * _LANE + _AXIS
    drawn = []
    for time, label in _ticks(start, end):
        drawn.append(f'<line class="tick" x1="{at(time):.3f}%" x2="{at(time):.3f}%" y1="0" y2="{height - _AXIS}"/>')
        drawn.append(f'<text class="scale" x="{at(time):.3f}%" y="{height - 8}">{label}</text>')
    for k, (camera, mine) in enumerate(lanes.items()):
        y = k * _LANE
        drawn.append(f'<text class="lane" x="2" y="{y + 15}">{_say(camera)}</text>')
        drawn.append(f'<line class="rail" x1="0" x2="100%" y1="{y + 30}" y2="{y + 30}"/>')
        for match in sorted(mine, key=lambda m: m.probability):  # the most probable on top
            drawn.append(
                f'<rect class="p{_level(match.probability)}" x="{at(match.start):.3f}%" y="{y + 22}" '
                f'width="{at(match.end) - at(match.start):.3f}%" height="16" rx="2"><title>{_say(camera)}, '
                f"{_iso(match.start)} – {_iso(match.end)}, {_say(percent(match.probability))}, tracklet "
                f"{match.tracklet}</title></rect>"
            )
    edges = [0, *(round(100 * step) for step in _STEPS), 100]
    key = "".join(
        f'<li><i class="p{k}"></i>{low}–{high} %</li>' for k, (low, high) in enumerate(itertools.pairwise(edges))
    )
    says = f"{_count(len(matches), 'tracklet')} in {_count(len(lanes), 'camera')}"
    return f"""<section class="card" aria-labelledby="timeline">
<h2 id="timeline">When and where</h2>
<p class="note">{says}, {_span(min(m.start for m in matches), max(m.end for m in matches))} UTC.
A bar is a tracklet, its colour how probable it is that this is the same person.</p>
<svg class="timeline" width="100%" height="{height}" role="img" aria-label="{says} along time; all are listed below">
{"".join(drawn)}
</svg>
<ul class="key">{key}</ul>
</section>"""


def _ticks(start: float, end: float) -> list[tuple[float, str]]:
    """At most five round times and how they are written: few enough for a telephone."""
    wanted = (end - start) / 5
    step = next((s for s in _TICKS if s >= wanted), 86400.0 * math.ceil(wanted / 86400))
    style = "%H:%M:%S" if step < 60 else "%H:%M" if step < 43200 else "%m-%d"
    first = math.ceil(start / step) * step
    times = [first + k * step for k in range(int((end - first) // step) + 1)]
    margin = 0.05 * (end - start)  # a label at the edge would be cut
    return [(t, f"{datetime.fromtimestamp(t, UTC):{style}}") for t in times if start + margin <= t <= end - margin]


def _matches(found: Sequence[IdentityGroup], view: QueryView) -> str:
    if not found:
        return ""
    note = (
        "Tracklets that were joined to one identity stand together, the most probable first."
        if view.seen
        else "The nearest there are, to judge for yourself. None of them is likely to be this person."
    )
    return f"""<section aria-labelledby="matches">
<h2 id="matches">{"Matches" if view.seen else "Nearest, not likely"}</h2>
<p class="note">{note}</p>
{"".join(map(_person_card, found))}
</section>"""


def _person_card(person: IdentityGroup) -> str:
    cameras = ", ".join(dict.fromkeys(m.camera for m in sorted(person.matches, key=lambda m: m.start)))
    up_to = f"up to {_say(percent(person.probability))} · " if len(person.matches) > 1 else ""
    ways = []
    for way in person.trajectories:
        head = ""
        if way.number is not None and person.number is not None:
            head = f"<h4>Trajectory {way.number} <span>{_count(len(way.matches), 'tracklet')}</span></h4>"
        ways.append(f'<div class="trajectory">{head}{"".join(map(_match_card, way.matches))}</div>')
    return f"""<article class="card">
<h3>{_say(person.name)} <span>{up_to}{_say(cameras)}</span></h3>
{"".join(ways)}
</article>"""


def _match_card(match: Match) -> str:
    crops = match.shown
    pictures = "".join(
        _image(crop, f"Tracklet {match.tracklet} in {match.camera}, picture {k} of {len(crops)}")
        for k, crop in enumerate(crops, 1)
    )
    share = 100 * min(max(match.probability, 0.0), 1.0)
    return f"""<div class="match">
<div class="crops">{pictures or '<p class="note">No picture of it can be shown.</p>'}</div>
<div class="facts">
<p class="probability"><strong>{_say(percent(match.probability))}</strong> <span>the same person</span></p>
<div class="bar" aria-hidden="true"><i class="p{_level(match.probability)}" style="width:{share:.1f}%"></i></div>
<p><strong>{_say(match.camera)}</strong></p>
<p>{_span(match.start, match.end)} UTC</p>
<p class="small">{_duration(match.end - match.start)} · similarity {match.similarity:.3f}</p>
<p class="small">tracklet {match.tracklet}</p>
</div>
</div>"""


_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_ARROW = (
    '<svg width="44" height="14" viewBox="0 0 44 14" aria-hidden="true">'
    '<path d="M1 7h40M35 2l6 5-6 5" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" '
    'stroke-linejoin="round"/></svg>'
)
_FOOT = """</main>
<footer>
<p><strong>A hint for a person to check, never proof.</strong> The system compares how people look: clothes, build,
colours. Two people may look alike, and one person may look different from camera to camera. A probability is
calibrated over many queries; it is not what is known of this one.</p>
<p>Nothing of this left the machine it was made on, and this page loads nothing. That this query was asked is in the
site's log. The page holds pictures of people: keep it as you keep the footage, and delete it when it has served.</p>
</footer>
</body>
</html>
"""
_STYLE = """
:root{color-scheme:light dark;--paper:#f4f5f7;--card:#fff;--ink:#1b232d;--faint:#5a6673;--line:#dde2e8;--well:#e9ecf0;
--p0:#c9d6dd;--p1:#98bcc8;--p2:#5f9fb1;--p3:#297e95;--p4:#0b5a70;--good:#0b5a70;--good-paper:#e3f1f4;
--warn:#8a4b00;--warn-paper:#fdf1dd}
@media (prefers-color-scheme:dark){:root{--paper:#12161b;--card:#1b2127;--ink:#e6eaee;--faint:#9aa6b2;--line:#303943;
--well:#2a323b;--p0:#52636f;--p1:#47707e;--p2:#3f8398;--p3:#4fabc3;--p4:#8bdcf0;--good:#8bdcf0;--good-paper:#143039;
--warn:#ffc879;--warn-paper:#3a2a12}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1060px;padding:28px 24px 40px;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;overflow-wrap:anywhere}
h1{font-size:28px;line-height:1.2;margin:2px 0 14px;letter-spacing:-.01em}
h2{font-size:19px;line-height:1.3;margin:0 0 8px}
h3{font-size:17px;margin:0 0 4px}
h4{font-size:14px;margin:0 0 6px}
h3 span,h4 span{font-weight:400;color:var(--faint);font-size:14px;margin-left:6px}
p{margin:0}
img{display:block}
.brand,.note,.small,figcaption,footer{color:var(--faint)}
.brand{font-size:13px;letter-spacing:.04em}
.note{margin-bottom:12px;max-width:75ch}
.small,figcaption{font-size:13px}
dl{display:flex;flex-wrap:wrap;gap:8px 28px;margin:0 0 22px}
dt{font-size:12px;color:var(--faint)}
dd{margin:0;font-variant-numeric:tabular-nums}
time{font-variant-numeric:tabular-nums;white-space:nowrap}
section{margin:0 0 22px}
.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:18px 20px;margin-bottom:18px}
.verdict{display:flex;gap:16px 28px;align-items:center;justify-content:space-between;border-radius:10px;
padding:18px 20px;border-left:6px solid}
.verdict h2{font-size:24px;margin:0 0 2px}
.seen{background:var(--good-paper);border-color:var(--good)}
.seen h2,.seen .best strong{color:var(--good)}
.unseen{background:var(--warn-paper);border-color:var(--warn)}
.unseen h2,.unseen .best strong{color:var(--warn)}
.best{text-align:right;font-size:13px;flex:none}
.best strong{display:block;font-size:34px;line-height:1.1}
.question{margin:0}
.question div{display:flex;gap:14px;align-items:flex-start;margin-bottom:8px}
.question img{min-width:0;max-height:360px;border-radius:6px;background:var(--well)}
.still{max-width:100%;flex:0 1 auto;object-fit:contain}
.person,.alone{height:300px;flex:none;max-width:30%;object-fit:contain}
.alone{max-width:100%}
.journey{list-style:none;display:grid;grid-template-columns:repeat(auto-fill,minmax(300px,1fr));gap:16px 0;margin:0;
padding:0}
.journey li{display:flex;align-items:center}
.way{display:flex;flex:none;flex-direction:column;align-items:center;color:var(--faint);font-size:13px;min-width:92px;
padding:0 8px}
.stop{display:flex;gap:10px;align-items:center}
.stop img{flex:none;width:48px;height:96px;object-fit:contain;background:var(--well);border-radius:5px}
.stop span{display:block;font-size:13px;color:var(--faint)}
.timeline{display:block;overflow:visible;margin:4px 0 10px}
.timeline text{fill:var(--ink);font-size:13px;font-weight:600}
.timeline .scale{fill:var(--faint);font-size:12px;font-weight:400;text-anchor:middle;font-variant-numeric:tabular-nums}
.tick{stroke:var(--line)}
.rail{stroke:var(--well);stroke-width:6}
rect{stroke-width:2}
.p0{fill:var(--p0);stroke:var(--p0);background:var(--p0)}
.p1{fill:var(--p1);stroke:var(--p1);background:var(--p1)}
.p2{fill:var(--p2);stroke:var(--p2);background:var(--p2)}
.p3{fill:var(--p3);stroke:var(--p3);background:var(--p3)}
.p4{fill:var(--p4);stroke:var(--p4);background:var(--p4)}
.key{list-style:none;display:flex;flex-wrap:wrap;gap:4px 16px;margin:0;padding:0;font-size:12px;color:var(--faint)}
.key i{display:inline-block;width:14px;height:10px;border-radius:3px;margin-right:5px}
.trajectory{margin-top:14px;padding-top:12px;border-top:1px solid var(--line)}
.match{display:flex;flex-wrap:wrap;gap:12px 22px;align-items:center;margin-bottom:12px}
.match:last-child{margin-bottom:0}
.crops{display:flex;gap:5px;flex:0 1 457px}
.crops img{width:72px;height:144px;min-width:0;object-fit:contain;background:var(--well);border-radius:5px}
.facts{flex:1 1 250px}
.probability strong{font-size:20px}
.probability span{color:var(--faint);font-size:13px}
.bar{height:8px;border-radius:4px;background:var(--well);overflow:hidden;margin:2px 0 8px;max-width:280px}
.bar i{display:block;height:100%;border-radius:4px}
footer{font-size:13px;border-top:1px solid var(--line);padding-top:16px}
footer p{max-width:80ch;margin-bottom:8px}
footer strong{color:var(--ink)}
@media (max-width:620px){
body{padding:18px 14px 28px}
h1{font-size:24px}
.card{padding:14px}
.verdict{padding:14px 16px;align-items:flex-start}
.verdict h2{font-size:21px}
.best strong{font-size:27px}
.question div{gap:8px}
.person{height:auto;width:22%}
.journey{display:block}
.journey li{flex-direction:column;align-items:flex-start}
.way{flex-direction:row;gap:12px;min-width:0;padding:6px 2px}
.way svg{transform:rotate(90deg);order:-1;margin:12px -10px}
.crops{flex-basis:100%}
.crops img{width:auto;flex:0 1 72px;height:auto;aspect-ratio:1/2}
.facts{flex-basis:100%}
}
@media print{
:root{--paper:#fff;--card:#fff;--ink:#000;--faint:#444;--line:#ccc;--well:#eee;--p0:#c9d6dd;--p1:#98bcc8;--p2:#5f9fb1;
--p3:#297e95;--p4:#0b5a70;--good:#0b5a70;--good-paper:#fff;--warn:#8a4b00;--warn-paper:#fff}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
body{padding:0;max-width:none;font-size:11pt}
.card,.match,.verdict,.journey li{break-inside:avoid}
article.card{break-inside:auto}
h2,h3,h4,.note{break-after:avoid}
.crops{flex-basis:313px}
.crops img{width:48px;height:96px}
.question img{max-height:260px}
}
"""
