"""What tasks share that turn a picture into a better one of it: several pictures at once, videos, a reference."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any, ClassVar

import numpy as np
import pydantic

from gan_models.images import decode
from gan_models.jobs import Drawn, Step
from gan_models.metrics.measure import measure, require_size
from gan_models.task import Field, Files, Image, Output, Task, Video

MOST = 200  # pictures at a time
INFINITE = "Infinity"  # as JSON has no number for it
SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".ts", ".gif")  # of videos


class Restoration(Task):
    """A task whose first field is the picture; those of other pictures are for single ones alone."""

    returns: ClassVar = {
        "image": Output(
            "image", "Result at full size (PNG)", "The picture, a PNG that carries the settings that made it"
        )
    }

    image: Image

    def size(self) -> tuple[int, int]:
        """Return the height and the width of the result."""
        height, width = self.image.shape[:2]
        return height, width

    def model_post_init(self, _: Any) -> None:
        """Refuse a reference of another size than the result's, before anything is computed."""
        if getattr(self, "reference", None) is not None:
            require_size(self.reference, *self.size())

    def run(self, weights: str | None = None, device: str | None = None) -> Iterator[Step]:
        """Do what `Task.run` says; the last step's message tells the size, and how near a reference is."""
        for step in super().run(weights, device):
            if step.result is None:
                yield step
                continue
            height, width = step.result.shape[:2]
            told, measured = self._compared(step.result)
            yield replace(
                step, message=step.message or f"{width} × {height} pixels{told}", notes=step.notes | measured
            )

    def _compared(self, result: np.ndarray) -> tuple[str, dict[str, Any]]:
        """Return what the status and the record say of how near the result, and the picture before, come."""
        reference = getattr(self, "reference", None)
        if reference is None:
            return "", {}
        pictures = [picture for picture in (self.image, result) if picture.shape[:2] == reference.shape[:2]]
        found = [measure(picture, reference, ("psnr", "ssim")) for picture in pictures]
        psnr = " → ".join(f"{one['psnr']:.2f}".replace("inf", "∞") for one in found)
        ssim = " → ".join(f"{one['ssim']:.4f}" for one in found if "ssim" in one)
        values = {name: INFINITE if math.isinf(value) else value for name, value in found[-1].items()}
        return f", PSNR {psnr} dB{ssim and ', SSIM '}{ssim},", {"measured": values}


class _Many(Task):
    """What several pictures and videos share: the task that is done to each picture."""

    single: ClassVar[type[Restoration]]

    def one(self, image: np.ndarray) -> Restoration:
        """Return the task for one picture."""
        shared = self.parameters().keys() & self.single.parameters().keys()
        return self.single.ask(image=image, **{name: getattr(self, name) for name in shared})


class Several(_Many):
    """A restoration of several pictures, one after the other."""

    returns: ClassVar = {
        "images": Output("images", "Results", "A gallery of PNG files; the record names what can't be read"),
        "archive": Output("archive", "All as a ZIP file", "All of them in a ZIP file", ".zip"),
    }

    def model_post_init(self, _: Any) -> None:
        """Refuse no pictures, and too many."""
        if not self.images:
            raise ValueError("Choose some pictures first.")
        if len(self.images) > MOST:
            raise ValueError(f"At most {MOST} pictures at a time, not {len(self.images)}.")

    def run(self, weights: str | None = None, device: str | None = None) -> Iterator[Step]:
        """Do what `Task.run` says, leaving out what fails, which message and record name."""
        failed, done, total = [], 0, len(self.images)
        for number, path in enumerate(self.images):
            try:
                ask = self.one(decode(path))
            except ValueError as problem:
                failed.append(f"{path.name}: {problem}")
                continue
            backend = self.backend_class().cached(weights or self.model, device)  # when it is known to be of use
            try:
                for step in backend.run(ask):
                    if step.result is None:
                        yield Step(number, total, message=f"{path.name}: {step.index} of {step.total}")
            except ValueError as problem:
                failed.append(f"{path.name}: {problem}")
                continue
            done += 1
            drawn = Drawn(step.result, path.name, f"{path.stem}-{self.name}", generated=ask.generated)
            yield Step(number + 1, total, drawn=drawn, message=f"{path.name} is done")
        if not done:
            raise ValueError(failed[0])
        message = f"{done} picture{'s' * (done > 1)}" + (f", without {'; '.join(failed)}" if failed else "")
        yield Step(1, 1, message=message, notes={"left_out": failed} if failed else {}, result={})


class Filmed(_Many):
    """A restoration of a video, picture by picture."""

    returns: ClassVar = {
        "video": Output("video", "Result, without sound", "A video, MP4 without sound, with what made it", ".mp4")
    }

    def run(self, weights: str | None = None, device: str | None = None) -> Iterator[Step]:
        """Do what `Task.run` says."""
        from gan_models.images.video import Video as Source

        source = Source(self.film)
        frames = iter(source)
        first = next(frames, None)
        if first is None:
            raise ValueError("There is no picture in this film that can be read.")
        self.one(first)  # which refuses what can't be asked for before anything is loaded
        backend = self.backend_class().cached(weights or self.model, device)
        for done, picture in enumerate(backend.video(self, itertools.chain([first], frames)), start=1):
            yield Step(done, max(done, source.count), frame=picture, fps=source.fps, message=f"Picture {done}")
        yield Step(1, 1, message=f"{done} pictures, {done / source.fps:.1f} s of film,", result={})


@cache
def several(task: type[Restoration]) -> type[Several]:
    """Return the task of restoring several pictures."""
    images = (
        Files,
        Field(title="Pictures", description=f"Pictures in any common formats, {MOST} at most.", kept=False),
    )
    return _derived(task, Several, f"{task.__name__}Pictures", "of several pictures", images=images)


@cache
def filmed(task: type[Restoration]) -> type[Filmed]:
    """Return the task of restoring a video."""
    text = "MP4, MOV, WebM, MKV, AVI or GIF, 3600 pictures at most."
    film = (Video, Field(title="A film", description=text, kept=False, suffixes=SUFFIXES))
    return _derived(task, Filmed, f"{task.__name__}Film", "of a film, picture by picture", film=film)


def _derived(task: type[Restoration], base: type[_Many], name: str, of_what: str, **source: Any) -> type:
    shared = {
        key: (field.rebuild_annotation(), field)
        for key, field in task.model_fields.items()
        if not task.parameters()[key].picture
    }
    derived = pydantic.create_model(name, __base__=base, **source, **shared)
    derived.__doc__ = f"{(task.__doc__ or '').splitlines()[0].rstrip('.')}: {of_what}."
    derived.name, derived.action, derived.backend, derived.single = task.name, task.action, task.backend, task
    derived.generated = task.generated  # the property, where it depends on what is asked
    return derived


__all__ = ["MOST", "SUFFIXES", "Filmed", "Restoration", "Several", "filmed", "several"]
