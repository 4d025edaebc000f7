"""Measures of how near one picture, or one set of pictures, comes to another."""

from gan_models.metrics.ciede2000 import ciede2000
from gan_models.metrics.fid import fid, kid
from gan_models.metrics.inception_score import inception_score
from gan_models.metrics.luma import luma, luma_psnr, luma_ssim
from gan_models.metrics.psnr import psnr
from gan_models.metrics.sifid import sifid
from gan_models.metrics.ssim import ssim

__all__ = ["ciede2000", "fid", "inception_score", "kid", "luma", "luma_psnr", "luma_ssim", "psnr", "sifid", "ssim"]
