"""Large pictures through a network piece by piece, in memory that does not grow with the picture."""

from collections.abc import Callable, Iterator

import numpy as np
import torch

from gan_models.images.tensors import to_image, to_tensor

BLEND = 8  # pixels of the input over which a tile fades into its neighbour
ALIGN = 4  # tiles start at multiples of this, for networks that fold 2×2 or 4×4 pixels into channels


def smallest_tile(overlap: int) -> int:
    """Return the smallest tile that `tiled` accepts with `overlap`."""
    return 2 * overlap + BLEND + ALIGN


def tiled(
    apply: Callable[[torch.Tensor], torch.Tensor],
    image: np.ndarray,
    *,
    out: np.ndarray,
    scale: int = 1,
    tile: int = 192,
    overlap: int = 16,
) -> Iterator[tuple[int, int]]:
    """Fill `out` with what `apply` makes of `image`, tile by tile, yielding (tiles done, tiles in all).

    On each side where a tile is cut from the picture, `overlap` pixels only give context: what the network makes
    of them is thrown away. Next to that margin the tile fades into its neighbour over `BLEND` pixels, along a
    raised cosine. So if the network sees no further than `overlap` pixels, the result is the whole picture's up to
    rounding (1/255); if it sees further, what is missing is blended and shows no seam.

    Only one tile at a time is a tensor, and blending happens in `out`: memory beyond `image` and `out` is that of
    one tile, whatever the picture. Closing the generator at any yield ends the work.

    Args:
        apply: Maps a 1×3×h×w float tensor in [0, 1] to 1×3×(scale·h)×(scale·w).
        image: H×W×3, uint8.
        out: (scale·H)×(scale·W)×3, uint8.
        scale: How many times larger the result is.
        tile: Pixels of the input on each side that `apply` is given at most.
        overlap: Pixels of context on each cut side, best the network's receptive radius.

    Raises:
        ValueError: `tile` is below `smallest_tile(overlap)`.
    """
    if tile < smallest_tile(overlap):
        raise ValueError(f"Tiles must have at least {smallest_tile(overlap)} pixels, not {tile}.")
    height, width = image.shape[:2]
    rows, columns = _windows(height, tile, overlap), _windows(width, tile, overlap)
    windows = [(row, column) for row in rows for column in columns]
    for done, window in enumerate(windows, start=1):
        piece = to_image(apply(to_tensor(image[window])))
        _paste(piece, out, window, (height, width), scale, overlap)
        yield done, len(windows)


def _windows(length: int, tile: int, overlap: int) -> list[slice]:
    """Cut one axis into as few windows as will do, all about as long."""
    if length <= tile:
        return [slice(0, length)]
    shared = 2 * overlap + BLEND
    count = -(-(length - shared) // ((tile - shared) // ALIGN * ALIGN))
    stride = -(-(length - shared) // (count * ALIGN)) * ALIGN
    return [slice(i * stride, min(i * stride + stride + shared, length)) for i in range(count)]


def _paste(
    piece: np.ndarray,
    out: np.ndarray,
    window: tuple[slice, slice],
    size: tuple[int, int],
    scale: int,
    overlap: int,
) -> None:
    """Blend `piece`, what became of `window`, over what its upper and left neighbours have left in `out`."""
    weights, kept = [], []
    for side, length in zip(window, size, strict=True):
        end = side.stop - (overlap if side.stop < length else 0)
        weights.append(_fade((end - side.start) * scale, overlap * scale, BLEND * scale, cut=side.start > 0))
        kept.append(slice(side.start * scale, end * scale))
    piece = piece[: len(weights[0]), : len(weights[1])]
    target = out[kept[0], kept[1]]
    fade = max((overlap + BLEND) * scale, 1)
    for rows, columns in ((slice(0, fade), slice(None)), (slice(fade, None), slice(0, fade))):
        weight = (weights[0][rows, None] * weights[1][None, columns])[:, :, None]
        below, above = target[rows, columns], piece[rows, columns]
        below[:] = np.rint(below + weight * (above.astype(np.float32) - below))
    target[fade:, fade:] = piece[fade:, fade:]


def _fade(length: int, margin: int, blend: int, cut: bool) -> np.ndarray:
    """Return weights that are 0 in the margin, rise over the blend and stay 1; all 1 at the picture's own edge."""
    if not cut:
        return np.ones(length, np.float32)
    distance = np.arange(length, dtype=np.float32) - margin + 0.5
    return (1 - np.cos(np.pi * np.clip(distance / blend, 0, 1))) / 2
