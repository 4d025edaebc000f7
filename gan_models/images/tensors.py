"""Between pictures (H×W×3, uint8) and tensors (1×3×H×W, float, in [0, 1])."""

import numpy as np
import torch


def to_tensor(image: np.ndarray) -> torch.Tensor:
    """Return `image`, H×W×3 uint8, as a 1×3×H×W float32 tensor in [0, 1], channels last."""
    pixels = torch.from_numpy(np.ascontiguousarray(image))
    return pixels.permute(2, 0, 1).unsqueeze(0).float().div_(255)


def to_image(tensor: torch.Tensor) -> np.ndarray:
    """Return a 1×3×H×W tensor as H×W×3 uint8: clamped to [0, 1] and rounded to the nearest of 256 values."""
    pixels = tensor[0].detach().float().clamp(0, 1).mul(255).add_(0.5).to("cpu", torch.uint8)
    return pixels.permute(1, 2, 0).contiguous().numpy()


def to_sheet(pictures: torch.Tensor, columns: int) -> np.ndarray:
    """Return N×3×H×W pictures in [0, 1] in rows of `columns`, which divides N, as one H×W×3 uint8."""
    pixels = (pictures.float().clamp(0, 1) * 255).round().to("cpu", torch.uint8)
    rows = pixels.unflatten(0, (-1, columns)).permute(0, 3, 1, 4, 2)
    return rows.flatten(2, 3).flatten(0, 1).contiguous().numpy()
