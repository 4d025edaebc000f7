"""What the quality metrics tab measures: two pictures, two sets, and a picture by what it was trained on."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from demos import components as ui
from demos.gpu import on_gpu
from gan_models.images import decode, flatten
from gan_models.images.provenance import fingerprint, make_record
from gan_models.jobs import Step
from gan_models.metrics import maps
from gan_models.metrics.measure import MEASURES, require_size, steps
from gan_models.metrics.sets import ENOUGH
from gan_models.metrics.sets import measure_sets as compare

DEFAULT = "features-compact"
MOST = 5000  # pictures in a set
MOST_MEGAPIXELS = 4.0  # of a picture for SIFID
INFINITE = "Infinity"  # as JSON has no number for it
PAIR = {  # title, how a value is written, and what it means
    "psnr": ("PSNR", "{:.2f} dB", "higher is nearer; ∞ for equal pictures"),
    "ssim": ("SSIM", "{:.4f}", "1 is equal; needs 11 pixels a side"),
    "ms_ssim": ("MS-SSIM", "{:.4f}", "1 is equal; needs 176 pixels a side"),
    "mse": ("MSE", "{:.2f}", "0 is equal; levels of 0 to 255, squared"),
    "ciede2000": ("CIEDE2000", "{:.2f}", "0 is equal; 1 is just visible"),
    "lpips": ("LPIPS", "{:.4f}", "0 is equal; needs vgg16 and lpips-vgg16 here"),
}
SETS = {
    "fid": ("FID", "0 is equal; lower is nearer"),
    "kid": ("KID", "about 0 for one distribution; lower is nearer"),
    "inception_score": ("Inception Score", "of the first set; higher is better"),
    "inception_score_deviation": ("its deviation", "over ten parts; needs 100 pictures"),
    "sliced_wasserstein": ("Sliced Wasserstein", "0 is equal; needs pictures as large as the squares"),
    "images": ("Pictures", f"in the first set; better {ENOUGH:,} or more"),
    "references": ("References", "in the second set, likewise"),
}


def measure(image: str, reference: str) -> Iterator[tuple]:
    """Measure how near a picture comes to another of the same size.

    Args:
        image: The picture, in any common format; transparency is laid on white.
        reference: What it should be.

    Returns:
        Values by name: psnr in dB, ssim, ms_ssim, mse, ciede2000, and lpips if its weights are on this machine. For
        equal pictures psnr is the text "Infinity", which JSON has no number for and which Python's float and
        JavaScript's Number read. What can't be said of so small a picture is left out. Then the same as a table, a
        map of where they differ, one of the SSIM (none for a picture under 11 pixels a side), and histograms.
    """
    picture, wanted = decode(image), decode(reference)
    require_size(wanted, *picture.shape[:2])

    def work() -> Iterator[Step]:
        found = yield from ui.until_result(steps(picture, wanted))
        yield Step(1, 1, message="Drawing the maps")
        different, most = maps.error_map(picture, wanted)
        alike = maps.similarity_map(picture, wanted)
        shown = [different, alike, maps.histograms(picture, wanted)]
        names = ("error-map.png", "ssim-map.png", "histograms.png")
        paths = [
            None if drawn is None else ui.view(drawn, ui.new_file(name))
            for drawn, name in zip(shown, names, strict=True)
        ]
        values = {name: INFINITE if math.isinf(value) else value for name, value in found.result.items()}
        record = make_record(task="measuring", image=fingerprint(image), reference=fingerprint(reference))
        height, width = picture.shape[:2]
        message = f"{width} × {height} pixels, {most} levels of 255 apart at most,"
        yield Step(1, 1, message=message, result=ui.Made((values, _pair_table(found.result), *paths), record))

    yield from ui.stream(work(), None, lambda step: (), idle=(None,) * 5)


@on_gpu
def measure_sets(
    images: list[str] | None, references: list[str] | None, model: str = DEFAULT, side: int = 64
) -> Iterator[tuple]:
    """Compare two sets of pictures by the features of a network.

    Args:
        images: The pictures that are judged, or ZIP archives of them, 5000 pictures at most.
        references: Those that they should resemble, likewise.
        model: "features-compact", or "inception-fid" for figures that compare with published ones.
        side: Pixels of the squares that the compact network sees, and that details are compared in: 32, 64 or 128.

    Returns:
        Values by name: fid, kid, inception_score and inception_score_deviation of the images (null under 100
        pictures), sliced_wasserstein if no picture is smaller than the squares, the numbers of images and references,
        the network under features, and a note on what that is good for. Then the same as a table, and the note.
    """
    for paths, name in ((images, "first"), (references, "second")):
        if not paths:
            raise ValueError(f"Choose the {name} set first.")

    def work() -> Iterator[Step]:
        options = {"features": model, "side": side, "most": MOST}
        found = (yield from ui.until_result(compare(images, references, **options))).result
        record = make_record(task="measuring sets", model=model, side=side)
        message = f"{found['images']} and {found['references']} pictures compared"
        yield Step(1, 1, message=message, result=ui.Made((found, _sets_table(found), ui.note(found["note"])), record))

    yield from ui.stream(work(), model, lambda step: (), idle=(None, None, ""))


@on_gpu
def sifid(image: str, reference: str, model: str = DEFAULT) -> Iterator[tuple]:
    """Measure how alike the textures of two pictures are, wherever they lie: of any sizes, but of like scale.

    Args:
        image: A picture, say one that a model of a single picture drew; 16 pixels a side to 4 megapixels.
        reference: The picture that the model was trained on.
        model: "features-compact", or "inception-fid" for figures that compare with published ones.

    Returns:
        The distance, 0 for equal pictures.
    """
    from gan_models import metrics

    pictures = [flatten(decode(path)) for path in (image, reference)]
    if max(picture.shape[0] * picture.shape[1] for picture in pictures) > MOST_MEGAPIXELS * 1e6:
        raise ValueError(f"SIFID takes pictures of {MOST_MEGAPIXELS:g} megapixels at most; reduce both alike.")

    def work() -> Iterator[Step]:
        yield Step(0, 1, message="Comparing the textures")
        distance = round(metrics.sifid(*pictures, features=model), 6)
        hashes = {"image": fingerprint(image), "reference": fingerprint(reference)}
        made = ui.Made((distance,), make_record(task="measuring textures", model=model, **hashes))
        yield Step(1, 1, message="Measured", result=made)

    yield from ui.stream(work(), model, lambda step: (), idle=(None,))


def _pair_table(found: Mapping[str, float]) -> list[list[str]]:
    rows = []
    for name in MEASURES:
        title, written, meaning = PAIR[name]
        value = written.format(found[name]).replace("inf", "∞") if name in found else "–"
        rows.append([title, value, meaning])
    return rows


def _sets_table(found: Mapping[str, Any]) -> list[list[str]]:
    rows = []
    for name, (title, meaning) in SETS.items():
        value = found.get(name)
        shown = f"{value:.4f}" if isinstance(value, float) else "–" if value is None else f"{value:,}"
        rows.append([title, shown, meaning])
    return rows
