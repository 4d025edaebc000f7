"""The generator of rosinality/stylegan2-pytorch: its layout with random numbers, and its formulas in float64."""

from math import sqrt

import torch
import torch.nn.functional as F

WIDTH, LAYERS = 24, 3
CHANNELS = {4: 16, 8: 16, 16: 8, 32: 4}
CONFIG = {
    "z_dim": WIDTH,
    "c_dim": 0,
    "w_dim": WIDTH,
    "img_resolution": 32,
    "img_channels": 3,
    "num_mapping_layers": LAYERS,
    "channel_base": 128,
    "channel_max": 16,
}
KERNEL = torch.outer(torch.tensor([1.0, 3, 3, 1]), torch.tensor([1.0, 3, 3, 1])) / 16


def checkpoint(dtype: torch.dtype = torch.float32) -> dict:
    """Return a checkpoint with random numbers in every parameter."""
    rng = torch.Generator().manual_seed(0)
    state = {}

    def put(name, *shape, around=0.0, scale=1.0):
        state[name] = (torch.randn(shape, generator=rng) * scale + around).to(dtype)

    def modulated(name, inputs, outputs, kernel):
        put(f"{name}.conv.weight", 1, outputs, inputs, kernel, kernel)
        put(f"{name}.conv.modulation.weight", inputs, WIDTH)
        put(f"{name}.conv.modulation.bias", inputs, around=1, scale=0.3)

    def styled(name, inputs, outputs):
        modulated(name, inputs, outputs, 3)
        put(f"{name}.noise.weight", 1, scale=0.3)
        put(f"{name}.activate.bias", outputs, scale=0.3)

    def to_rgb(name, inputs):
        modulated(name, inputs, 3, 1)
        put(f"{name}.bias", 1, 3, 1, 1)

    for index in range(1, LAYERS + 1):
        put(f"style.{index}.weight", WIDTH, WIDTH, scale=100)
        put(f"style.{index}.bias", WIDTH, scale=30)
    put("input.input", 1, CHANNELS[4], 4, 4)
    styled("conv1", CHANNELS[4], CHANNELS[4])
    to_rgb("to_rgb1", CHANNELS[4])
    put("noises.noise_0", 1, 1, 4, 4)
    for index, side in enumerate((8, 16, 32)):
        styled(f"convs.{2 * index}", CHANNELS[side // 2], CHANNELS[side])
        styled(f"convs.{2 * index + 1}", CHANNELS[side], CHANNELS[side])
        to_rgb(f"to_rgbs.{index}", CHANNELS[side])
        state[f"convs.{2 * index}.conv.blur.kernel"] = KERNEL.clone()
        state[f"to_rgbs.{index}.upsample.kernel"] = KERNEL.clone()
        put(f"noises.noise_{2 * index + 1}", 1, 1, side, side)
        put(f"noises.noise_{2 * index + 2}", 1, 1, side, side)
    return {"g_ema": state, "latent_avg": torch.randn(WIDTH, generator=rng)}


class Formula:
    """The generator, picture by picture, with one kernel for each."""

    def __init__(self, content: dict):
        self.state = {name: value.double() for name, value in content["g_ema"].items()}
        self.average = content["latent_avg"].double()

    def __call__(self, z: torch.Tensor, truncation: float = 1) -> torch.Tensor:
        """N×WIDTH latents to N×3×32×32, with the noise of the checkpoint."""
        w = self.average + truncation * (self.mapped(z.double()) - self.average)
        return torch.cat([self.picture(row) for row in w])

    def mapped(self, z):
        x = z / (z.square().mean(1, keepdim=True) + 1e-8).sqrt()
        for index in range(1, LAYERS + 1):
            weight, bias = self.state[f"style.{index}.weight"], self.state[f"style.{index}.bias"]
            x = lrelu(x @ weight.T * (0.01 / sqrt(WIDTH)) + 0.01 * bias)
        return x

    def picture(self, w):
        x = self.styled("conv1", self.state["input.input"], w, 0)
        rgb = self.to_rgb("to_rgb1", x, w)
        for index in range(3):
            x = self.styled(f"convs.{2 * index}", x, w, 2 * index + 1, up=True)
            x = self.styled(f"convs.{2 * index + 1}", x, w, 2 * index + 2)
            kernel = self.state[f"to_rgbs.{index}.upsample.kernel"]
            rgb = self.to_rgb(f"to_rgbs.{index}", x, w) + filtered(apart(rgb), kernel, 2, 1)
        return rgb

    def kernel(self, name, w):
        """The weights of one picture: at their scale, times the style of each input."""
        weight, linear = self.state[f"{name}.conv.weight"][0], self.state[f"{name}.conv.modulation.weight"]
        style = linear @ w / sqrt(WIDTH) + self.state[f"{name}.conv.modulation.bias"]
        return weight / sqrt(weight[0].numel()) * style[None, :, None, None]

    def styled(self, name, x, w, noise, up=False):
        kernel = self.kernel(name, w)
        kernel = kernel / (kernel.square().sum([1, 2, 3], keepdim=True) + 1e-8).sqrt()
        if up:
            x = F.conv_transpose2d(x, kernel.transpose(0, 1), stride=2)
            x = filtered(x, self.state[f"{name}.conv.blur.kernel"], 1, 1)
        else:
            x = F.conv2d(x, kernel, padding=1)
        x = x + self.state[f"{name}.noise.weight"] * self.state[f"noises.noise_{noise}"]
        return lrelu(x + self.state[f"{name}.activate.bias"][None, :, None, None])

    def to_rgb(self, name, x, w):
        return F.conv2d(x, self.kernel(name, w)) + self.state[f"{name}.bias"]


def lrelu(x):
    return torch.where(x > 0, x, 0.2 * x) * sqrt(2)


def apart(x):
    """Zeros after each pixel, to the right and below."""
    y = x.new_zeros(*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3])
    y[:, :, ::2, ::2] = x
    return y


def filtered(x, kernel, before, after):
    x = F.pad(x, (before, after, before, after))
    return F.conv2d(x, kernel.flip(0, 1).expand(x.shape[1], 1, 4, 4), groups=x.shape[1])
