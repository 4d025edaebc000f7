"""What a trained SinGAN is good for (Rott Shaham et al. 2019, section 4), each task a function of the model."""

from collections.abc import Iterator, Sequence
from math import cos, log, pi, sin

import cv2
import numpy as np
import torch

from gan_models.images import join_alpha, split_alpha
from gan_models.images.palette import main_colours, nearest_colours
from gan_models.singan import MAX_MEGAPIXELS, REDRAWING, default_start_scale
from gan_models.singan.model import SinGAN, from_picture, resize, to_picture

DILATION, FEATHER = 0.05, 0.02  # round a mask, in units of the picture's longer side
SOFTENED = 512  # pixels of a side, at which masks are softened
UPSCALING_STEP = 2 ** (1 / 3)
LOOP_SHARE = 0.25  # of an animation, that leads back to its start


def checked_start(model: SinGAN, task: str, start_scale: int | None) -> int:
    """Return `start_scale`, or what is usual where it is None.

    Raises:
        ValueError: The model has no such scale; tasks that redraw something need one below.
    """
    lowest, last = int(task in REDRAWING), len(model.sizes) - 1
    if lowest > last:
        raise ValueError(
            "This model's picture was so small that it has a single scale: there is none to redraw from."
        )
    scale = default_start_scale(task, last + 1) if start_scale is None else start_scale
    if not lowest <= scale <= last:
        raise ValueError(f"The start scale of this model can be {lowest} to {last}, not {scale}.")
    return int(scale)


def seeded(seed: int) -> torch.Generator:
    """Return the random numbers of `seed`: others than a training with the same seed draws.

    The first of those are z*, and a sample of them would be the training picture.
    """
    return torch.Generator().manual_seed((int(seed) * 2654435761 + 40503) % 2**32)


@torch.inference_mode()
def sample(
    model: SinGAN,
    *,
    count: int = 4,
    start_scale: int | None = None,
    width_factor: float = 1,
    height_factor: float = 1,
    seed: int = 0,
) -> Iterator[np.ndarray]:
    """Yield random pictures, H×W×3 uint8, that look like the training picture.

    Args:
        model: A trained model.
        count: How many, 1 to 16.
        start_scale: The first scale that varies: 0, the default, changes the layout, later ones details alone.
        width_factor: Width in units of the training picture's; with `start_scale` 0 more of the same is invented,
            above that the picture is stretched.
        height_factor: The same for the height.
        seed: Picture k is the one that `seed` + k gives first.

    Raises:
        ValueError: There is no such scale, or a picture would be too large.
    """
    first = checked_start(model, "sample", start_scale)
    height, width = model.sizes[-1]
    if height * height_factor * width * width_factor > MAX_MEGAPIXELS * 1e6:
        raise ValueError(f"These factors give more than {MAX_MEGAPIXELS:g} megapixels; choose smaller ones.")
    for index in range(count):
        factors = (height_factor, width_factor)
        yield to_picture(model.draw(first=first, factors=factors, rng=seeded(seed + index)))


@torch.inference_mode()
def redraw(model: SinGAN, picture: np.ndarray, *, start_scale: int, seed: int = 0) -> np.ndarray:
    """Return `picture` as the model would draw it, from `start_scale` up: what is coarser stays as it is.

    The common part of harmonisation, editing and paint-to-image: `picture`, H×W×3 uint8, is made as small as the
    scale below `start_scale` and goes through the rest of the pyramid. The result has the model's own size.
    """
    below = resize(from_picture(picture).to(model.amplitudes.device), model.sizes[start_scale - 1])
    return to_picture(model.draw(first=start_scale, below=below, rng=seeded(seed)))


def harmonize(
    model: SinGAN,
    composite: np.ndarray,
    mask: np.ndarray,
    *,
    start_scale: int | None = None,
    seed: int = 0,
    task: str = "harmonize",
) -> np.ndarray:
    """Return `composite` with what was pasted into it, where `mask` is not 0, redrawn to fit in.

    Outside of the mask, widened by a few pixels and feathered, the composite stays as it is.

    Args:
        model: A model of the picture that something was pasted into.
        composite: That picture with the thing in it, H×W×3 or 4 uint8, of any size.
        mask: Where the thing is, H×W.
        start_scale: The first scale that is drawn anew: lower ones change more. None: in the middle.
        seed: Of the noise.
        task: "harmonize", or "edit" for what was moved within the training picture; sets the default start scale.

    Returns:
        A picture of the composite's size; alpha comes back.

    Raises:
        ValueError: There is no such scale, or the mask has another shape than the composite.
    """
    first = checked_start(model, task, start_scale)
    if mask.shape[:2] != composite.shape[:2]:
        raise ValueError("The mask must be as large as the picture.")
    colour, alpha = split_alpha(composite)
    size = colour.shape[:2]
    drawn = redraw(model, colour, start_scale=first, seed=seed)
    drawn = to_picture(resize(from_picture(drawn), size))
    weight = _softened((mask > 0).astype(np.float32))[:, :, None]
    return join_alpha(np.rint(weight * drawn + (1 - weight) * colour).astype(np.uint8), alpha)


def _softened(mask: np.ndarray) -> np.ndarray:
    """Return `mask`, H×W float32 of 0 and 1, widened and feathered in proportion to its size."""
    shrink = min(1, SOFTENED / max(mask.shape))  # for what is smooth needs no more pixels
    size = [max(1, round(length * shrink)) for length in mask.shape[::-1]]
    small = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
    side = max(size)
    distance = cv2.distanceTransform((small == 0).astype(np.uint8), cv2.DIST_L2, 5)
    widened = (distance <= max(1, DILATION * side)).astype(np.float32)
    soft = cv2.GaussianBlur(widened, (0, 0), max(0.5, FEATHER * side))
    return cv2.resize(soft, mask.shape[::-1], interpolation=cv2.INTER_LINEAR)


def paste(
    ground: np.ndarray, thing: np.ndarray, *, x: float, y: float, width: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return `ground`, H×W×3 uint8, with `thing` pasted into it, and the mask of where, H×W uint8.

    Args:
        ground: What to paste into.
        thing: H×W×3 or 4 uint8; its alpha is heeded.
        x: Its middle, as a share of the ground's width.
        y: Its middle, as a share of the ground's height.
        width: Its width, as a share of the ground's width.

    Raises:
        ValueError: The thing would be smaller than a pixel, or larger than four times the ground.
    """
    across = round(width * ground.shape[1])
    down = round(across * thing.shape[0] / thing.shape[1])
    if not (1 <= across <= 4 * ground.shape[1] and 1 <= down <= 4 * ground.shape[0]):
        raise ValueError("The object must be at least a pixel and at most four times the picture.")
    colour, alpha = split_alpha(thing)
    alpha = np.full(thing.shape[:2], 255, np.uint8) if alpha is None else alpha
    method = cv2.INTER_AREA if across < thing.shape[1] else cv2.INTER_CUBIC
    small = cv2.resize(np.dstack([colour, alpha]), (across, down), interpolation=method)
    left, top = round(x * ground.shape[1] - across / 2), round(y * ground.shape[0] - down / 2)
    layer = np.zeros((*ground.shape[:2], 4), np.float32)
    rows, columns = (
        slice(max(0, start), max(0, min(length, start + side)))
        for start, side, length in ((top, down, ground.shape[0]), (left, across, ground.shape[1]))
    )
    layer[rows, columns] = small[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    share = layer[:, :, 3:] / 255
    composite = np.rint(share * layer[:, :, :3] + (1 - share) * ground).astype(np.uint8)
    return composite, np.where(layer[:, :, 3] >= 128, 255, 0).astype(np.uint8)


def cut(picture: np.ndarray, box: Sequence[float]) -> np.ndarray:
    """Return what is inside `box`, left, top, right and bottom as shares of `picture`, H×W×3 uint8.

    Raises:
        ValueError: There is nothing inside.
    """
    height, width = picture.shape[:2]
    left, top, right, bottom = (round(share * side) for share, side in zip(box, (width, height) * 2, strict=True))
    piece = picture[max(0, top) : max(0, bottom), max(0, left) : max(0, right)]
    if not piece.size:
        raise ValueError("Drag a frame round a piece of the picture first.")
    return piece


def paint(
    model: SinGAN, painting: np.ndarray, *, start_scale: int | None = None, quantize: bool = False, seed: int = 0
) -> np.ndarray:
    """Return a picture in the manner of the training picture with the layout of `painting`, H×W×3 uint8.

    With `quantize` the painting's colours are first replaced by the nearest of the training picture's five main ones,
    as in the paper's supplement. The result has the model's size.

    Raises:
        ValueError: There is no such scale.
    """
    first = checked_start(model, "paint", start_scale)
    if quantize:
        small = cv2.resize(painting, model.sizes[-1][::-1], interpolation=cv2.INTER_AREA)
        painting = nearest_colours(small, main_colours(model.picture.cpu().numpy()))
    return redraw(model, painting, start_scale=first, seed=seed)


def walk(
    start: torch.Tensor, *, alpha: float, beta: float, frames: int, loop: bool, rng: torch.Generator
) -> Iterator[torch.Tensor]:
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
    beginning = []
    for index in range(frames + extra):
        step = beta * (previous - before) + (1 - beta) * torch.randn(start.shape, generator=rng).to(start.device)
        before, previous = previous, alpha * start + (1 - alpha) * (previous + step)
        if index < extra:
            beginning.append(previous)
        elif index < frames:
            yield previous
        else:  # back to the beginning, which rises as what leads on from the walk falls, at equal variance
            again = index - frames
            angle = pi / 2 * (again + 1) / (extra + 1)
            yield start + sin(angle) * (beginning[again] - start) + cos(angle) * (previous - start)


@torch.inference_mode()
def animate(
    model: SinGAN,
    *,
    start_scale: int | None = None,
    alpha: float = 0.1,
    beta: float = 0.9,
    frames: int = 60,
    loop: bool = True,
    seed: int = 0,
) -> Iterator[np.ndarray]:
    """Yield the pictures, H×W×3 uint8, of the training picture in motion: see `walk` for the arguments.

    Scales below `start_scale` reconstruct the training picture; from there on noise moves.

    Raises:
        ValueError: There is no such scale.
    """
    first = checked_start(model, "animate", start_scale)
    walks = []
    for scale in range(first, len(model.sizes)):
        rng = seeded(1000 * seed + scale)
        zero = torch.zeros(1, 3, *model.sizes[scale], device=model.amplitudes.device)
        origin = model.z_star if scale == 0 else zero
        walks.append(walk(origin, alpha=alpha, beta=beta, frames=frames, loop=loop, rng=rng))
    below = model.reconstruct(first) if first else None
    for noises in zip(*walks, strict=True):
        x = below
        for scale, noise in enumerate(noises, first):
            noise = noise * model.amplitudes[scale]
            previous = torch.zeros_like(noise) if x is None else resize(x, model.sizes[scale])
            x = model.generators[scale](noise, previous)
        yield to_picture(x)


@torch.inference_mode()
def upscale(model: SinGAN, picture: np.ndarray, *, factor: float = 4, seed: int = 0) -> Iterator[np.ndarray]:
    """Yield `picture`, H×W×3 uint8, larger and larger, at last `factor` times as wide and high (section 4.1).

    The top scale's generator, which has learned to add the finest details, is applied again and again, each time to
    the picture enlarged a little, about as much as from scale to scale.
    """
    height, width = picture.shape[:2]
    rng, last = seeded(seed), len(model.sizes) - 1
    times = max(1, round(log(factor) / log(UPSCALING_STEP)))
    x = from_picture(picture).to(model.amplitudes.device)
    for index in range(1, times + 1):
        enlarged = factor ** (index / times)
        x = resize(x, (round(height * enlarged), round(width * enlarged)))
        x = model.generators[last](model.noise(last, x.shape[2:], rng) * model.amplitudes[last], x)
        yield to_picture(x)
