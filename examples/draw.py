"""Draw the examples of the single-image tab that were made for this project: `python examples/draw.py`.

Each is drawn at three times its size and reduced, from a fixed seed; the others there are photos, see CREDITS.md.
"""

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

FOLDER = Path(__file__).parent
HEIGHT, WIDTH, DETAIL = 128, 192, 3


def fractal(rng: np.random.Generator, height: int, width: int, roughness: float, stretch: float = 1.0) -> np.ndarray:
    """Return height×width noise with a power-law spectrum, from 0 to 1; `stretch` draws it out sideways."""
    vertical, horizontal = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    frequency = np.hypot(vertical, horizontal * stretch)
    frequency[0, 0] = np.inf
    phases = np.exp(2j * np.pi * rng.random(frequency.shape))
    noise = np.fft.irfft2(phases * frequency ** (-roughness), (height, width))
    return (noise - noise.min()) / (noise.max() - noise.min())


def gradient(height: int, width: int, *colours: tuple[int, int, int]) -> np.ndarray:
    """Return height×width×3 float that runs from the first colour at the top to the last at the bottom."""
    stops = np.linspace(0, 1, len(colours))
    rows = np.stack(
        [np.interp(np.linspace(0, 1, height), stops, channel) for channel in zip(*colours, strict=True)], 1
    )
    return np.repeat(rows[:, None], width, 1)


def blend(picture: np.ndarray, colour: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return `picture` with `share`, 0 to 1, of `colour`."""
    return picture + share[..., None] * (np.asarray(colour, float) - picture)


def balloons(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Hot-air balloons of all sizes in a sky with clouds."""
    picture = gradient(height, width, (70, 130, 200), (130, 180, 225), (215, 228, 235))
    clouds = np.clip((fractal(rng, height, width, 1.7, 1.6) - 0.5) * 3, 0, 1)
    picture = blend(picture, (250, 250, 252), clouds * 0.85)
    colours = np.array([(200, 40, 45), (235, 170, 40), (40, 90, 170), (60, 140, 80), (245, 245, 240), (130, 60, 130)])
    rows, columns = np.mgrid[:height, :width].astype(float)
    placed: list[tuple[float, float, float]] = []
    sizes = np.sort(rng.uniform(0.035, 0.085, 400) * height)[::-1]
    for radius in sizes:
        y, x = rng.uniform(1.4 * radius, height - 2.4 * radius), rng.uniform(1.3 * radius, width - 1.3 * radius)
        if len(placed) == 17:
            break
        if any(np.hypot(x - other[1], y - other[0]) < 1.45 * (radius + other[2]) + 4 for other in placed):
            continue
        placed.append((y, x, radius))
        first, second = colours[rng.choice(len(colours), 2, replace=False)]
        dx, dy = (columns - x) / radius, (rows - y) / radius
        taper = np.where(dy > 0, 1 - 0.42 * np.clip(dy / 1.35, 0, 1) ** 1.5, 1)
        inside = (dx / taper) ** 2 + np.where(dy > 0, dy / 1.3, dy) ** 2 < 1
        gores = np.floor((np.arcsin(np.clip(dx / taper, -1, 1)) / np.pi + 0.5) * 8) % 2
        colour = (
            np.where(gores[..., None] > 0, first, second)
            * (0.72 + 0.35 * np.clip(0.6 - 0.7 * dx - 0.4 * dy, 0, 1))[..., None]
        )
        picture = np.where(inside[..., None], np.clip(colour, 0, 255), picture)
        basket = (np.abs(dx) < 0.2) & (dy > 1.62) & (dy < 1.95)
        ropes = (np.abs(np.abs(dx) - 0.17) < 0.035) & (dy > 1.2) & (dy < 1.65)
        picture[basket] = (110, 75, 45)
        picture[ropes] = (90, 80, 70)
    return picture


def birds(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A flock before an evening sky."""
    picture = gradient(height, width, (60, 70, 110), (150, 105, 120), (235, 140, 90), (250, 200, 120))
    clouds = np.clip((fractal(rng, height, width, 1.8, 3) - 0.45) * 2.5, 0, 1)
    picture = blend(picture, (250, 190, 150), clouds * 0.6)
    canvas = np.ascontiguousarray(picture.astype(np.uint8))
    for _ in range(85):
        x, y = rng.uniform(0.02, 0.98) * width, rng.uniform(0.03, 0.97) * height
        span, lift, tilt = rng.uniform(0.028, 0.055) * height, rng.uniform(0.15, 0.75), rng.normal(0, 0.25)
        for side in (-1, 1):
            along = np.linspace(0, 1, 12)
            bend = lift * np.sin(along * np.pi * 0.62) - 0.35 * lift * along**2
            wing = np.stack([side * along, -bend], 1) * span
            turn = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
            points = wing @ turn.T + (x, y)
            for index, (start, end) in enumerate(pairwise(points)):
                thick = max(1, round(span * 0.2 * (1 - along[index]) ** 0.7))
                ends = [tuple(np.rint(point * 8).astype(int).tolist()) for point in (start, end)]
                cv2.line(canvas, *ends, (28, 24, 34), thick, cv2.LINE_AA, 3)
        cv2.ellipse(
            canvas,
            (round(x), round(y)),
            (max(1, round(span * 0.12)), max(1, round(span * 0.28))),
            0,
            0,
            360,
            (24, 20, 30),
            -1,
            cv2.LINE_AA,
        )
    return canvas.astype(float)


def mountains(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Ridges behind ridges, woods before them."""
    picture = gradient(height, width, (88, 140, 200), (190, 212, 228), (236, 232, 220))
    picture = blend(picture, (252, 252, 252), np.clip((fractal(rng, height, width, 1.8, 2.5) - 0.52) * 3, 0, 1) * 0.8)
    rows = np.arange(height)[:, None]
    layers = 5
    for layer in range(layers):
        depth = layer / (layers - 1)
        profile = np.zeros(width)
        for octave in range(1, 9):
            spacing = 2**octave
            knots = rng.normal(0, 1, spacing + 2)
            profile += np.interp(np.linspace(0, spacing, width), np.arange(spacing + 2), knots) * 0.62**octave
        top = height * (0.24 + 0.5 * depth) - profile * height * (0.17 - 0.11 * depth)
        below = np.clip(rows - top, 0, None)
        texture = fractal(rng, height, width, 1.3)
        light = 0.45 + 0.9 * (texture - 0.5) + 0.4 * fractal(rng, height, width, 2.2)
        light = np.clip(light + 0.25, 0.35, 1.3)
        near, far = np.array((38, 66, 40)), np.array((150, 172, 196))
        colour = (far + (near - far) * depth**0.8) * light[..., None]
        if depth < 0.5:
            snow = np.clip(1.3 - below / (height * 0.1) + (texture - 0.5) * 2.5, 0, 1) * (1 - depth)
            colour = blend(colour, (248, 250, 255), snow)
        cover = np.clip(rows - top + 0.5, 0, 1)
        picture = blend(picture, 0, cover) + cover[..., None] * colour
    canvas = np.ascontiguousarray(np.clip(picture, 0, 255).astype(np.uint8))
    for _ in range(420):
        y = height * rng.uniform(0.78, 1.04)
        x, size = rng.uniform(0, width), height * rng.uniform(0.035, 0.06) * (y / height) ** 2
        shade = rng.uniform(0.5, 1.25) * np.array((30, 62, 38)) * (0.7 + 0.4 * y / height)
        tree = np.array([(x, y - 2.4 * size), (x - 0.55 * size, y), (x + 0.55 * size, y)])
        cv2.fillConvexPoly(canvas, np.rint(tree * 8).astype(np.int32), shade.tolist(), cv2.LINE_AA, 3)
    return canvas.astype(float)


def town(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Houses above houses, with lit windows."""
    picture = gradient(height, width, (40, 52, 92), (120, 110, 140), (230, 170, 130))
    canvas = np.ascontiguousarray(picture.astype(np.uint8))
    walls = np.array(
        [(214, 190, 150), (196, 140, 110), (226, 214, 190), (160, 120, 100), (205, 165, 120), (180, 170, 165)]
    )
    for row in range(5):
        foot, x = height * (0.5 + 0.155 * row), -rng.uniform(0, 0.1) * width
        while x < width:
            wide, tall = height * rng.uniform(0.13, 0.21), height * rng.uniform(0.15, 0.3)
            shade = 0.55 + 0.1 * row
            wall = walls[rng.integers(len(walls))] * shade * rng.uniform(0.9, 1.1)
            left, right, top = round(x), round(x + wide), round(foot - tall)
            cv2.rectangle(canvas, (left, top), (right, round(foot + 0.2 * height)), wall.tolist(), -1)
            peak = rng.uniform(0.35, 0.6) * wide
            roof = np.array([(left - 2, top), (right + 2, top), ((left + right) // 2, top - peak)])
            tile = np.array((150, 66, 50)) * shade * rng.uniform(0.8, 1.25)
            cv2.fillConvexPoly(canvas, np.rint(roof).astype(np.int32), tile.tolist(), cv2.LINE_AA)
            step, size = height * 0.052, height * 0.022
            for wy in np.arange(top + 0.6 * step, foot, step):
                for wx in np.arange(left + 0.5 * step, right - size - 2, step):
                    lit = rng.random() < 0.4
                    pane = np.array((255, 214, 120)) if lit else np.array((58, 62, 84)) * rng.uniform(0.8, 1.3)
                    cv2.rectangle(
                        canvas, (round(wx), round(wy)), (round(wx + size), round(wy + 1.45 * size)), pane.tolist(), -1
                    )
            x += wide + 1
    shade = 0.88 + 0.24 * fractal(rng, height, width, 0.9)
    return canvas * shade[..., None]


def sea(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Waves up to the horizon, and the sun on them."""
    horizon = round(height * 0.3)
    picture = gradient(height, width, (92, 146, 206), (236, 214, 180))
    sky = gradient(horizon, width, (84, 138, 204), (160, 190, 215), (250, 222, 180))
    clouds = np.clip((fractal(rng, horizon, width, 1.7, 3) - 0.5) * 3, 0, 1)
    picture[:horizon] = blend(sky, (255, 244, 232), clouds * 0.7)
    depth = (np.arange(height - horizon) + 3.0)[:, None] / (height - horizon)
    distance, across = 1 / depth, (np.arange(width)[None] / width - 0.5) / depth
    water = np.zeros((height - horizon, width))
    for _ in range(70):
        frequency, angle = rng.uniform(3, 60), rng.normal(0, 0.5)
        phase = frequency * (distance * np.cos(angle) * 1.6 + across * np.sin(angle)) + rng.uniform(0, 2 * np.pi)
        water += np.sin(phase) / frequency**0.55 * np.exp(-((frequency * distance / 190) ** 2))
    water /= water.std()
    base = gradient(height - horizon, width, (120, 160, 180), (36, 96, 124), (12, 58, 88))
    crest = np.clip(water * 0.3, -0.5, 0.9)
    surface = base * (1 + 0.75 * crest)[..., None]
    path = np.exp(-(((np.arange(width)[None] / width - 0.5) / (0.1 + 0.12 * depth)) ** 2))
    surface = blend(surface, (255, 236, 196), np.clip(path * np.clip(water * 0.7 - 0.25, 0, 1), 0, 0.95))
    picture[horizon:] = blend(
        surface, (245, 250, 252), np.clip((water - 1.9) * 0.8, 0, 0.8) * np.clip(depth * 2, 0, 1)
    )
    return picture


def shape(layer: np.ndarray, colour: tuple[int, int, int], *points: tuple[float, float]) -> None:
    """Fill a polygon, its points in shares of the layer, opaquely into H×W×4 uint8."""
    corners = np.array(points) * (layer.shape[1], layer.shape[0]) * 8
    cv2.fillPoly(layer, [np.rint(corners).astype(np.int32)], (*colour, 255), cv2.LINE_AA, 3)


def boat() -> np.ndarray:
    """A sailing boat."""
    layer = np.zeros((288, 288, 4), np.uint8)
    shape(layer, (120, 66, 40), (0.08, 0.72), (0.92, 0.72), (0.78, 0.92), (0.22, 0.92))
    shape(layer, (90, 70, 60), (0.48, 0.06), (0.51, 0.06), (0.51, 0.74), (0.48, 0.74))
    shape(layer, (245, 240, 228), (0.53, 0.1), (0.9, 0.66), (0.53, 0.66))
    shape(layer, (214, 84, 60), (0.46, 0.16), (0.46, 0.66), (0.16, 0.66))
    return layer


def moon() -> np.ndarray:
    """A full moon."""
    layer = np.zeros((240, 240, 4), np.uint8)
    cv2.circle(layer, (120, 120), 108, (250, 240, 205, 255), -1, cv2.LINE_AA)
    for x, y, radius in ((90, 84, 24), (150, 118, 32), (102, 164, 20), (164, 66, 14)):
        cv2.circle(layer, (x, y), radius, (226, 212, 172, 255), -1, cv2.LINE_AA)
    return layer


def airship() -> np.ndarray:
    """An airship."""
    layer = np.zeros((180, 360, 4), np.uint8)
    shape(layer, (150, 60, 60), (0.8, 0.36), (0.99, 0.1), (0.99, 0.8), (0.8, 0.54))
    cv2.ellipse(layer, (170, 80), (160, 62), 0, 0, 360, (196, 200, 206, 255), -1, cv2.LINE_AA)
    cv2.ellipse(layer, (170, 98), (148, 40), 0, 0, 180, (150, 156, 166, 255), -1, cv2.LINE_AA)
    shape(layer, (90, 74, 60), (0.34, 0.74), (0.6, 0.74), (0.57, 0.92), (0.37, 0.92))
    return layer


def painted_mountains() -> np.ndarray:
    """A rough painting for the mountains."""
    layer = np.zeros((384, 576, 4), np.uint8)
    shape(layer, (130, 170, 212), (0, 0), (1, 0), (1, 1), (0, 1))
    shape(
        layer,
        (235, 240, 246),
        (0, 0.5),
        (0.14, 0.28),
        (0.3, 0.45),
        (0.52, 0.16),
        (0.74, 0.42),
        (1, 0.24),
        (1, 1),
        (0, 1),
    )
    shape(
        layer,
        (104, 128, 130),
        (0, 0.56),
        (0.2, 0.4),
        (0.42, 0.52),
        (0.6, 0.34),
        (0.8, 0.54),
        (1, 0.42),
        (1, 1),
        (0, 1),
    )
    shape(layer, (38, 70, 44), (0, 0.74), (0.35, 0.66), (0.7, 0.78), (1, 0.64), (1, 1), (0, 1))
    return layer


def painted_sea() -> np.ndarray:
    """A rough painting for the sea."""
    layer = np.zeros((384, 576, 4), np.uint8)
    shape(layer, (240, 216, 180), (0, 0), (1, 0), (1, 1), (0, 1))
    shape(layer, (110, 155, 208), (0, 0), (1, 0), (1, 0.3), (0, 0.22))
    shape(layer, (70, 130, 155), (0, 0.5), (1, 0.5), (1, 1), (0, 1))
    shape(layer, (16, 64, 94), (0, 0.72), (1, 0.64), (1, 1), (0, 1))
    shape(layer, (245, 226, 190), (0.2, 0.52), (0.34, 0.52), (0.46, 0.94), (0.2, 0.94))
    return layer


def painted_balloons() -> np.ndarray:
    """A rough painting for the balloons."""
    layer = np.zeros((384, 576, 4), np.uint8)
    shape(layer, (96, 150, 210), (0, 0), (1, 0), (1, 1), (0, 1))
    shape(layer, (222, 232, 240), (0, 0.66), (0.4, 0.8), (1, 0.6), (1, 1), (0, 1))
    colours = ((200, 40, 45), (235, 170, 40), (60, 140, 80), (90, 60, 150))
    for index, (x, y, radius) in enumerate(
        ((110, 110, 42), (260, 200, 52), (420, 96, 38), (470, 250, 46), (130, 280, 34))
    ):
        cv2.ellipse(
            layer, (x, y), (radius, round(1.2 * radius)), 0, 0, 360, (*colours[index % 4], 255), -1, cv2.LINE_AA
        )
    return layer


def write(folder: str, name: str, picture: np.ndarray) -> None:
    """Write H×W×3 or 4 from 0 to 255 at a third of its size."""
    height, width = picture.shape[0] // DETAIL, picture.shape[1] // DETAIL
    small = np.rint(cv2.resize(np.clip(picture, 0, 255).astype(float), (width, height), interpolation=cv2.INTER_AREA))
    small[:, :, :3] = small[:, :, 2::-1]
    (FOLDER / folder).mkdir(exist_ok=True)
    cv2.imwrite(str(FOLDER / folder / f"{name}.png"), small.astype(np.uint8))


def main() -> None:
    """Draw and write them all."""
    for index, draw in enumerate((balloons, birds, mountains, town, sea)):
        write("single-image", draw.__name__, draw(np.random.default_rng(index + 1), HEIGHT * DETAIL, WIDTH * DETAIL))
    for draw in (boat, moon, airship):
        write("single-image-objects", draw.__name__, draw())
    for draw in (painted_mountains, painted_sea, painted_balloons):
        write("single-image-paintings", draw.__name__.removeprefix("painted_"), draw()[:, :, :3])


if __name__ == "__main__":
    main()
