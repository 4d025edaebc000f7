"""Limits and switches, read from `GAN_ATELIER_*` environment variables each time; and where the data lie."""

import os
from pathlib import Path


def _number(name: str, default: float) -> float:
    text = os.environ.get(f"GAN_ATELIER_{name}", "")
    try:
        return float(text) if text else default
    except ValueError:
        raise ValueError(f"GAN_ATELIER_{name} must be a number, not “{text}”.") from None


def max_megapixels() -> float:
    """Return the largest picture that is accepted, in millions of pixels."""
    return _number("MAX_MEGAPIXELS", 40)


def max_upload_mb() -> float:
    """Return the largest file that is accepted, in millions of bytes."""
    return _number("MAX_UPLOAD_MB", 25)


def max_result_megapixels() -> float:
    """Return the largest picture that is made, in millions of pixels."""
    return _number("MAX_RESULT_MEGAPIXELS", 100)


def device() -> str | None:
    """Return the device asked for ("cuda", "mps", "cpu"), or None to pick the best there is."""
    return os.environ.get("GAN_ATELIER_DEVICE") or None


def offline() -> bool:
    """Say whether the Hub must not be asked for anything."""
    return any(
        os.environ.get(name, "").lower() in {"1", "true", "yes", "on"}
        for name in ("GAN_ATELIER_OFFLINE", "HF_HUB_OFFLINE")
    )


def folder(name: str) -> Path:
    """Return the folder "weights" or "examples": of the source tree, or where the wheel put it, in this package."""
    package = Path(__file__).parent
    return package / name if (package / name).is_dir() else package.parent / name
