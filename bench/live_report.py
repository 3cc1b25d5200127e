"""What a benchmark of live cameras tells: its figures, and how they are shown."""

from __future__ import annotations

from dataclasses import dataclass

from bench.measuring import Machine
from bench.terminal import print_table, say


@dataclass(frozen=True, slots=True)
class CameraFigures:
    """What one camera offered, and what became of it."""

    camera: str
    offered: int
    taken: int
    skipped: int
    """Since the program was last started."""
    per_second: float
    """Frames that were followed."""
    share: float
    """Of those that it offered, 0…1."""
    outages: int
    clock_off_s: float
    """By which the times of its pictures were off, the most of all loops."""


@dataclass(frozen=True, slots=True)
class Seen:
    """How good tracklets are. Shares are 0…1."""

    tracklets: int
    purity: float
    mixed: float
    visits: int
    found: int
    long_visits: int
    """With 2 s in sight or more."""
    long_found: int


@dataclass(frozen=True, slots=True)
class Beyond:
    """Visits that live cameras found and files did not, and the other way."""

    visits: int
    both: int
    only_live: int
    only_files: int


@dataclass(frozen=True, slots=True)
class Delay:
    """Seconds until something was found."""

    count: int
    p50_s: float
    p99_s: float
    most_s: float
    in_time: float
    """Share within ten seconds, 0…1."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Of one process."""

    warm_mib: float
    """After a fifth of the time."""
    last_mib: float
    most_mib: float
    slope_mib_per_hour: float | None
    slope_error: float | None
    """Two standard errors."""
    cpu: float
    """Of one core."""


@dataclass(frozen=True, slots=True)
class Struck:
    """What was done to processes, and what became of it."""

    blows: int
    back_p50_s: float
    back_most_s: float
    not_back: int
    """Within a minute."""


@dataclass(frozen=True, slots=True)
class Worked:
    """How often a command ran beside, and how long those took that are done."""

    done: int
    failed: int
    broken_off: int
    p50_s: float
    most_s: float


@dataclass(frozen=True, slots=True)
class LiveSiteReport:
    """What live cameras made of films with truth."""

    machine: Machine
    seed: int
    minutes: float
    cameras: list[CameraFigures]
    fairness: float
    """Jain's index of frames a second: 1 where all get the same, 1 / cameras where one gets all."""
    seen: dict[str, Seen]
    """By what the tracklets were made from."""
    beyond: dict[str, Beyond]
    """Visits of live cameras against those from files."""
    delays: dict[str, Delay]
    memory: dict[str, Memory]
    beside: dict[str, Worked]
    blows: dict[str, Struck]
    erased: int
    """Tracklets that were forgotten beside."""
    erased_left: int
    """Those of which something is still there. None should be."""
    lost: int
    """Tracklets that were committed at a blow, and are not there at the end. None should be."""
    doubled: int
    """Boxes that stand twice in the record. None should."""
    damaged: list[str]
    """What `app.site --verify` finds."""
    left_over: int
    """Processes that are still there after the end. None should be."""
    most_connections_at_once: int
    """Of one camera. One should be."""

    @property
    def sound(self) -> bool:
        """Whether nothing was lost."""
        wrong = (self.erased_left, self.lost, self.doubled, self.damaged, self.left_over)
        failed = [worked.failed for worked in self.beside.values()] + [
            struck.not_back for struck in self.blows.values()
        ]
        return not any(wrong) and not any(failed) and self.most_connections_at_once <= 1


def print_report(report: LiveSiteReport) -> None:
    """As tables, for people."""
    print_table(
        ["camera", "frames offered", "taken", "skipped", "a second", "share", "outages", "clock off by, s"],
        [
            [
                each.camera,
                f"{each.offered:,}",
                f"{each.taken:,}",
                f"{each.skipped:,}",
                f"{each.per_second:.2f}",
                f"{100 * each.share:.1f} %",
                str(each.outages),
                f"{each.clock_off_s:.3f}",
            ]
            for each in report.cameras
        ],
    )
    rates = [each.per_second for each in report.cameras]
    say(f"Frames a second: {min(rates):.2f} to {max(rates):.2f}, Jain's index {report.fairness:.4f}")
    say()
    print_table(
        ["made from", "tracklets", "purity", "mixed", "visits found", "long visits found"],
        [
            [
                name,
                f"{each.tracklets:,}",
                f"{100 * each.purity:.2f} %",
                f"{100 * each.mixed:.1f} %",
                f"{each.found:,} of {each.visits:,}",
                f"{each.long_found:,} of {each.long_visits:,}",
            ]
            for name, each in report.seen.items()
        ],
    )
    for name, beyond in report.beyond.items():
        say(
            f"Of {beyond.visits:,} visits live and {name} both find {beyond.both:,}, only live {beyond.only_live:,}, "
            f"only {name} {beyond.only_files:,}"
        )
    say()
    print_table(
        ["found after", "count", "p50, s", "p99, s", "most, s", "within 10 s"],
        [
            [name, f"{d.count:,}", f"{d.p50_s:.2f}", f"{d.p99_s:.2f}", f"{d.most_s:.2f}", f"{100 * d.in_time:.1f} %"]
            for name, d in report.delays.items()
        ],
    )
    say()
    print_table(
        ["process", "MiB when warm", "at last", "most", "MiB an hour", "cores"],
        [
            [
                role,
                f"{each.warm_mib:.0f}",
                f"{each.last_mib:.0f}",
                f"{each.most_mib:.0f}",
                "–" if each.slope_mib_per_hour is None else f"{each.slope_mib_per_hour:+.1f} ± {each.slope_error:.1f}",
                f"{each.cpu:.3f}",
            ]
            for role, each in report.memory.items()
        ],
    )
    for name, worked in report.beside.items():
        say(
            f"Beside, {name}: {worked.done} done, {worked.failed} failed, {worked.broken_off} broken off at the end, "
            f"p50 {worked.p50_s:.1f} s, most {worked.most_s:.1f} s"
        )
    for kind, struck in report.blows.items():
        say(
            f"Blows to a {kind}: {struck.blows}, back after {struck.back_p50_s:.1f} s (p50), {struck.back_most_s:.1f} "
            f"s (most), {struck.not_back} not within a minute"
        )
    say(
        f"{report.lost} tracklets lost, {report.doubled} boxes doubled, {report.erased} erased, {report.erased_left} "
        f"of these left, {len(report.damaged)} damages, {report.left_over} processes left over, at most "
        f"{report.most_connections_at_once} connections of a camera at once"
    )
    for sentence in report.damaged:
        say(sentence)
