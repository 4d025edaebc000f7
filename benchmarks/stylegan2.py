"""Measure pictures a second of StyleGAN2's generator on the CPU, against the naive way to compute the same numbers.

From the project's folder:

    python -m benchmarks.stylegan2 --sizes 64 256 1024 --threads 4

The naive way is that of the formulas: a kernel of its own for each picture, all of them in one grouped convolution,
and filters over pictures with zeros between the pixels, channels first.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from copy import deepcopy
from math import inf, sqrt
from time import perf_counter

import torch
import torch.nn.functional as F

from benchmarks.super_resolution import markdown
from gan_models.stylegan2.network import Generator, SynthesisBlock, SynthesisLayer, ToRGB

SIZES = {
    64: {"z_dim": 128, "w_dim": 128, "num_mapping_layers": 4, "channel_base": 2048, "channel_max": 128},
    256: {"z_dim": 512, "w_dim": 512, "channel_base": 16384, "channel_max": 512},
    1024: {"z_dim": 512, "w_dim": 512, "channel_base": 32768, "channel_max": 512},
}
BATCHES = (1, 4)
TOLERANCE = 1e-4

Draw = Callable[[torch.Tensor], torch.Tensor]


def new_generator(size: int) -> Generator:
    """Return a generator of the shape for `size`, with random weights and with noise."""
    torch.manual_seed(0)
    generator = Generator(c_dim=0, img_resolution=size, img_channels=3, **SIZES[size]).eval().requires_grad_(False)
    for name, value in generator.named_parameters():
        if name.endswith("noise_strength"):
            value.fill_(0.1)
    return generator


# --- The naive way


def own_kernels(layer: SynthesisLayer | ToRGB, styles: torch.Tensor, demodulate: bool) -> torch.Tensor:
    """Return N×O×I×k×k: the layer's weights, scaled by each picture's styles."""
    kernels = layer.weight * styles[:, None, :, None, None]
    if demodulate:
        kernels = kernels * (kernels.square().sum([2, 3, 4], keepdim=True) + 1e-8).rsqrt()
    return kernels


def grouped(x: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
    """Convolve each of N pictures with its own of N×O×I×k×k kernels."""
    count, outputs, _, size, _ = kernels.shape
    x = F.conv2d(x.flatten(0, 1)[None], kernels.flatten(0, 1), padding=size // 2, groups=count)
    return x.unflatten(1, (count, outputs))[0]


def grouped_twice_as_large(x: torch.Tensor, kernels: torch.Tensor, taps: torch.Tensor) -> torch.Tensor:
    """The same with zeros between the pixels, and filtered."""
    count, outputs = kernels.shape[:2]
    transposed = kernels.transpose(1, 2).flatten(0, 1)
    x = F.conv_transpose2d(x.flatten(0, 1)[None], transposed, stride=2, groups=count)
    return filtered(x.unflatten(1, (count, outputs))[0], 4 * taps, (1, 1, 1, 1))


def filtered(x: torch.Tensor, taps: torch.Tensor, padding: tuple[int, int, int, int]) -> torch.Tensor:
    """Pad N×C×H×W and filter each channel."""
    x = F.pad(x, padding)
    return F.conv2d(x, taps.flip([0, 1]).repeat(x.shape[1], 1, 1, 1), groups=x.shape[1])


def twice_as_large(x: torch.Tensor, taps: torch.Tensor) -> torch.Tensor:
    """Enlarge N×C×H×W: zeros between the pixels, then the filter."""
    count, channels, height, width = x.shape
    x = F.pad(x.reshape(count, channels, height, 1, width, 1), (0, 1, 0, 0, 0, 1))
    return filtered(x.reshape(count, channels, 2 * height, 2 * width), 4 * taps, (2, 1, 2, 1))


def naive_layer(layer: SynthesisLayer, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """Compute what `layer` does."""
    kernels = own_kernels(layer, layer.affine(w), demodulate=True)
    x = grouped_twice_as_large(x, kernels, layer.resample_filter) if layer.up else grouped(x, kernels)
    x = x + layer.noise_const * layer.noise_strength + layer.bias.view(1, -1, 1, 1)
    return F.leaky_relu(x, 0.2) * sqrt(2)


def naive_block(
    block: SynthesisBlock, x: torch.Tensor | None, picture: torch.Tensor | None, ws: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute what `block` does, in the architecture "skip"."""
    if x is None:
        x = block.const.repeat(len(ws), 1, 1, 1)
    else:
        x = naive_layer(block.conv0, x, ws[:, 0])
    x = naive_layer(block.conv1, x, ws[:, block.num_conv - 1])
    styles = block.torgb.affine(ws[:, block.num_conv]) / sqrt(x.shape[1])
    colours = grouped(x, own_kernels(block.torgb, styles, demodulate=False)) + block.torgb.bias.view(1, -1, 1, 1)
    return x, colours if picture is None else twice_as_large(picture, block.resample_filter) + colours


def naive(generator: Generator) -> Draw:
    """Return a function that computes what `generator` does from the same weights, noise "const"."""

    @torch.inference_mode()
    def draw(z: torch.Tensor) -> torch.Tensor:
        ws = generator.mapping(z)
        x = picture = None
        first = 0
        for resolution in generator.synthesis.resolutions:
            block = getattr(generator.synthesis, f"b{resolution}")
            x, picture = naive_block(block, x, picture, ws[:, first:])
            first += block.num_conv
        return picture

    return draw


# --- Measuring


def shipped(generator: Generator) -> Draw:
    """Return a function that runs `generator` as the app does."""
    generator = generator.to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def draw(z: torch.Tensor) -> torch.Tensor:
        return generator(z, noise_mode="const")

    return draw


def seconds(draw: Draw, z: torch.Tensor) -> float:
    """Return how long one call takes."""
    start = perf_counter()
    draw(z)
    return perf_counter() - start


def speed(sizes: Sequence[int], repeats: int = 5) -> str:
    """Return a markdown table of pictures a second at each size, alone and in batches.

    Both ways take turns, so that what else the machine does meets both alike; the fastest run of each counts.

    Raises:
        ValueError: `repeats` is not positive, or the two ways do not give the same numbers.
    """
    if repeats < 1:
        raise ValueError("The number of runs must be positive.")
    rows = []
    for size in sizes:
        generator = new_generator(size)
        ways = naive(generator), shipped(deepcopy(generator))
        for batch in BATCHES:
            z = torch.randn(batch, SIZES[size]["z_dim"], generator=torch.Generator().manual_seed(1))
            expected, found = (draw(z) for draw in ways)
            difference = ((found - expected).abs().max() / expected.abs().max()).item()
            if not difference < TOLERANCE:
                raise ValueError(f"At {size} pixels the results differ by {difference:.1e} of their range.")
            best = [inf, inf]
            for _ in range(repeats):
                best = [min(now, seconds(draw, z)) for now, draw in zip(best, ways, strict=True)]
            slow, fast = (batch / time for time in best)
            row = [f"{size}×{size}", str(batch), f"{slow:.3g}", f"{fast:.3g}"]
            rows.append([*row, f"{fast / slow:.2f}", f"{difference:.0e}"])
    header = ["Size", "Batch", "Naive (pictures/s)", "Ours (pictures/s)", "Speed (naive = 1)", "Difference"]
    title = f"CPU, {torch.get_num_threads()} threads, torch {torch.__version__}, best of {repeats}"
    return f"{title}\n\n{markdown(header, rows)}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, print the table, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.stylegan2",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--sizes", type=int, nargs="+", choices=SIZES, default=list(SIZES), help="of the pictures")
    parser.add_argument("--threads", type=int, help="that PyTorch computes with; default: all")
    parser.add_argument("--repeats", type=int, default=5, help="runs, of which the fastest counts")
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        print(speed(options.sizes, options.repeats))
    except ValueError as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
