"""How a person walks, stands and sits: where the 17 bones are at a phase of the stride.

Feet are planted. They go first, the pelvis floats as high as the legs reach, and hips and knees follow by inverse
kinematics. So a stance foot stays where it is while the body moves on by one `stride` in 2π of phase.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sample_videos.world.body import ARM_ANGLE, TROLLEY_REACH, skeleton
from sample_videos.world.people import Arms, Person

REST_HEIGHT = 1.75  # m
STANCE = 0.61  # share of the stride that a foot is on the ground
FLAT_FROM, FLAT_TO = 0.08, 0.34  # of the stride, between which the whole sole is
HEEL_STRIKE, TOE_OFF = -0.33, 0.85  # pitch of the foot, rad
ANKLE = 0.088  # m, height over the sole
HEEL, TOES = -0.058, 0.150  # m, of where it rolls, before the ankle
LEAD = 0.24  # share of the stride by which an ankle lands before the hip
KNEES = 0.993  # of a straight leg's length is the most that a leg is used for
SETTLE = 0.02  # m, softness of the limit that the legs set to the pelvis' height
SEAT_TO_HIPS = 0.085  # m

PHONE = 1.70  # rad, the bend of an elbow that tells that a phone is looked at
# What a hand does: follow the forearm, stay level, pull a trolley, hold an umbrella up.
FOLLOWS, LEVEL, PULLS, HOLDS_UP = 0.0, 1.0, 2.0, 3.0


class ArmPose(NamedTuple):
    """How an arm is held, angles in radians."""

    forward: float  # at the shoulder
    out: float  # at the shoulder
    bend: float  # of the elbow
    inward: float  # turn of the forearm
    swing: float  # share of the arms' swing
    hand: float = FOLLOWS


ARMS: dict[Arms, ArmPose] = {
    "swing": ArmPose(0.0, 0.0, 0.0, 0.15, 1.0),
    "phone": ArmPose(0.42, 0.06, PHONE, 0.55, 0.1),
    "call": ArmPose(0.75, 0.35, 2.35, -0.10, 0.1),
    "pockets": ArmPose(-0.22, 0.16, 0.75, 0.42, 0.12),
    "strap": ArmPose(0.10, 0.05, 1.85, 0.10, 0.15),
    "carry": ArmPose(0.0, 0.06, 0.06, 0.0, 0.30, LEVEL),
    "trolley": ArmPose(-0.42, 0.10, 0.10, 0.0, 0.05, PULLS),
    "umbrella": ArmPose(0.42, 0.04, 1.80, 0.45, 0.08, HOLDS_UP),
    "crossed": ArmPose(0.35, 0.04, 1.55, 1.05, 0.0),
    "behind": ArmPose(-0.45, 0.10, 0.75, 1.00, 0.0),
}
# Where an arm's numbers stand in a row of floats, which compiled code reads.
FORWARD, OUT, BEND, INWARD, SWING, HELD = range(len(ArmPose._fields))
LAP_FORWARD, LAP_OUT, LAP_BEND, LAP_INWARD = 0.42, 0.10, 0.95, 0.30  # hands on the thighs
PHONE_FORWARD, PHONE_BEND, PHONE_INWARD = 0.35, 1.6, 0.45  # of who sits and looks at a phone


def stride(someone: Person) -> float:
    """Metres that two steps, 2π of phase, take someone forward."""
    return someone.manner.reach * someone.height


def bones(
    someone: Person,
    x: float,
    z: float,
    heading: float,
    phase: float,
    walking: float = 1.0,
    seat: float = 0.0,
    clock: float = 0.0,
) -> NDArray[np.float64]:
    """The matrix of each bone, from rest pose to world, the person's size included.

    Args:
        someone: Whose bones.
        x: Where someone is, in m.
        z: Likewise.
        heading: In radians.
        phase: In radians. It grows by 2π per `stride`. The left foot lands at 0.
        walking: With 0 someone stands, with 1 walks.
        seat: Height in m of what someone sits on at x, z. With 0 nobody sits.
        clock: Seconds, for the small movements of who does not walk.

    Returns:
        (17, 4, 4).
    """
    out = np.empty((17, 4, 4))
    joints = skeleton(someone.shape).joints
    # Only floats, or Numba would compile `pose` once more for every whole number.
    where = float(x), float(z), float(heading), float(phase)
    pose(joints, form(someone), *where, min(1.0, max(0.0, float(walking))), float(seat), float(clock), out)
    return out


@functools.lru_cache(maxsize=1024)
def form(someone: Person) -> NDArray[np.float64]:
    """(38,) the numbers of a person that `pose` reads."""
    manner, outfit = someone.manner, someone.outfit
    walk, stand = list(manner.walking), list(manner.standing)
    if someone.umbrella:
        hand = 0 if someone.umbrella_side > 0 else 1
        walk[hand] = stand[hand] = "umbrella"
        stand = ["swing" if arm in ("crossed", "behind") else arm for arm in stand]
    thick = 0.5 * (someone.shape.girth - 1) + max(0.0, outfit.top.loose - 0.012) * 2
    bulky = [0.0, 0.0]
    if outfit.bag in ("tote", "shoulder", "crossbody"):
        bulky[0 if outfit.bag_side > 0 else 1] = 0.16 if outfit.bag == "tote" else 0.12
    values = [
        someone.height / REST_HEIGHT / (1 + 0.10 * (someone.shape.head - 1)),
        stride(someone), manner.swing, manner.elbow, manner.abduction + 0.25 * thick, manner.lean,
        manner.stoop, manner.sway, manner.twist, manner.width + 0.02 * thick, manner.toes_out, manner.offset,
        *bulky,
    ]  # fmt: skip
    for arms in (walk, stand):
        for arm in arms:
            values += ARMS[arm]
    return np.array(values)


@njit(cache=True, nogil=True, error_model="numpy")
def multiply(a, b, out):
    """Product of two 3 × 3 matrices, without BLAS, whose last bits differ between processors."""
    for i in range(3):
        for j in range(3):
            out[i, j] = a[i, 0] * b[0, j] + a[i, 1] * b[1, j] + a[i, 2] * b[2, j]


@njit(cache=True, nogil=True, error_model="numpy")
def turn(x, y, z, angle, out):
    """Rotation by an angle about a unit axis."""
    c, s = math.cos(angle), math.sin(angle)
    k = 1 - c
    out[0, 0], out[0, 1], out[0, 2] = c + x * x * k, x * y * k - z * s, x * z * k + y * s
    out[1, 0], out[1, 1], out[1, 2] = y * x * k + z * s, c + y * y * k, y * z * k - x * s
    out[2, 0], out[2, 1], out[2, 2] = z * x * k - y * s, z * y * k + x * s, c + z * z * k


@njit(cache=True, nogil=True, error_model="numpy")
def tilt(pitch, yaw, roll, out):
    """First about z (roll), then about x (pitch, forward and down), then about y (yaw, towards +x)."""
    a, b, c = np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3))
    turn(0.0, 0.0, 1.0, roll, a)
    turn(1.0, 0.0, 0.0, pitch, b)
    multiply(b, a, c)
    turn(0.0, 1.0, 0.0, yaw, a)
    multiply(a, c, out)


@njit(cache=True, nogil=True, error_model="numpy")
def ease(t):
    """0 at 0, 1 at 1, smooth between and flat beyond."""
    t = min(1.0, max(0.0, t))
    return t * t * (3 - 2 * t)


@njit(cache=True, nogil=True, error_model="numpy")
def rolled(pitch):
    """The z of a foot's ankle on the ground and its y. They are seen from where it is with the sole down."""
    pivot = HEEL if pitch < 0 else TOES
    c, s = math.cos(pitch), math.sin(pitch)
    return pivot - pivot * c + ANKLE * s, ANKLE * c + pivot * s


@njit(cache=True, nogil=True, error_model="numpy")
def foot(u, length):
    """The ankle and the foot at u (0…1) of a stride of `length`, seen from the evenly moving body.

    It gives z of the ankle and how much of it is along the foot. It also gives y of the ankle and the pitch of the
    foot. A foot may point outwards.
    """
    if u < STANCE:
        pitch = 0.0
        if u < FLAT_FROM:
            t = 1 - u / FLAT_FROM
            pitch = HEEL_STRIKE * t * t
        elif u > FLAT_TO:
            t = (u - FLAT_TO) / (STANCE - FLAT_TO)
            pitch = TOE_OFF * t * t
        along, y = rolled(pitch)
        return (LEAD - u) * length + along, along, y, pitch
    t = (u - STANCE) / (1 - STANCE)
    along0, y0 = rolled(TOE_OFF)
    along1, y1 = rolled(HEEL_STRIKE)
    z0, z1 = (LEAD - STANCE) * length + along0, LEAD * length + along1
    # Cubic from toe-off to heel strike. At both ends it moves as the foot on the ground does, and up at toe-off.
    speed = -length * (1 - STANCE)
    lift = 2 * TOE_OFF / (STANCE - FLAT_TO) * (1 - STANCE)  # rad a unit of t
    c, s = math.cos(TOE_OFF), math.sin(TOE_OFF)
    vz, vy = speed + (TOES * s + ANKLE * c) * lift, (TOES * c - ANKLE * s) * lift
    a, b, d = t * t, t * t * t, 1 - t
    h00, h10, h01, h11 = 2 * b - 3 * a + 1, b - 2 * a + t, 3 * a - 2 * b, b - a
    z = h00 * z0 + h10 * vz * 0.6 + h01 * z1 + h11 * speed
    y = h00 * y0 + h10 * vy * 0.35 + h01 * y1 + h11 * -0.05 + 0.07 * a * d * d * 4
    pitch = TOE_OFF * (1 - ease(t / 0.72)) + h10 * lift * 0.12 + HEEL_STRIKE * ease((t - 0.42) / 0.58)
    return z, along0 + (along1 - along0) * ease(t), y, pitch


@njit(cache=True, nogil=True, error_model="numpy")
def soft_min(a, b, width):
    """The smaller of two numbers, rounded where they are nearer than `width`."""
    bridge = max(width - abs(a - b), 0.0)
    return min(a, b) - bridge * bridge * 0.25 / width


@njit(cache=True, nogil=True, error_model="numpy")
def frame(dx, dy, dz, sx, sy, sz, out):
    """Columns: a unit direction, across, and a side vector made square to it."""
    along = dx * sx + dy * sy + dz * sz
    sx, sy, sz = sx - along * dx, sy - along * dy, sz - along * dz
    k = 1 / math.sqrt(sx * sx + sy * sy + sz * sz)
    sx, sy, sz = sx * k, sy * k, sz * k
    out[0, 0], out[1, 0], out[2, 0] = dx, dy, dz
    out[0, 1], out[1, 1], out[2, 1] = sy * dz - sz * dy, sz * dx - sx * dz, sx * dy - sy * dx
    out[0, 2], out[1, 2], out[2, 2] = sx, sy, sz


@njit(cache=True, nogil=True, error_model="numpy")
def align(rest, now, out):
    """The rotation that takes one frame into another."""
    for i in range(3):
        for j in range(3):
            out[i, j] = now[i, 0] * rest[j, 0] + now[i, 1] * rest[j, 1] + now[i, 2] * rest[j, 2]


@njit(cache=True, nogil=True, error_model="numpy")
def place_joint(joints, at, turns, k, parent):
    """Where the joint of bone k is, given its parent."""
    for i in range(3):
        at[k, i] = at[parent, i]
        for j in range(3):
            at[k, i] += turns[parent, i, j] * (joints[k, j] - joints[parent, j])


@njit(cache=True, nogil=True, error_model="numpy")
def bend_leg(joints, at, turns, k, ax, ay, az, out_x, out_z):
    """Turns thigh k and its shin so that the ankle gets to (ax, ay, az).

    The knee points towards (out_x, 0, out_z).
    """
    upper = lower = 0.0
    for i in range(3):
        upper += (joints[k + 1, i] - joints[k, i]) ** 2
        lower += (joints[k + 2, i] - joints[k + 1, i]) ** 2
    upper, lower = math.sqrt(upper), math.sqrt(lower)
    ex, ey, ez = ax - at[k, 0], ay - at[k, 1], az - at[k, 2]
    far = math.sqrt(ex * ex + ey * ey + ez * ez)
    ex, ey, ez = ex / far, ey / far, ez / far
    far = min(far, 0.9995 * (upper + lower))
    along = (upper * upper - lower * lower + far * far) / (2 * far)
    aside = math.sqrt(max(0.0, upper * upper - along * along))
    square = out_x * ex + out_z * ez
    px, py, pz = out_x - square * ex, -square * ey, out_z - square * ez
    n = 1 / math.sqrt(px * px + py * py + pz * pz)
    px, py, pz = px * n, py * n, pz * n
    # Across the plane of the leg, towards +x.
    sx, sy, sz = py * ez - pz * ey, pz * ex - px * ez, px * ey - py * ex
    knee = (ex * along + px * aside, ey * along + py * aside, ez * along + pz * aside)
    rest, now = np.empty((3, 3)), np.empty((3, 3))
    d = joints[k + 1] - joints[k]
    frame(d[0] / upper, d[1] / upper, d[2] / upper, 1.0, 0.0, 0.0, rest)
    frame(knee[0] / upper, knee[1] / upper, knee[2] / upper, sx, sy, sz, now)
    align(rest, now, turns[k])
    d = joints[k + 2] - joints[k + 1]
    frame(d[0] / lower, d[1] / lower, d[2] / lower, 1.0, 0.0, 0.0, rest)
    tx, ty, tz = ex * far - knee[0], ey * far - knee[1], ez * far - knee[2]
    n = 1 / math.sqrt(tx * tx + ty * ty + tz * tz)
    frame(tx * n, ty * n, tz * n, sx, sy, sz, now)
    align(rest, now, turns[k + 1])
    place_joint(joints, at, turns, k + 1, k)
    place_joint(joints, at, turns, k + 2, k + 1)


@njit(cache=True, nogil=True, error_model="numpy")
def pose(joints, form, x, z, heading, phase, walking, seat, clock, out):
    """`bones` of rest joints (17, 3) and the numbers of a person, into out (17, 4, 4)."""
    scale, per_turn, swing, elbow, abduction, lean = form[0], form[1], form[2], form[3], form[4], form[5]
    stoop, sway, twist, width, toes_out, offset = form[6], form[7], form[8], form[9], form[10], form[11]
    length = per_turn / scale  # m at rest size
    w = ease(walking) if seat <= 0 else 0.0
    sits = seat > 0
    at, turns = np.empty((17, 3)), np.empty((17, 3, 3))
    first, second = np.empty((3, 3)), np.empty((3, 3))
    # Someone who stands shifts from leg to leg now and then, breathes and looks around.
    slow = clock + offset
    shift = math.sin(0.31 * slow) + 0.35 * math.sin(0.83 * slow + 1.0)
    shift = (1 - w) * shift / (0.4 + abs(shift))
    look = 0.5 * math.sin(0.23 * slow + 2.0) + 0.25 * math.sin(0.71 * slow)
    look = (1 - w) * look + 0.10 * w * math.sin(0.29 * slow)
    breath = 0.008 * math.sin(1.6 * slow)
    c, s = math.cos(phase), math.sin(phase)

    # Feet.
    ankle, pitch, spread = np.empty((2, 3)), np.empty(2), np.empty(2)
    for side in range(2):
        sign = 1.0 - 2.0 * side
        u = phase / (2 * math.pi) + 0.5 * side
        fz, along, fy, fp = foot(u - math.floor(u), length)
        spread[side] = sign * (toes_out + 0.08 * (1 - w))
        calm_z = 0.03 * math.sin(offset * 3.0) * sign
        if sits:
            fz, fy, fp = 0.40 + 0.05 * math.sin(offset * 5.0 + 2.2 * side), ANKLE, 0.0
            ankle[side, 0] = sign * 0.11
        else:
            fz, fy, fp = calm_z + w * (fz - calm_z), ANKLE + w * (fy - ANKLE), w * fp
            ankle[side, 0] = sign * (width * w + (1 - w) * (width + 0.035))
            ankle[side, 0] += w * along * math.sin(spread[side])
            fz += w * along * (math.cos(spread[side]) - 1)
        ankle[side, 1], ankle[side, 2], pitch[side] = fy, fz, fp

    # Pelvis: as high as both legs reach, less a little for the bend of the knees.
    turned = -twist * w * c
    tilt(lean * 0.6 if not sits else -0.12, turned, 0.035 * w * s + 0.05 * shift, turns[0])
    at[0, 0], at[0, 1], at[0, 2] = sway * w * s + 0.028 * shift, joints[0, 1] + 0.010, -0.01 * (1 - w)
    if sits:
        at[0, 0], at[0, 1], at[0, 2] = 0.0, seat / scale + SEAT_TO_HIPS + joints[0, 1] - joints[5, 1], 0.0
    height = at[0, 1]
    for side in range(2):
        k = 5 + 3 * side
        place_joint(joints, at, turns, k, 0)
        most = 0.0
        for i in range(2):
            most += math.sqrt(((joints[k + i + 1] - joints[k + i]) ** 2).sum())
        most *= KNEES
        dx, dz = at[k, 0] - ankle[side, 0], at[k, 2] - ankle[side, 2]
        top = ankle[side, 1] + math.sqrt(max(0.04, most * most - dx * dx - dz * dz)) - (at[k, 1] - at[0, 1])
        if not sits:
            height = soft_min(height, top, SETTLE)
    at[0, 1] = height
    for side in range(2):
        k = 5 + 3 * side
        place_joint(joints, at, turns, k, 0)
        bend_leg(
            joints, at, turns, k, ankle[side, 0], ankle[side, 1], ankle[side, 2],
            math.sin(spread[side] * 0.8), math.cos(spread[side] * 0.8),
        )  # fmt: skip
        tilt(pitch[side], spread[side], 0.0, turns[k + 2])

    # Trunk and head: the chest turns against the pelvis, the head stays straight.
    bow = lean if not sits else 0.06 + lean
    tilt(bow * 0.9, 0.35 * twist * w * c, -0.02 * w * s - 0.02 * shift, turns[1])
    tilt(bow, 0.9 * twist * w * c + 0.15 * look, -0.035 * shift, turns[2])
    tilt(bow * 0.7 + 0.5 * stoop, 0.4 * look, 0.0, turns[3])
    phone = 0.0
    for side in range(2):
        for when in range(2):
            row = 14 + 12 * when + 6 * side
            if form[row + BEND] == PHONE:
                phone = max(phone, w if when == 0 else 1 - w)
    tilt(stoop + 0.36 * phone + breath, (1 - phone) * look, 0.0, turns[4])
    place_joint(joints, at, turns, 1, 0)
    place_joint(joints, at, turns, 2, 1)
    place_joint(joints, at, turns, 3, 2)
    place_joint(joints, at, turns, 4, 3)

    # Arms.
    for side in range(2):
        sign = 1.0 - 2.0 * side
        k = 11 + 3 * side
        place_joint(joints, at, turns, k, 2)
        go, stay = form[14 + 6 * side : 20 + 6 * side], form[26 + 6 * side : 32 + 6 * side]
        wave = -sign * c  # against the leg of its side
        flex = w * (go[FORWARD] + go[SWING] * (swing * wave + 0.06)) + (1 - w) * stay[FORWARD] + breath * 2
        out_ = abduction + w * go[OUT] + (1 - w) * stay[OUT] + form[12 + side]
        base = elbow + 0.22 * max(0.0, wave) + 0.15 * w * wave
        bend = w * (go[BEND] + go[SWING] * base) + (1 - w) * (stay[BEND] + stay[SWING] * elbow * 0.8)
        inward = w * go[INWARD] + (1 - w) * stay[INWARD]
        held = go[HELD] if w > 0.5 else stay[HELD]
        if sits and held < PULLS:
            flex, out_, bend, inward = LAP_FORWARD, LAP_OUT + abduction * 0.5, LAP_BEND, LAP_INWARD
            if stay[BEND] == PHONE:
                flex, bend, inward = PHONE_FORWARD, PHONE_BEND, PHONE_INWARD
            held = FOLLOWS
        tilt(-flex, 0.0, -sign * (ARM_ANGLE - out_), first)
        multiply(turns[2], first, turns[k])
        ca, sa = math.cos(ARM_ANGLE), math.sin(ARM_ANGLE) * sign
        turn(sa, -ca, 0.0, sign * inward, first)
        turn(ca, sa, 0.0, -bend, second)
        multiply(first, second, turns[k + 2])
        multiply(turns[k], turns[k + 2], turns[k + 1])
        place_joint(joints, at, turns, k + 1, k)
        place_joint(joints, at, turns, k + 2, k + 1)
        if held == FOLLOWS:
            turns[k + 2] = turns[k + 1]
        elif held == LEVEL:
            tilt(-0.6 * flex * w, 0.0, -sign * ARM_ANGLE, turns[k + 2])
        elif held == PULLS:  # the wheels on the ground
            down = min(0.98, max(0.4, at[k + 2, 1] / TROLLEY_REACH))
            tilt(math.acos(down), 0.0, -sign * ARM_ANGLE, turns[k + 2])
        else:
            tilt(0.04, 0.0, -sign * (ARM_ANGLE - 0.14), turns[k + 2])

    # To the world.
    ch, sh = math.cos(heading), math.sin(heading)
    for k in range(17):
        for i in range(3):
            out[k, 3, i] = 0.0
            at_i = at[k, i]
            for j in range(3):
                at_i -= turns[k, i, j] * joints[k, j]
            at[k, i] = at_i
        for j in range(4):
            vx = turns[k, 0, j] if j < 3 else at[k, 0]
            vy = turns[k, 1, j] if j < 3 else at[k, 1]
            vz = turns[k, 2, j] if j < 3 else at[k, 2]
            out[k, 0, j] = scale * (ch * vx + sh * vz) + (x if j == 3 else 0.0)
            out[k, 1, j] = scale * vy
            out[k, 2, j] = scale * (-sh * vx + ch * vz) + (z if j == 3 else 0.0)
        out[k, 3, 3] = 1.0
