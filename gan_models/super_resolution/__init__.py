"""Super-resolution: SRResNet, SRGAN and Real-ESRGAN."""

from gan_models.super_resolution.backend import Upscaler, check_factor, check_size

__all__ = ["Upscaler", "check_factor", "check_size"]
