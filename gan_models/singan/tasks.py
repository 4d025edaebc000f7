"""What a trained SinGAN is good for (Rott Shaham et al. 2019, section 4), each task a function of the model."""

from collections.abc import Iterator

import cv2
import numpy as np
import torch

from gan_models.singan.model import SinGAN, from_picture, resize, to_picture

SMALLEST_FACTOR, MAX_FACTOR, MAX_MEGAPIXELS = 0.25, 4.0, 4.0
MAX_SAMPLES = 16
DILATION, FEATHER = 7, 5.0  # pixels round a mask
PALETTE = 5
LOOP_SHARE = 0.25  # of an animation, that leads back to its start


def check_start_scale(model: SinGAN, start_scale: int, lowest: int = 0) -> None:
    """Refuse a scale that is not there.

    Raises:
        ValueError: `start_scale` is not between `lowest` and the model's last scale.
    """
    last = len(model.sizes) - 1
    if not lowest <= start_scale <= last:
        raise ValueError(f"This model's start scale can be {lowest} to {last}, not {start_scale}.")


@torch.inference_mode()
def sample(
    model: SinGAN,
    *,
    count: int = 4,
    start_scale: int = 0,
    width_factor: float = 1,
    height_factor: float = 1,
    seed: int = 0,
) -> Iterator[np.ndarray]:
    """Yield random pictures, H×W×3 uint8, that look like the training picture.

    Args:
        model: A trained model.
        count: How many, 1 to 16.
        start_scale: The first scale that varies: 0 changes the layout, later ones details alone.
        width_factor: Width in units of the training picture's; with `start_scale` 0 more of the same is invented,
            above that the picture is stretched.
        height_factor: The same for the height.
        seed: Picture k is the one that `seed` + k gives first.

    Raises:
        ValueError: An argument is out of range.
    """
    check_start_scale(model, start_scale)
    if not 1 <= count <= MAX_SAMPLES:
        raise ValueError(f"The count must be from 1 to {MAX_SAMPLES}, not {count}.")
    height, width = model.sizes[-1]
    megapixels = height * height_factor * width * width_factor / 1e6
    if (
        not all(0.25 <= factor <= MAX_FACTOR for factor in (width_factor, height_factor))
        or megapixels > MAX_MEGAPIXELS
    ):
        raise ValueError(
            f"The factors must be from 0.25 to {MAX_FACTOR:g}, for {MAX_MEGAPIXELS:g} megapixels at most."
        )
    for index in range(count):
        rng = torch.Generator().manual_seed(seed + index)
        yield to_picture(model.draw(first=start_scale, factors=(height_factor, width_factor), rng=rng))


@torch.inference_mode()
def redraw(model: SinGAN, picture: np.ndarray, *, start_scale: int, seed: int = 0) -> np.ndarray:
    """Return `picture` as the model would draw it, from `start_scale` up: what is coarser stays as it is.

    The common part of harmonisation, editing and paint-to-image: `picture`, H×W×3 uint8, is made as small as the
    scale below `start_scale` and goes through the rest of the pyramid. The result has the model's own size.

    Raises:
        ValueError: There is no such scale; scale 0 has none below.
    """
    check_start_scale(model, start_scale, lowest=1)
    below = resize(from_picture(picture).to(model.amplitudes.device), model.sizes[start_scale - 1])
    rng = torch.Generator().manual_seed(seed)
    return to_picture(model.draw(first=start_scale, below=below, rng=rng))


def harmonize(
    model: SinGAN, composite: np.ndarray, mask: np.ndarray, *, start_scale: int, seed: int = 0
) -> np.ndarray:
    """Return `composite` with what was pasted into it, where H×W `mask` is not 0, redrawn to fit in.

    Outside of the mask, widened by a few pixels and feathered, the composite stays. The same with an edited training
    picture is editing. The result, H×W×3 uint8, has the model's size.

    Raises:
        ValueError: There is no such scale, or the mask has another shape than the composite.
    """
    if mask.shape[:2] != composite.shape[:2]:
        raise ValueError("The mask must be as large as the picture.")
    size = model.sizes[-1]
    drawn = redraw(model, composite, start_scale=start_scale, seed=seed)
    plain = to_picture(resize(from_picture(composite), size))
    weight = cv2.resize((mask > 0).astype(np.float32), size[::-1], interpolation=cv2.INTER_LINEAR)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * DILATION + 1, 2 * DILATION + 1))
    weight = cv2.GaussianBlur(cv2.dilate(weight, kernel), (0, 0), FEATHER / 2)[:, :, None]
    return np.rint(weight * drawn + (1 - weight) * plain).astype(np.uint8)


def paint(
    model: SinGAN, painting: np.ndarray, *, start_scale: int, quantize: bool = False, seed: int = 0
) -> np.ndarray:
    """Return a picture in the manner of the training picture with the layout of `painting`, H×W×3 uint8.

    With `quantize` the painting's colours are first replaced by the nearest of the training picture's five main ones,
    as in the paper's supplement. The result has the model's size.
    """
    if quantize:
        centres = main_colours(model.picture.cpu().numpy())
        distances = np.square(painting[:, :, None].astype(float) - centres).sum(-1)
        painting = centres[distances.argmin(-1)].astype(np.uint8)
    return redraw(model, painting, start_scale=start_scale, seed=seed)


def main_colours(picture: np.ndarray, count: int = PALETTE) -> np.ndarray:
    """Return the `count` main colours, count×3 float, of a picture by k-means."""
    pixels = picture.reshape(-1, 3).astype(np.float32)
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 30, 0.5)
    cv2.setRNGSeed(0)
    return cv2.kmeans(pixels, min(count, len(pixels)), None, stop, 3, cv2.KMEANS_PP_CENTERS)[2]


def walk(start: torch.Tensor, *, alpha: float, beta: float, frames: int, loop: bool, rng: torch.Generator):  # noqa: ANN201
    """Yield noises like `start`, 1×C×H×W, on a random walk round it (supplement, section on animation).

    Args:
        start: The noise of the reconstruction.
        alpha: How near the walk stays to `start`, 0 to 1.
        beta: How smoothly it moves: the share of the last step in the next one, 0 to 1.
        frames: How many.
        loop: Whether the last one leads on to the first.
        rng: Where the steps come from.
    """
    extra = max(1, round(LOOP_SHARE * frames)) if loop else 0
    before = previous = start
    path = []
    for _ in range(frames + extra):
        step = beta * (previous - before) + (1 - beta) * torch.randn(start.shape, generator=rng).to(start.device)
        before, previous = previous, alpha * start + (1 - alpha) * (previous + step)
        path.append(previous)
    for index in range(extra):
        share = (index + 1) / (extra + 1)  # of the walk itself, rising; the rest leads on from the last frame
        path[index] = share * path[index] + (1 - share) * path[frames + index]
    yield from path[:frames]


@torch.inference_mode()
def animate(
    model: SinGAN,
    *,
    start_scale: int = 1,
    alpha: float = 0.1,
    beta: float = 0.9,
    frames: int = 60,
    loop: bool = True,
    seed: int = 0,
) -> Iterator[np.ndarray]:
    """Yield the pictures, H×W×3 uint8, of the training picture in motion: see `walk` for the arguments.

    Scales below `start_scale` reconstruct the training picture; from there on noise moves.

    Raises:
        ValueError: An argument is out of range.
    """
    check_start_scale(model, start_scale)
    if not (0 <= alpha <= 1 and 0 <= beta <= 1):
        raise ValueError("Alpha and beta must be between 0 and 1.")
    if not 2 <= frames <= 600:
        raise ValueError(f"An animation has 2 to 600 frames, not {frames}.")
    walks = []
    for scale in range(start_scale, len(model.sizes)):
        rng = torch.Generator().manual_seed(seed + scale)
        zero = torch.zeros(1, 3, *model.sizes[scale], device=model.amplitudes.device)
        origin = model.z_star if scale == 0 else zero
        walks.append(walk(origin, alpha=alpha, beta=beta, frames=frames, loop=loop, rng=rng))
    below = model.reconstruct(start_scale) if start_scale else None
    for noises in zip(*walks, strict=True):
        x = below
        for scale, noise in enumerate(noises, start_scale):
            noise = noise * model.amplitudes[scale]
            previous = torch.zeros_like(noise) if x is None else resize(x, model.sizes[scale])
            x = model.generators[scale](noise, previous)
        yield to_picture(x)
