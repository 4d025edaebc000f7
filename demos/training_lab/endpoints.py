"""What the training lab does: train on points and on pictures, and draw with what was trained."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from demos import components as ui
from demos import own_models
from demos.gpu import on_gpu
from gan_models.checkpoints import hub, registry
from gan_models.images import decode, flatten, read_provenance
from gan_models.images.provenance import write_png
from gan_models.jobs import Step

TASK = "pictures"
DEFAULT = "pokemon-dcgan"
POINTS = {"Eight on a ring": "ring", "25 on a grid": "grid", "A spiral": "spiral"}
EXPERIMENTS: dict[str, dict[str, Any]] = {  # on points: what differs from the page's settings
    "A plain GAN collapses": {},
    "Looking five steps ahead cures it": {"family": "unrolled"},
    "A sure discriminator leaves no gradient": {"steps": 400, "lr_d": 1e-3, "saturating": True, "freeze_after": 1},
    "A critic leaves one": {"family": "wgan-gp", "steps": 100, "freeze_after": 1},
    "A critic's distance follows quality": {"family": "wgan-gp"},
}
ON_POINTS = ("gan", "cgan", "unrolled", "wgan", "wgan-gp", "aegan")
ON_PICTURES = ("dcgan", "gan", "cgan", "unrolled", "wgan", "wgan-gp", "aegan", "progressive")
SHEETS = 12  # that are shown of a training
FPS = 6
POINTS_SECONDS = 0.2  # from one figure of points to the next, at least


@on_gpu
def train_gan(
    dataset: list[str] | None = None,
    family: str = "dcgan",
    steps: int = 500,
    seed: int = 0,
    side: int = 32,
    batch_size: int = 32,
    resume: str = "",
    hue: float = 0.3,
    trim: bool = False,
    z_dim: int = 128,
    norm: str = "",
    lr: float = 0,
    lr_d: float = 0,
) -> Iterator[tuple]:
    """Train a GAN on pictures.

    Args:
        dataset: Pictures, or ZIP archives of them, 5000 at most; in an archive a folder is a kind. None for a sample
            set of creatures drawn by this app, of three kinds.
        family: "gan", "cgan", "dcgan", "unrolled", "wgan", "wgan-gp", "aegan" or "progressive".
        steps: Iterations in all, 5 to 20,000.
        seed: Of all that is random.
        side: Pixels of the pictures that are learned and drawn: 16, 32, 64 or 128.
        batch_size: Pictures of an iteration, 4 to 128.
        resume: The name of a training of the same family and size that was cancelled or has ended, to go on with it;
            `steps` must be more than it has had.
        hue: How far colours are turned at random, in radians: 0, as they are, to 3.14, any colour.
        trim: Whether what stands out from an even background is cut out, so that it fills each picture.
        z_dim: Numbers of a latent, 2 to 512.
        norm: Normalisation of the discriminator: "spectral", "batch", "none", or empty for what suits the family.
        lr: Learning rate of the generator; 0 for what suits the family.
        lr_d: That of the discriminator; likewise.

    Returns:
        Sheets of pictures from the same latents at one epoch after another, the latest first; the curves of losses,
        gradient, FID and Inception Score, both by our compact features; a film of the sheets of this call; the model
        as a file, from the first sheet on; then its name, which other endpoints take for an hour or so.
    """
    from gan_models.classic import pictures, train  # brings PyTorch, so not before it is needed
    from gan_models.images.video import open_video

    if dataset and len(dataset) > pictures.MOST:
        raise ValueError(f"There are too many files: {pictures.MOST} pictures at most are taken.")
    name = resume or own_models.new(ui.cache_folder())
    folder = own_models.folder(name, ui.cache_folder())
    target, state, history = (folder / part for part in (own_models.MODEL, own_models.STATE, own_models.HISTORY))
    ui.written.update(map(str, (target, state, history)))
    settings = {"family": family, "steps": steps, "side": side, "batch_size": batch_size, "hue": hue, "trim": trim}
    settings |= {"z_dim": z_dim, "norm": norm, "lr": lr, "lr_d": lr_d}
    sheets: dict[int, tuple[str, str]] = {}  # by the step at which they were drawn
    curves = ui.Curves()
    handed_over = iter([str(target)])  # once, as it is written anew in its place

    def work() -> Iterator[Step]:
        yield Step(0, steps, message="Reading the pictures")
        if side not in train.SIDES:
            raise ValueError(f"The side must be one of {', '.join(map(str, train.SIDES))} pixels, not {side}.")
        learned = (
            pictures.from_files(dataset, side, trim=trim, hue=hue) if dataset else pictures.sprites(side, hue=hue)
        )
        with ExitStack() as stack:
            stack.enter_context(own_models.claim(name))
            if resume and not state.exists():
                raise ValueError("There is no training of this name to go on with; empty “Go on with”.")
            if history.exists():
                curves.losses, seen = json.loads(history.read_text())
                sheets.update((step, (path, caption)) for step, path, caption in seen if Path(path).exists())
            stack.callback(remember)
            options = {"target": target, "steps": steps, "seed": seed, "batch_size": batch_size, "z_dim": z_dim}
            options |= {"norm": norm or None, "lr": lr or None, "lr_d": lr_d or None}
            course, film = train.train_on(learned, family, state, **options), ui.new_file("training.mp4")
            stack.enter_context(closing(course))  # which writes the state before the claim ends
            video = stack.enter_context(open_video(film, fps=FPS, task=TASK, generated=True, seed=seed, **settings))
            for step in course:
                if step.result is None:
                    if step.preview is not None:
                        path = ui.view(step.preview, folder / f"{step.index}.webp")
                        sheets[step.index] = path, f"Step {step.index}: {step.message}"
                        video.write(step.preview)
                    yield step
        record = own_models.record(name, ui.cache_folder())
        path = _save(step.preview, seed=seed, **record, **settings)
        sheets[steps] = path, sheets[steps][1]
        plot = curves.draw(ui.new_file("training-curves.png"))
        made = ui.Made((latest(), plot, str(film), str(target), name), read_provenance(path))
        yield Step(1, 1, message=f"{step.message},", result=made)

    def remember() -> None:
        """Keep what a training that goes on shows again."""
        history.write_text(json.dumps([curves.losses, [(step, *shown) for step, shown in sheets.items()]]))

    def latest() -> list[tuple[str, str]]:
        return [sheets[step] for step in sorted(sheets, reverse=True)[:SHEETS]]

    def preview(step: Step) -> tuple:
        plot = curves.draw(folder / f"curves-{step.index}.webp")
        return latest(), plot, gr.skip(), next(handed_over, gr.skip()), name

    before = gr.skip() if resume else None  # of another training nothing stays
    yield before, before, before, before, name, ui.note("Beginning"), None
    yield from ui.stream(curves.follow(work()), None, preview, idle=(*[gr.skip()] * 4, name))


def load_generator(file: str) -> str:
    """Bring a generator back that was trained here and downloaded.

    Args:
        file: The .safetensors file.

    Returns:
        The model's name, good for an hour or so.
    """
    from gan_models.classic.model import load  # reads it, and refuses what is no generator

    load(file)
    name = own_models.new(ui.cache_folder())
    target = own_models.folder(name, ui.cache_folder()) / own_models.MODEL
    target.write_bytes(Path(file).read_bytes())
    ui.written.add(str(target))
    return name


def train_toy(
    points: str = "ring",
    family: str = "gan",
    steps: int = 1000,
    seed: int = 0,
    lr: float = 0,
    lr_d: float = 0,
    ahead: int = 5,
    saturating: bool = False,
    freeze_after: int = 0,
) -> Iterator[tuple]:
    """Train a GAN on points in the plane, and watch it.

    Args:
        points: "ring" (eight modes), "grid" (25) or "spiral".
        family: "gan", "cgan", "unrolled", "wgan", "wgan-gp" or "aegan".
        steps: Iterations, 10 to 20,000.
        seed: Of all that is random.
        lr: Learning rate of the generator; 0 for what suits the family.
        lr_d: That of the discriminator; likewise. One that learns slowly lets a plain GAN collapse.
        ahead: Steps of the discriminator that the generator of an unrolled GAN looks ahead: 0, 1, 5 or 10.
        saturating: Whether a plain GAN's generator plays the minimax game as it stands, whose gradient fades.
        freeze_after: From this step on only the discriminator learns; 0 for never.

    Returns:
        How real each place looks to the discriminator, from blue, the least, to red, the most, with real points in
        white and drawn ones in black; the curves of losses, gradients, modes covered and good samples, and of a
        critic's distance; a film; then the modes covered, of how many, and the share of samples near one.
    """
    from gan_models.classic import toy
    from gan_models.images.video import open_video

    settings = {"points": points, "family": family, "steps": steps, "lr": lr, "lr_d": lr_d}
    settings |= {"ahead": ahead, "saturating": saturating, "freeze_after": freeze_after}
    curves = ui.Curves()
    folder = ui.new_file("toy.png").parent

    def work() -> Iterator[Step]:
        options = {
            "lr": lr or None,
            "lr_d": lr_d or None,
            "ahead": ahead,
            "saturating": saturating,
            "freeze_after": freeze_after,
            "seed": seed,
        }
        course, film = toy.train(points, family, steps=steps, **options), ui.new_file("points.mp4")
        with open_video(film, fps=2 * FPS, task="points", generated=True, seed=seed, **settings) as video:
            for step in course:
                if step.result is None:
                    if toy.in_film(step.index, steps):
                        video.write(step.preview)
                    yield step
        path = str(ui.new_file("points.png"))
        write_png(path, step.preview, task="points", generated=True, seed=seed, **settings)
        counted = {name: round(step.result[name], 3) for name in ("modes", "of", "good")}
        plot = curves.draw(ui.new_file("points-curves.png"))
        made = ui.Made((path, plot, str(film), counted), read_provenance(path))
        text = f"{counted['modes']} of {counted['of']} modes, {counted['good']:.0%} of the samples near one,"
        yield Step(1, 1, message=text, result=made)

    def preview(step: Step) -> tuple:
        shown = ui.view(step.preview, folder / f"{step.index}.webp")
        return shown, curves.draw(folder / f"curves-{step.index}.webp"), None, None

    yield from ui.stream(curves.follow(work()), None, preview, (gr.skip(), gr.skip(), None, None), POINTS_SECONDS)


def two_lines(theta: float = 0.5) -> tuple[dict[str, float], str]:
    """Compare two distances between parallel lines, and the gradients that lead from one to the other.

    Args:
        theta: How far the lines are apart, -1 to 1.

    Returns:
        The Jensen–Shannon divergence and the earth mover's distance; the gradients that a generator gets from a
        trained discriminator and from a trained critic; then both distances as curves over -1 to 1.
    """
    from gan_models.classic import toy
    from gan_models.images.curves import draw_curves

    if not -1 <= theta <= 1:
        raise ValueError(f"The lines may be -1 to 1 apart, not {theta:g}.")
    found = toy.two_lines(theta)
    found |= {f"gradient by the {name}": value for name, value in toy.critics(theta).items()}
    every = [toy.two_lines(place) for place in np.linspace(-1, 1, 81)]
    plot = ui.view(draw_curves({name: [one[name] for one in every] for name in every[0]}), ui.new_file("lines.png"))
    return {name: round(value, 6) for name, value in found.items()}, plot


@on_gpu
def generate_pictures(model: str = DEFAULT, seed: str = "1", count: int = 16, kind: str = "") -> Iterator[tuple]:
    """Draw pictures with a small GAN. The same seed gives the same picture.

    Args:
        model: A name that /models lists for the task "pictures", or one that /train_gan returned.
        seed: A number; a list of numbers and ranges such as "1, 5, 20-23", for one picture each; or "random".
        count: How many to draw from a single seed on, 1 to 16.
        kind: One of the kinds that the model knows, if any; empty for each in turn.

    Returns:
        A gallery of PNG files that carry what made them.
    """
    from gan_models.stylegan2 import parse_seeds

    seeds = parse_seeds(seed, count)
    drawn: list[tuple[str, str]] = []

    def work() -> Iterator[Step]:
        record, backend = own_models.record(model, ui.cache_folder()), backend_of(model)
        kinds = backend.kinds_of(kind or None, len(seeds)) or [""] * len(seeds)
        for step in backend.steps(seeds=seeds, kind=kind or None):
            if step.result is None:
                number, own = seeds[step.index - 1], kinds[step.index - 1]
                caption = f"Seed {number}, {own}" if own else f"Seed {number}"
                drawn.append((_save(step.preview, seed=number, kind=own, **record), caption))
                yield step
        side = step.result[0].shape[0]
        text = f"{len(drawn)} picture{'s' * (len(drawn) > 1)} of {side} pixels"
        yield Step(1, 1, message=text, result=ui.Made((drawn,), read_provenance(drawn[0][0])))

    yield from ui.stream(work(), model, lambda step: (list(drawn),), idle=(gr.skip(),))


@on_gpu
def interpolate_pictures(
    model: str = DEFAULT, seeds: str = "1, 2, 3", frames: int = 24, kind: str = "", fps: float = 12
) -> Iterator[tuple]:
    """Film the way from picture to picture and back to the first.

    Args:
        model: A name that /models lists for the task "pictures", or one that /train_gan returned.
        seeds: The pictures on the way, such as "1, 2, 3".
        frames: Pictures from one to the next.
        kind: One of the kinds that the model knows, if any; empty for the first.
        fps: Pictures a second.

    Returns:
        A video, MP4, that carries what made it.
    """
    from gan_models.images.video import open_video, read_video_provenance
    from gan_models.stylegan2 import parse_seeds

    numbers = parse_seeds(seeds)

    def work() -> Iterator[Step]:
        record, path = own_models.record(model, ui.cache_folder()), ui.new_file(f"{TASK}-way.mp4")
        about = {"seeds": numbers, "frames": frames, "kind": kind}
        backend = backend_of(model)
        with open_video(path, fps=fps, task=TASK, generated=True, **record, **about) as video:
            for step in backend.between(numbers, frames=frames, kind=kind or None):
                if step.result is None:
                    video.write(enlarged(step.preview))
                    yield step
        made = ui.Made((str(path),), read_video_provenance(path))
        yield Step(1, 1, message=f"{step.total} pictures, {step.total / fps:.1f} s of film,", result=made)

    yield from ui.stream(work(), model, lambda step: (None,), idle=(None,))


@on_gpu
def combine_pictures(
    model: str = DEFAULT, seeds: str = "1, 2, 3", minus: str = "4, 5, 6", plus: str = "7, 8, 9"
) -> Iterator[tuple]:
    """Reckon with pictures: the first ones, without what the second ones have, with what the third ones have.

    Args:
        model: A name that /models lists for the task "pictures", or one that /train_gan returned.
        seeds: The first pictures, whose latents are averaged.
        minus: Those whose mean is taken away.
        plus: Those whose mean is added.

    Returns:
        A gallery: the picture of each mean, and the sum.
    """
    from gan_models.stylegan2 import parse_seeds

    sets = [parse_seeds(part) for part in (seeds, minus, plus)]
    captions = ("First", "Minus", "Plus", "Sum")
    drawn: list[tuple[str, str]] = []

    def work() -> Iterator[Step]:
        record, backend = own_models.record(model, ui.cache_folder()), backend_of(model)
        about = dict(zip(("seeds", "minus", "plus"), sets, strict=True))
        for step in backend.combined(*sets):
            if step.result is None:
                drawn.append((_save(step.preview, **record, **about), captions[step.index - 1]))
                yield step
        yield Step(1, 1, message="A sum", result=ui.Made((drawn,), read_provenance(drawn[-1][0])))

    yield from ui.stream(work(), model, lambda step: (list(drawn),), idle=(gr.skip(),))


@on_gpu
def reconstruct_picture(image: str, model: str = "pokemon-aegan", trim: bool = True) -> Iterator[tuple]:
    """Show what an autoencoding GAN makes of a picture.

    Args:
        image: A picture, in any common format; its middle square counts.
        model: A model with an encoder: "pokemon-aegan", or the name of one of the family "aegan" from /train_gan.
        trim: Whether what stands out from an even background is cut out first, as it was for "pokemon-aegan".

    Returns:
        The reconstruction, a PNG as large as the model's pictures are.
    """
    from gan_models.images.squares import trimmed

    picture = flatten(decode(image))
    picture = trimmed(picture) if trim else picture

    def start() -> Iterator[Step]:
        yield Step(1, 1, result=backend_of(model).reconstructed(picture))

    yield from ui.deliver(start, picture, task=TASK, model=model, action="reconstruct", trim=trim)


def backend_of(model: str) -> Any:
    """Return the backend of a registered model or of a visitor's own, whose file a training may write anew."""
    from gan_models.classic import PictureGenerator
    from gan_models.device import models

    if not own_models.is_own(model):
        return PictureGenerator.cached(registry.get(model, task=TASK).name)  # and never a path
    path = own_models.file(model, ui.cache_folder())
    return models.get((model, hub.file_hash(path)), lambda: PictureGenerator(str(path)))


def enlarged(picture: np.ndarray) -> np.ndarray:
    """Return a small picture, H×W×3, so large that it can be seen: 256 pixels or more."""
    times = max(1, 256 // picture.shape[0])
    return picture.repeat(times, 0).repeat(times, 1)


def _save(picture: np.ndarray, **record: Any) -> str:
    path = ui.new_file(f"{TASK}.png")
    write_png(path, picture, task=TASK, generated=True, **record)
    return str(path)
