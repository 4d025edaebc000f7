"""Large pictures through a network piece by piece, in memory that does not grow with the picture."""

from collections.abc import Callable, Iterator

import numpy as np
import torch

from gan_models.device import SHORT_OF_MEMORY, OutOfMemory, device_lock, free_memory, out_of_memory_as
from gan_models.images.tensors import to_image, to_tensor

BLEND = 8  # pixels of the input over which a tile fades into its neighbour
ALIGN = 16  # tiles start at multiples of this, for networks whose layers halve the picture up to four times


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
    raised cosine: each tile into its left neighbour, each finished row of tiles into the row above. So if the
    network sees no further than `overlap` pixels, the result is the whole picture's up to rounding (1/255); if it
    sees further, what is missing is blended and shows no seam.

    Only one tile at a time is a tensor, and blending happens in `out`: memory beyond `image` and `out` is that of
    one tile and of the `BLEND` rows where two rows of tiles meet. Closing the generator at any yield ends the work.

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
    done, total = 0, len(rows) * len(columns)
    for row in rows:
        kept, target = _kept(row, height, scale, overlap)
        strip = out[target]
        above = strip[: _fade(row, scale)].copy()
        for column in columns:
            piece = to_image(apply(to_tensor(image[row, column])))[kept]
            _paste(piece, strip, column, scale, overlap)
            done += 1
            if done % len(columns) == 0:
                strip[: len(above)] = _blend(above, strip[: len(above)], axis=0)
            yield done, total


def tiled_within_memory(
    apply: Callable[[torch.Tensor], torch.Tensor],
    image: np.ndarray,
    *,
    out: np.ndarray,
    device: torch.device,
    scale: int = 1,
    tile: int,
    overlap: int,
) -> Iterator[tuple[int, int]]:
    """Do what `tiled` does on `device`, holding its lock for a tile, with ever smaller tiles as memory runs out.

    Raises:
        OutOfMemory: Not even the smallest tile fits.
    """

    def compute(batch: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode(), device_lock(device), out_of_memory_as(_TileTooLarge):
            return apply(batch.to(device)).float().cpu()

    while True:
        try:
            yield from tiled(compute, image, out=out, scale=scale, tile=tile, overlap=overlap)
            return
        except _TileTooLarge:
            free_memory()
            tile //= 2
            if tile < smallest_tile(overlap):
                raise OutOfMemory(SHORT_OF_MEMORY) from None


class _TileTooLarge(Exception):
    pass


def _windows(length: int, tile: int, overlap: int) -> list[slice]:
    """Cut one axis into as few windows as will do, all about as long."""
    if length <= tile:
        return [slice(0, length)]
    shared = 2 * overlap + BLEND
    count = -(-(length - shared) // ((tile - shared) // ALIGN * ALIGN))
    stride = -(-(length - shared) // (count * ALIGN)) * ALIGN
    return [slice(i * stride, min(i * stride + stride + shared, length)) for i in range(count)]


def _kept(window: slice, length: int, scale: int, overlap: int) -> tuple[slice, slice]:
    """Return what is kept of a tile's result along one axis: its place in the tile, and in `out`."""
    start = window.start + (overlap if window.start > 0 else 0)
    stop = window.stop - (overlap if window.stop < length else 0)
    in_tile = slice((start - window.start) * scale, (stop - window.start) * scale)
    return in_tile, slice(start * scale, stop * scale)


def _fade(window: slice, scale: int) -> int:
    """Return how many pixels of a tile's result fade into what is before it: none at the picture's own edge."""
    return BLEND * scale if window.start > 0 else 0


def _paste(piece: np.ndarray, strip: np.ndarray, column: slice, scale: int, overlap: int) -> None:
    """Put `piece`, what became of `column`, into its row of tiles, faded into its left neighbour."""
    kept, target = _kept(column, strip.shape[1] // scale, scale, overlap)
    piece, place, fade = piece[:, kept], strip[:, target], _fade(column, scale)
    place[:, :fade] = _blend(place[:, :fade], piece[:, :fade], axis=1)
    place[:, fade:] = piece[:, fade:]


def _blend(before: np.ndarray, after: np.ndarray, axis: int) -> np.ndarray:
    """Return the passage from `before` to `after` along `axis`: a raised cosine's weights, of sum 1."""
    length = before.shape[axis]
    weight = (1 - np.cos(np.pi * (np.arange(length, dtype=np.float32) + 0.5) / length)) / 2
    weight = weight[:, None, None] if axis == 0 else weight[:, None]
    return np.rint(before + weight * (after.astype(np.float32) - before)).astype(np.uint8)
