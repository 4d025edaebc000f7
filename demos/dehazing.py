"""Dehazing: see through fog, smoke and haze."""

from collections.abc import Iterator

from demos import components as ui
from demos.gpu import on_gpu
from demos.restoration import Restorer, reference_input, strength

TITLE = "Dehazing"
TASK = "dehazing"
DEFAULT = "dehaze-candy-compact"


def _backend(model: str):
    from gan_models.dehazing import Dehazer  # brings PyTorch, so not before it is needed

    return Dehazer.cached(model)


restorer = Restorer(TASK, _backend)


@on_gpu
def dehaze(image: str, model: str = DEFAULT, strength: float = 1.0, reference: str | None = None) -> Iterator[tuple]:
    """Remove haze, fog or smoke from a picture.

    Args:
        image: The hazy picture, in any common format; transparency is kept.
        model: A name that /models lists for the task "dehazing".
        strength: From 0, the picture as it came, to 1, all the haze that the model sees.
        reference: The picture without haze, of the same size: the status then says PSNR and SSIM before and after.

    Returns:
        The clear picture, a PNG of the input's size that carries the settings that made it.
    """
    yield from restorer.one(image, model, reference, strength=strength)


@on_gpu
def dehaze_pictures(images: list[str], model: str = DEFAULT, strength: float = 1.0) -> Iterator[tuple]:
    """Remove haze, fog or smoke from several pictures.

    Args:
        images: Hazy pictures, in any common formats, 200 at most.
        model: A name that /models lists for the task "dehazing".
        strength: From 0, the pictures as they came, to 1, all the haze that the model sees.

    Returns:
        A gallery of PNG files; then all of them in a ZIP file. Pictures that can't be read are left out and named.
    """
    yield from restorer.several(images, model, strength=strength)


@on_gpu
def dehaze_film(film: str, model: str = DEFAULT, strength: float = 1.0) -> Iterator[tuple]:
    """Remove haze, fog or smoke from a film, steadily from picture to picture.

    Args:
        film: MP4, MOV, WebM, MKV, AVI or GIF, 3600 pictures at most.
        model: A name that /models lists for the task "dehazing".
        strength: From 0, the film as it came, to 1, all the haze that the model sees.

    Returns:
        A video, MP4 without sound, that carries the settings that made it.
    """
    yield from restorer.film(film, model, strength=strength)


def build() -> ui.Ports:
    """Lay out the tab inside the Blocks that is being built."""
    sentence = "Removes haze, fog and smoke, by networks or, to compare, by a classical formula."
    functions = (dehaze, dehaze_pictures, dehaze_film)
    return restorer.build(sentence, functions, "A hazy picture", strength, reference_input)
