"""What the single-image tab does: train on a picture, and use what was trained."""

from collections.abc import Iterator
from typing import Any

import gradio as gr
import numpy as np

from demos import components as ui
from demos import own_models
from demos.gpu import on_gpu
from gan_models.backend import Backend
from gan_models.images import bright, decode, flatten, read_provenance
from gan_models.images.provenance import write_png
from gan_models.jobs import Step

TASK = "single-image"
DEFAULT = "singan-balloons"
STARTS = {"sample": 0, "harmonize": 3, "edit": 2, "paint": 1, "animate": 0}  # of the default model


@on_gpu
def singan_train(image: str, preset: str = "quick", seed: int = 0, resume: str = "") -> Iterator[tuple]:
    """Train a model on a single picture, some minutes long; other endpoints take its name.

    Args:
        image: The picture to learn from, in any common format.
        preset: "quick" (for a CPU), "balanced" or "paper" (as published: for a GPU).
        seed: The same seed gives the same model.
        resume: The name of a training of the same picture, preset and seed that was cancelled, to go on with it.

    Returns:
        The model's name, good for an hour or so; random samples; the losses; the model as a file.
    """
    from gan_models.singan import SingleImage, model, trainer  # brings PyTorch, so not before it is needed

    picture = flatten(decode(image))
    name = resume or own_models.new(ui.cache_folder())
    folder = own_models.folder(name, ui.cache_folder())
    target, state = str(folder / own_models.MODEL), folder / own_models.STATE
    ui.written.update({target, str(state)})
    scales: dict[str, tuple[str, str]] = {}
    curves = ui.Curves()

    def work() -> Iterator[Step]:
        with own_models.claim(name):
            if resume and not state.exists():
                raise ValueError("There is no cancelled training of this name to go on with; empty that field.")
            step = yield from ui.until_result(trainer.train(picture, preset=preset, seed=seed, out=state))
            model.save(step.result, target)
        samples = yield from ui.until_result(SingleImage.cached(target).samples(count=6))
        settings = {"preset": preset, **own_models.record(name, ui.cache_folder())}
        drawn = [
            (_save(sample, seed=index, **settings), f"Seed {index}") for index, sample in enumerate(samples.result)
        ]
        plot = curves.draw(ui.new_file(f"{TASK}-losses.png"))
        made = ui.Made((name, drawn, plot, target), read_provenance(drawn[0][0]))
        height, width = step.result.sizes[-1]
        yield Step(1, 1, message=f"A model of {width} × {height} pixels", result=made)

    def preview(step: Step) -> tuple:
        scales[step.message] = (ui.view(step.preview, folder / f"{step.index}.webp"), step.message)
        return name, list(scales.values()), curves.draw(folder / f"losses-{step.index}.webp"), None

    yield from ui.stream(curves.follow(work()), None, preview, idle=(name, gr.skip(), gr.skip(), None))


def singan_load(file: str) -> str:
    """Bring a model back that was trained here and downloaded.

    Args:
        file: The .safetensors file.

    Returns:
        The model's name, good for an hour or so.
    """
    from gan_models.singan.model import load, save

    network = load(file)
    name = own_models.new(ui.cache_folder())
    target = own_models.folder(name, ui.cache_folder()) / own_models.MODEL
    ui.written.add(save(network, target))
    return name


@on_gpu
def singan_sample(
    model: str = DEFAULT,
    count: int = 8,
    start_scale: int = 0,
    width_factor: float = 1,
    height_factor: float = 1,
    seed: int = 0,
) -> Iterator[tuple]:
    """Draw random pictures that look like the one that the model was trained on.

    Args:
        model: A name that /models lists for the task "single-image", or one that /singan_train returned.
        count: How many, 1 to 16.
        start_scale: The first scale that varies: 0 changes the layout, later ones smaller and smaller things.
        width_factor: Width in units of the training picture's, 0.25 to 4.
        height_factor: The same for the height.
        seed: The same seed gives the same pictures.

    Returns:
        A gallery of PNG files that carry what made them.
    """
    settings = {"start_scale": start_scale, "width_factor": width_factor, "height_factor": height_factor}
    drawn: list[tuple[str, str]] = []

    def work() -> Iterator[Step]:
        own = own_models.record(model, ui.cache_folder())
        for step in backend_of(model).samples(count=count, seed=seed, **settings):
            if step.result is None:
                number = seed + step.index - 1
                path = _save(step.preview, seed=number, **own, **settings)
                drawn.append((path, f"Seed {number}"))
                yield step
        height, width = step.result[0].shape[:2]
        message = f"{len(drawn)} picture{'s' * (len(drawn) > 1)} of {width} × {height} pixels"
        yield Step(1, 1, message=message, result=ui.Made((drawn,), read_provenance(drawn[0][0])))

    yield from ui.stream(work(), model, lambda step: (list(drawn),), idle=(gr.skip(),))


@on_gpu
def singan_harmonize(
    model: str, composite: str, mask: str, start_scale: int | None = STARTS["harmonize"], seed: int = 0
) -> Iterator[tuple]:
    """Make something that was pasted into the training picture fit in with it.

    Args:
        model: A name that /models lists for the task "single-image", or one that /singan_train returned.
        composite: The training picture with the thing in it.
        mask: White where the thing is; as large as the composite.
        start_scale: The first scale that is drawn anew, from 1 on: lower ones change more. None: by the model.
        seed: Of the noise.

    Returns:
        The harmonised picture, a PNG of the composite's size.
    """
    yield from _redraw("harmonize", model, composite, mask, start_scale, seed)


@on_gpu
def singan_edit(
    model: str, edited: str, mask: str, start_scale: int | None = STARTS["edit"], seed: int = 0
) -> Iterator[tuple]:
    """Hide the seams of what was copied from one place of the training picture to another.

    Args:
        model: A name that /models lists for the task "single-image", or one that /singan_train returned.
        edited: The training picture with copied pieces.
        mask: White where they are; as large as the edited picture.
        start_scale: The first scale that is drawn anew, from 1 on: lower ones change more. None: by the model.
        seed: Of the noise.

    Returns:
        The edited picture without seams, a PNG of the same size.
    """
    yield from _redraw("edit", model, edited, mask, start_scale, seed)


def _redraw(task: str, model: str, source: str, mask: str, start_scale: int, seed: int) -> Iterator[tuple]:
    if not source or not mask:
        raise ValueError("Place something in the picture first, or bring a picture and its mask.")
    picture, where = decode(source), bright(decode(mask))
    settings = {"start_scale": start_scale, "seed": seed}

    def start() -> Iterator[Step]:
        yield Step(1, 1, result=backend_of(model).harmonized(picture, where, task=task, **settings))

    yield from ui.deliver(start, picture, task=TASK, model=model, action=task, **settings)


@on_gpu
def singan_paint(
    model: str, painting: str, start_scale: int | None = STARTS["paint"], quantize: bool = False, seed: int = 0
) -> Iterator[tuple]:
    """Turn a rough painting into a picture that looks like the training picture.

    Args:
        model: A name that /models lists for the task "single-image", or one that /singan_train returned.
        painting: The layout, in colours near to those of the training picture.
        start_scale: The first scale that is drawn anew, from 1 on: lower ones keep less of the painting.
        quantize: First replace each colour by the nearest of the training picture's five main ones.
        seed: Of the noise.

    Returns:
        The picture, a PNG of the size that the model was trained at.
    """
    if not painting:
        raise ValueError("Paint something first, or bring a painting.")
    picture = decode(painting)
    settings = {"start_scale": start_scale, "quantize": quantize, "seed": seed}

    def start() -> Iterator[Step]:
        yield Step(1, 1, result=backend_of(model).painted(picture, **settings))

    yield from ui.deliver(start, picture, task=TASK, model=model, action="paint", generated=True, **settings)


@on_gpu
def singan_animate(
    model: str = DEFAULT,
    start_scale: int | None = STARTS["animate"],
    alpha: float = 0.1,
    beta: float = 0.9,
    frames: int = 60,
    fps: float = 12,
    seed: int = 0,
    loop: bool = True,
) -> Iterator[tuple]:
    """Set the training picture in motion.

    Args:
        model: A name that /models lists for the task "single-image", or one that /singan_train returned.
        start_scale: The first scale that moves: 0 moves everything, later ones smaller and smaller things.
        alpha: How near the motion stays to the picture, from 0 to 1.
        beta: How smooth it is, from 0 to 1.
        frames: How many pictures, 2 to 600.
        fps: Pictures a second, 1 to 60.
        seed: The same seed gives the same film.
        loop: Whether the end leads on to the beginning.

    Returns:
        A video, MP4; then the same as a GIF. Both carry what made them.
    """
    from gan_models.images.video import open_video, read_video_provenance

    settings = {
        "start_scale": start_scale,
        "alpha": alpha,
        "beta": beta,
        "frames": frames,
        "seed": seed,
        "loop": loop,
    }

    def work() -> Iterator[Step]:
        path = str(ui.new_file(f"{TASK}-animation.mp4"))
        gif = str(ui.new_file(f"{TASK}-animation.gif"))
        record = {"task": TASK, "action": "animate", **own_models.record(model, ui.cache_folder()), **settings}
        backend = backend_of(model)
        options = {"fps": fps, "generated": True, **record}
        with open_video(path, **options) as film, open_video(gif, **options) as moving:
            for step in backend.animation(**settings):
                if step.result is None:
                    film.write(step.preview)
                    moving.write(step.preview)
                    yield step
        made = ui.Made((path, gif), read_video_provenance(path))
        yield Step(1, 1, message=f"{frames} pictures, {frames / fps:.1f} s of film,", result=made)

    yield from ui.stream(work(), model, lambda step: (gr.skip(), None), idle=(None, None))


@on_gpu
def singan_upscale(image: str, factor: float = 4, preset: str = "quick", seed: int = 0) -> Iterator[tuple]:
    """Enlarge a picture by what can be learned from itself alone: a model is trained on it, which takes minutes.

    Args:
        image: The picture to enlarge, in any common format; transparency is kept.
        factor: How many times as wide and as high, up to 8; at most two megapixels in all.
        preset: "quick" (for a CPU), "balanced" or "paper" (as published: for a GPU).
        seed: The same seed gives the same result.

    Returns:
        The enlarged picture, a PNG.
    """
    from gan_models.singan import upscale

    picture = decode(image)
    settings = {"factor": factor, "preset": preset, "seed": seed}
    yield from ui.deliver(
        lambda: upscale(picture, **settings), picture, task=TASK, model=None, action="upscale", **settings
    )


def backend_of(model: str) -> Backend:
    """Return the backend of a registered model or of a visitor's own."""
    from gan_models.singan import SingleImage

    own = own_models.is_own(model)
    return SingleImage.cached(str(own_models.file(model, ui.cache_folder())) if own else model)


def _save(picture: np.ndarray, **settings: Any) -> str:
    path = ui.new_file(f"{TASK}-{settings.get('model') or 'own'}-{settings['seed']}.png")
    write_png(path, picture, task=TASK, generated=True, action="sample", **settings)
    return str(path)
