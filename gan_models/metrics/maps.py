"""Where two pictures of one size differ, as pictures to look at."""

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gan_models.jobs import check_wanted
from gan_models.metrics.measure import BAND, alike
from gan_models.metrics.ssim import WINDOW, ssim_map

PANEL, MARGIN, TEXT = (320, 170), 10, 13  # pixels
PAPER, INK = "#ffffff", "#44403c"
FILLS = {"Red": "#f5b5b5", "Green": "#b4deb9", "Blue": "#b5c9f5"}


def error_map(image: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, int]:
    """Return where two pictures differ, H×W×3 uint8 from black (not at all) to yellow (most), and the most.

    The difference is that of the channel that differs most, in levels of 0 to 255.

    Raises:
        ValueError: One is no picture, or they differ in size.
    """
    difference = cv2.absdiff(*alike(image, reference)).max(axis=2)
    most = int(difference.max())
    return _coloured(cv2.convertScaleAbs(difference, alpha=255 / max(most, 1)), cv2.COLORMAP_INFERNO), most


def similarity_map(image: np.ndarray, reference: np.ndarray) -> np.ndarray | None:
    """Return the SSIM around each pixel, H×W×3 uint8 from blue (0 or less) to yellow (1); see `ssim_map`.

    None for pictures under 11 pixels a side.

    Raises:
        ValueError: One is no picture, or they differ in size.
    """
    a, b = alike(image, reference)
    height, width = a.shape[:2]
    if min(height, width) < WINDOW:
        return None
    shown, rows, margin = np.empty((height, width), np.uint8), max(1, BAND // width), WINDOW // 2
    for top in range(0, height, rows):  # with the rows around each band that its windows reach
        check_wanted()
        bottom = min(top + rows, height)
        first = max(0, min(top - margin, height - WINDOW))
        last = max(bottom + margin, first + WINDOW)
        found = ssim_map(a[first:last], b[first:last])
        shown[top:bottom] = found[top - first : bottom - first].clip(0, 1) * 255 + 0.5
    return _coloured(shown, cv2.COLORMAP_CIVIDIS)


def histograms(image: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return a panel for each channel, H×W×3 uint8: how often each level is there, of `image` filled, else a line.

    Heights are roots of shares, so that what is rare is seen too.

    Raises:
        ValueError: One is no picture, or they differ in size.
    """
    pictures = alike(image, reference)
    width, height = PANEL
    drawn = Image.new("RGB", (width * len(FILLS), height), PAPER)
    pen, font = ImageDraw.Draw(drawn), ImageFont.load_default(TEXT)
    for channel, (name, fill) in enumerate(FILLS.items()):
        left, right = channel * width + MARGIN, (channel + 1) * width - MARGIN
        top, bottom = 2 * MARGIN + TEXT, height - MARGIN
        roots = [cv2.calcHist([picture], [channel], None, [256], [0, 256]).ravel() ** 0.5 for picture in pictures]
        high = max(root.max() for root in roots)
        x = np.linspace(left, right, 256)
        ours, theirs = (list(zip(x, bottom - root / high * (bottom - top), strict=True)) for root in roots)
        pen.polygon([(left, bottom), *ours, (right, bottom)], fill)
        pen.line(theirs, INK)
        means = [picture[:, :, channel].mean() for picture in pictures]
        pen.text((left, MARGIN), f"{name}: {means[0]:.0f} on average, the reference {means[1]:.0f}", INK, font)
    return np.asarray(drawn)


def _coloured(levels: np.ndarray, colours: int) -> np.ndarray:
    return cv2.cvtColor(cv2.applyColorMap(levels, colours), cv2.COLOR_BGR2RGB)
