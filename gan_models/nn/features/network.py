"""VGG-shaped networks whose inner activations serve as perceptual features."""

from collections.abc import Mapping, Sequence

import torch
from torch import nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class VGG(nn.Module):
    """A VGG (Simonyan and Zisserman 2015): blocks of 3×3 convolutions with ReLU, a pooling after each.

    Parameter names are torchvision's and timm's (`features.0.weight`, ...). VGG16 has depths 2-2-3-3-3,
    VGG19 2-2-4-4-4, both with channels 64-128-256-512-512 and max pooling.

    Args:
        channels: Width of each block.
        depths: Number of convolutions in each block.
        pool: "max" as published, or "average", whose gradients are smoother (Gatys et al. 2016, section 2).
        batch_norm: Normalise after each convolution. Only for training: `fold_batch_norm` removes it.
        num_classes: With this, a linear classifier on the averaged last block (`logits`).
    """

    def __init__(
        self,
        channels: Sequence[int] = (64, 128, 256, 512, 512),
        depths: Sequence[int] = (2, 2, 4, 4, 4),
        pool: str = "max",
        batch_norm: bool = False,
        num_classes: int | None = None,
    ):
        super().__init__()
        self.channels, self.depths, self.pool, self.num_classes = channels, depths, pool, num_classes
        self.layers: dict[str, int] = {}
        modules: list[nn.Module] = []
        width = 3
        for block, (block_width, depth) in enumerate(zip(channels, depths, strict=True), start=1):
            for index in range(1, depth + 1):
                modules.append(nn.Conv2d(width, block_width, 3, padding=1))
                if batch_norm:
                    modules.append(nn.BatchNorm2d(block_width))
                modules.append(nn.ReLU())
                self.layers[f"relu{block}_{index}"] = len(modules) - 1
                width = block_width
            modules.append(nn.MaxPool2d(2) if pool == "max" else nn.AvgPool2d(2, ceil_mode=True))
        self.features = nn.Sequential(*modules)
        self.classifier = nn.Linear(width, num_classes) if num_classes else None
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, image: torch.Tensor, layers: Sequence[str]) -> dict[str, torch.Tensor]:
        """Return the activations of `layers` ("relu1_1", "relu3_2", ...) for N×3×H×W pictures in [0, 1].

        Computes no further than the deepest layer asked for.

        Raises:
            ValueError: A layer is not one of `self.layers`.
        """
        unknown = [name for name in layers if name not in self.layers]
        if unknown:
            raise ValueError(f"No layer {unknown[0]} here; there are {', '.join(self.layers)}.")
        wanted = {self.layers[name]: name for name in layers}
        activations = {}
        x = (image - self.mean) / self.std
        for index, module in enumerate(self.features[: max(wanted, default=-1) + 1]):
            x = module(x)
            if index in wanted:
                activations[wanted[index]] = x
        return activations

    def logits(self, image: torch.Tensor) -> torch.Tensor:
        """Return the N×num_classes class scores of N×3×H×W pictures in [0, 1]."""
        return self.classifier(self.pooled(image))

    def pooled(self, image: torch.Tensor) -> torch.Tensor:
        """Return the last block averaged over the picture, N×channels, of N×3×H×W pictures in [0, 1]."""
        return self.features((image - self.mean) / self.std).mean(dim=(2, 3))

    def probe(self) -> torch.Tensor:
        """Return the deepest activation of a small grey picture, to check loaded weights."""
        deepest = list(self.layers)[-1]
        return self(torch.full((1, 3, 32, 32), 0.5, device=self.mean.device), [deepest])[deepest]


def fold_batch_norm(network: VGG) -> VGG:
    """Return the plain VGG that computes what `network`, trained with batch norm, computes in eval mode."""
    plain = VGG(network.channels, network.depths, network.pool, num_classes=network.num_classes)
    convolutions = [m for m in network.features if isinstance(m, nn.Conv2d)]
    norms = [m for m in network.features if isinstance(m, nn.BatchNorm2d)]
    targets = [m for m in plain.features if isinstance(m, nn.Conv2d)]
    with torch.no_grad():
        for conv, norm, target in zip(convolutions, norms, targets, strict=True):
            gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
            target.weight.copy_(conv.weight * gain[:, None, None, None])
            target.bias.copy_((conv.bias - norm.running_mean) * gain + norm.bias)
        if network.classifier is not None:
            plain.classifier.load_state_dict(network.classifier.state_dict())
    return plain.eval()


def features_only(state_dict: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Drop the classifier of a torchvision or timm state dict, whose layouts differ only there."""
    return {name: value for name, value in state_dict.items() if name.startswith("features.")}
