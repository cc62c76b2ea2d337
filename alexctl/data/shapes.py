"""The embedded data set: ten kinds of figures, drawn by code from a seed, for demos and tests without a download.

It is no photograph collection and says nothing of one. Only +, -, *, / and square roots are used, which IEEE 754
rounds the same everywhere, and whole random numbers, so that every machine draws the same bytes.
"""

from collections.abc import Iterator

import numpy as np

CLASSES = ("checks", "cross", "disc", "dots", "frame", "ring", "square", "star", "stripes", "triangle")
SIDE = 32
NUM_TRAIN, NUM_TEST = 10_000, 2_000
SEED = 2012
VERSION = 2  # raised when a change below moves a pixel
BLOCK = 500

# Outward normals of an equilateral triangle and of a pentagram, to more digits than float32 keeps.
TRIANGLE = ((0.0, 1.0), (0.8660254037844386, -0.5), (-0.8660254037844386, -0.5))
PENTAGRAM = (
    (0.0, 1.0),
    (0.9510565162951535, 0.3090169943749474),
    (0.5877852522924731, -0.8090169943749475),
    (-0.5877852522924731, -0.8090169943749475),
    (-0.9510565162951535, 0.3090169943749474),
)


def labels(num: int, part: str) -> np.ndarray:
    """The labels of a part: (num,) int64, every class equally often, in an order drawn from the seed."""
    return _generator(part, 0).permutation(np.arange(num) % len(CLASSES)).astype(np.int64)


def blocks(wanted: np.ndarray, part: str) -> Iterator[np.ndarray]:
    """The images for these labels, some hundred at a time: (n, 32, 32, 3) uint8."""
    for number, start in enumerate(range(0, len(wanted), BLOCK)):
        yield draw(wanted[start : start + BLOCK], _generator(part, 1 + number))


def grey(images: np.ndarray) -> np.ndarray:
    """The same images with one channel, their luma (ITU-R BT.601) in whole numbers: (n, 32, 32, 1) uint8."""
    luma = images.astype(np.uint32) @ np.array([299, 587, 114], np.uint32)
    return ((luma + 500) // 1000).astype(np.uint8)[..., None]


def _generator(part: str, number: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([SEED, ("train", "test").index(part), number]))


def draw(wanted: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One image a label: (n, 32, 32, 3) uint8.

    A figure of any colour, place, size and rotation lies on a textured, darker ground among clutter, under noise.
    Measured: a linear classifier stays above 70% test error; `convnet4` passes 25% training error in two or three
    epochs.
    """
    num = len(wanted)

    def between(low: float, high: float, *shape: int) -> np.ndarray:
        # 16 random bits: whole numbers, so the stream does not hang on how floats are made of it.
        steps = rng.integers(0, 65536, size=(num, *(shape or (1, 1)))).astype(np.float32)
        return np.float32(low) + np.float32(high - low) * steps / np.float32(65535)

    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)[:, None] + np.float32(0.5)

    ground, figure = _colours(between, num)
    light = _texture(between, x, y)
    canvas = ground[:, None, None, :] + light[..., None]

    for _ in range(2):  # clutter: thin bars, in front of the ground and behind the figure
        u, v = _turned(between, x, y, between(0, SIDE), between(0, SIDE))
        bar = _coverage(np.maximum(np.abs(u) - between(2, 7), np.abs(v) - between(0.4, 1.0)))
        shade = ground + between(-60, 60, 3)
        canvas += bar[..., None] * (shade[:, None, None, :] - canvas)

    radius = between(8.5, 12.5)
    room = 0.9 * (SIDE / 2 - 0.8 * radius)  # a corner may be cut off
    u, v = _turned(between, x, y, SIDE / 2 + room * between(-1, 1), SIDE / 2 + room * between(-1, 1))
    inside = np.empty((num, SIDE, SIDE), np.float32)
    for label, name in enumerate(CLASSES):
        which = wanted == label
        r = radius[which]
        inside[which] = _coverage(FIGURES[name](u[which] / r, v[which] / r) * r)
    canvas += inside[..., None] * ((figure[:, None, None, :] + light[..., None] / 2) - canvas)

    # Noise: the sum of two uniform numbers, 8.6 grey levels of standard deviation.
    noise = rng.integers(-10, 11, size=(2, num, SIDE, SIDE, 3), dtype=np.int8)
    canvas += noise[0]
    canvas += noise[1]
    return np.clip(np.rint(canvas), 0, 255).astype(np.uint8)


def _colours(between, num: int) -> tuple[np.ndarray, np.ndarray]:
    """Ground and figure, (n, 3): the figure is the lighter one, by little or by much, in an image dark or bright.

    Brightness and contrast differ this much because they tell nothing of the class: a net has to see past them. With
    figures darker as often as lighter the first epochs would go into that alone.
    """
    middle, half = between(85, 170, 1), between(24, 110, 1)
    tint, other = between(-45, 45, 3), between(-45, 45, 3)
    tint, other = tint - tint.mean(1, keepdims=True), other - other.mean(1, keepdims=True)
    return middle - half + tint, middle + half + other


def _turned(between, x, y, centre_x, centre_y) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates about a centre, turned by a random angle: (n, 32, 32) each, in pixels.

    t in [-1, 1] stands for the angle: cos = (1 - t^2) / (1 + t^2), sin = 2 t / (1 + t^2), without a library's sine.
    """
    t = between(-1, 1)
    cos, sin = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
    dx, dy = x - centre_x, y - centre_y
    return cos * dx + sin * dy, cos * dy - sin * dx


def _texture(between, x, y) -> np.ndarray:
    """An uneven ground, (n, 32, 32): a slope and two triangular waves, in grey levels about zero."""
    slope = between(-0.8, 0.8) * (x - SIDE / 2) + between(-0.8, 0.8) * (y - SIDE / 2)
    for _ in range(2):
        phase = between(-0.12, 0.12) * x + between(-0.12, 0.12) * y + between(0, 1)
        slope = slope + between(0, 50) * (_wave(phase) - 0.25)
    return slope


def _wave(phase: np.ndarray) -> np.ndarray:
    """The distance to the nearest whole number: a triangular wave of period 1 between 0 and 0.5."""
    return np.abs(phase - np.rint(phase))


def _coverage(distance: np.ndarray) -> np.ndarray:
    """How much of a pixel is inside, given the signed distance to the edge in pixels (negative inside)."""
    return np.clip(0.5 - distance, 0, 1).astype(np.float32)


def _square(u, v, half=0.85):
    return np.maximum(np.abs(u), np.abs(v)) - np.float32(half)


def _disc(u, v, radius=1.0):
    return np.sqrt(u * u + v * v) - np.float32(radius)


def _half_planes(u, v, normals):
    return [np.float32(a) * u + np.float32(b) * v for a, b in normals]


def _cross(u, v):
    a, b = np.abs(u), np.abs(v)
    return np.maximum(np.minimum(a, b) - np.float32(0.28), np.maximum(a, b) - np.float32(1.05))


def _star(u, v):
    # Inside a pentagram are the points that at most one of its five lines cuts off.
    return np.sort(np.stack(_half_planes(u, v, PENTAGRAM)), axis=0)[-2] - np.float32(0.4)


def _stripes(u, v):
    # Three bars, about -1/1.4, 0 and 1/1.4.
    return np.maximum((_wave(u * np.float32(1.4)) - np.float32(0.25)) / np.float32(1.4), _square(u, v, 1.0))


def _checks(u, v):
    a, b = _wave(u + np.float32(0.25)) - np.float32(0.25), _wave(v + np.float32(0.25)) - np.float32(0.25)
    bound = np.minimum(np.abs(a), np.abs(b))
    # Cut a little inside the outer cells, or their softened borders would show as an outline.
    return np.maximum(np.where(a * b > 0, -bound, bound), _square(u, v, 0.95))


def _dots(u, v):
    # A grid of 3 x 3 discs: distance to the nearest of the centres -0.75, 0, 0.75.
    a = u - np.clip(np.rint(u / np.float32(0.75)), -1, 1) * np.float32(0.75)
    b = v - np.clip(np.rint(v / np.float32(0.75)), -1, 1) * np.float32(0.75)
    return _disc(a, b, 0.24)


# The signed distance, about, to the edge of each figure of unit size, at the points (u, v).
FIGURES = {
    "checks": _checks,
    "cross": _cross,
    "disc": _disc,
    "dots": _dots,
    "frame": lambda u, v: np.abs(_square(u, v, 0.75)) - np.float32(0.17),
    "ring": lambda u, v: np.abs(_disc(u, v, 0.82)) - np.float32(0.18),
    "square": _square,
    "star": _star,
    "stripes": _stripes,
    "triangle": lambda u, v: np.maximum.reduce(_half_planes(u, v, TRIANGLE)) - np.float32(0.6),
}
