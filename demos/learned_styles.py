"""Fast style transfer, a part of the style transfer tab: pictures redrawn at once in a style that was learned."""

from collections.abc import Iterator

from demos import components as ui
from demos.gpu import on_gpu
from demos.restoration import Restorer, strength

TASK = "fast-style"
DEFAULT = "style-starry-night"


def _backend(model: str):
    from gan_models.style_transfer import FastStyle  # brings PyTorch, so not before it is needed

    return FastStyle.cached(model)


restorer = Restorer(TASK, _backend)


@on_gpu
def fast_stylize(image: str, model: str = DEFAULT, strength: float = 1.0) -> Iterator[tuple]:
    """Redraw a picture at once in a style that was learned (Johnson et al. 2016).

    Args:
        image: A picture, in any common format; transparency is kept.
        model: A name that /models lists for the task "fast-style".
        strength: From 0, the picture as it came, to 1, the style alone.

    Returns:
        The picture in the style, a PNG of the input's size that carries the settings that made it.
    """
    yield from restorer.one(image, model, strength=strength)


@on_gpu
def fast_stylize_pictures(images: list[str], model: str = DEFAULT, strength: float = 1.0) -> Iterator[tuple]:
    """Redraw several pictures in a style that was learned.

    Args:
        images: Pictures, in any common formats, 200 at most.
        model: A name that /models lists for the task "fast-style".
        strength: From 0, the pictures as they came, to 1, the style alone.

    Returns:
        A gallery of PNG files; then all of them in a ZIP file. Pictures that can't be read are left out and named.
    """
    yield from restorer.several(images, model, strength=strength)


@on_gpu
def fast_stylize_film(film: str, model: str = DEFAULT, strength: float = 1.0) -> Iterator[tuple]:
    """Redraw a film in a style that was learned, picture by picture.

    Args:
        film: MP4, MOV, WebM, MKV, AVI or GIF, 3600 pictures at most.
        model: A name that /models lists for the task "fast-style".
        strength: From 0, the film as it came, to 1, the style alone.

    Returns:
        A video, MP4 without sound, that carries the settings that made it.
    """
    yield from restorer.film(film, model, strength=strength)


def build() -> ui.Ports:
    """Lay out this part of the tab."""
    sentence = "Redraws pictures and films at once, in a style that a network has learned."
    functions = (fast_stylize, fast_stylize_pictures, fast_stylize_film)
    return restorer.build(sentence, functions, "A picture", strength, examples="style-transfer")
