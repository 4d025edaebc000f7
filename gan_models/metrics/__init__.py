"""Measures of how near one picture, or one set of pictures, comes to another."""

from gan_models.metrics.ciede2000 import ciede2000
from gan_models.metrics.detection import detection_score, face_detection
from gan_models.metrics.fcn_score import fcn_score
from gan_models.metrics.fid import fid, kid
from gan_models.metrics.inception_score import inception_score
from gan_models.metrics.lpips import lpips
from gan_models.metrics.luma import luma, luma_psnr, luma_ssim
from gan_models.metrics.ms_ssim import ms_ssim
from gan_models.metrics.mse import mse
from gan_models.metrics.psnr import psnr
from gan_models.metrics.sifid import sifid
from gan_models.metrics.sliced_wasserstein import sliced_wasserstein
from gan_models.metrics.ssim import ssim, ssim_map

__all__ = [
    "ciede2000",
    "detection_score",
    "face_detection",
    "fcn_score",
    "fid",
    "inception_score",
    "kid",
    "lpips",
    "luma",
    "luma_psnr",
    "luma_ssim",
    "ms_ssim",
    "mse",
    "psnr",
    "sifid",
    "sliced_wasserstein",
    "ssim",
    "ssim_map",
]
