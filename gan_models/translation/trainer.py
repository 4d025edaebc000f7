"""Train pix2pix (Isola et al. 2017) on pairs, and CycleGAN (Zhu et al. 2017) on two sets."""

from typing import Literal

import torch
from torch import nn

from gan_models.nn.layers import NLayerDiscriminator
from gan_models.training.paired import CrossEntropy, Paired
from gan_models.training.unpaired import CycleGAN, Unpaired
from gan_models.translation.network import Colourer, HoleFiller, Redrawer, UnetGenerator, patch_discriminator
from gan_models.translation.pairs import HELD_OUT, TASKS, Pairs, TwoSets

DOWNS = 6  # halvings of the U-Net
GATED = {"channels": (20, 40, 80, 128), "blocks": (1, 1, 2, 3), "up_blocks": (1, 1, 2)}  # 2.1 million parameters
ALONE = 0.6  # share of a training of these networks in which the mean error teaches alone
RARE = 1.0  # how much more the error counts where colours are as far from grey as the batch's on average


def compact_network(task: str) -> Colourer | HoleFiller:
    """Return the untrained network of a task that leaves most of the picture to what it sees."""
    return Colourer(**GATED) if task == "grey" else HoleFiller(inputs=4, **GATED)


def _begin(module: nn.Module) -> None:
    """Draw the weights that training begins with (section 6.2)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


class Pix2Pix(Paired):
    """Train pix2pix on pairs; leave `translate-TASK-compact.safetensors`.

    What has no pixels to go by, a map or lines, is drawn by the paper's U-Net. Grey pictures and holes are for gated
    networks, which begin from what they see; they learn by the mean error at first, and the discriminator comes in
    later. The error of colours counts the more the farther they are from grey, since rare ones are lost in the mean
    (as by Zhang et al. 2016, section 2.2, who rebalance classes).

    Args:
        data: For facades folder of pairs side by side, photo and labels; for the others of photos.
        task: What is translated to photos.
        steps: Iterations.
        generator: Whether the U-Net has connections from each layer to its mirror.
        patch: Side of the patches that the discriminator sees; 0 for no discriminator.
        side: Of the pictures, a multiple of 64; the task's own by default.
        l1_weight: Of the mean absolute error, beside the discriminator's verdict.
        lr: Learning rate to begin with.
        batch_size: Pairs in a step.
    """

    task: Literal["facades", "edges", "grey", "masked"]
    steps: int = 10_000
    generator: Literal["unet", "encoder-decoder"] = "unet"
    patch: int = 70
    side: int | None = None
    l1_weight: float = 100.0
    lr: float = 4e-4
    batch_size: int = 4
    ngf, ndf = 24, 32
    held_out = HELD_OUT

    def __post_init__(self) -> None:
        super().__post_init__()
        self.name = f"translate-{self.task}-compact"
        self.side = self.side or TASKS[self.task].side
        if self.side % 2**DOWNS:
            raise ValueError(f"The side must be a multiple of {2**DOWNS} pixels, not {self.side}.")
        self.gated = self.task in ("grey", "masked")
        if self.gated and self.generator != "unet":
            raise ValueError(f"The task {self.task} has a network of its own, not the {self.generator}.")
        self.adversarial_from = round(ALONE * self.steps) if self.gated else 0

    def networks(self) -> tuple[nn.Module, CrossEntropy | None]:
        """Return the generator, and a discriminator of inputs with photos."""
        channels = TASKS[self.task].input_nc
        if self.gated:
            network = compact_network(self.task)
        else:
            skips = self.generator == "unet"
            network = UnetGenerator(channels, 3, DOWNS, self.ngf, "batch", skips=skips).apply(_begin)
        if not self.patch:
            return network, None
        discriminator = patch_discriminator(self.patch, channels + 3, self.ndf, "instance")
        return network, CrossEntropy(discriminator.apply(_begin))

    def pairs(self) -> Pairs:
        """Return inputs and photos."""
        return Pairs(self.data, TASKS[self.task], self.side, self.held_out)

    def content(self, made: torch.Tensor, original: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the mean absolute error (equation 3), of colours weighted by how far they are from grey."""
        error = (made.float() - original).abs()
        if self.task == "grey":
            chroma = (original - original.mean(1, keepdim=True)).abs().mean(1, keepdim=True)
            error = error * (1 + RARE * chroma / (chroma.mean() + 1e-6)) / (1 + RARE)
        return {"l1": self.l1_weight * error.mean()}


class CycleTranslation(Unpaired):
    """Train CycleGAN on two kinds of pictures; leave `a-to-b.safetensors` and `b-to-a.safetensors`.

    The result is the PSNR of pictures of A that come back from B.

    Args:
        data: Folder of the folders trainA and trainB; with the task drawings, of photos.
        task: What the two kinds are: what the folders hold, or photos and pencil drawings of other photos.
        steps: Iterations.
        side: Of the pictures, a multiple of four and at least 32.
        cycle_weight: Of what comes back (section 4 of the paper).
        identity_weight: Of what a generator makes of its own kind (section 5.2), which keeps colours; 0 for none.
        lr: Learning rate of the first half.
    """

    task: Literal["folders", "drawings"] = "folders"
    steps: int = 8_000
    side: int = 128
    cycle_weight: float = 10.0
    identity_weight: float = 5.0
    lr: float = 3e-4
    channels, blocks, ndf = (16, 32, 64, 128), 6, 32  # 2.2 million parameters of a generator
    held_out = HELD_OUT

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.side < 32 or self.side % 4:
            raise ValueError(f"The side must be a multiple of four and at least 32 pixels, not {self.side}.")

    def networks(self) -> CycleGAN:
        """Return generators and discriminators."""
        return CycleGAN(
            lambda: Redrawer(channels=self.channels, blocks=self.blocks, context=True),
            lambda: NLayerDiscriminator(3, self.ndf, n_layers=3, norm="instance"),
            self.cycle_weight,
            self.identity_weight,
        )

    def sets(self) -> TwoSets:
        """Return pictures of both kinds."""
        return TwoSets(self.data, self.task, self.side, self.held_out)
