"""A job's results as files that tell how they were made: what the page, the API and the command line all deliver."""

import zipfile
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gan_models.images.curves import draw_curves
from gan_models.images.provenance import make_record, write_png
from gan_models.jobs import Drawn, Step
from gan_models.task import Output, Task

PLOTTED = 300  # points of a curve


class Results:
    """Writes what a task's steps make, as they make it.

    Args:
        ask: What was asked for.
        new_file: Returns the path of a new file for a name.
        skipped: Parts of the result that nobody wants.
        record: What `write_png` keeps besides what was asked, or instead of it.

    Attributes:
        images: The pictures that the steps have drawn so far: the path and the caption of each.
        losses: Those of all steps so far, by name.
    """

    def __init__(
        self, ask: Task, new_file: Callable[[str], Path | str], skipped: Collection[str] = (), **record: Any
    ):
        self.ask, self.new_file = ask, new_file
        self.returns = {name: output for name, output in ask.returns.items() if name not in skipped}
        self.record = ask.record() | record
        self.images: list[tuple[str, str]] = []
        self.losses: dict[str, list[float]] = {}

    def follow(self, steps: Iterator[Step]) -> Iterator[Step]:
        """Yield `steps`; the last one's result is, by name, what `Task.returns` names, and its record.

        Pictures, plots and files are paths then, of a gallery paths and captions.
        """
        drawing = any(one.kind == "images" for one in self.returns.values())
        videos = {name: self._file(one) for name, one in self.returns.items() if one.kind == "video"}
        writers: list[Any] = []
        with ExitStack() as stack, closing(steps):
            for step in steps:
                for name, value in step.losses.items():
                    self.losses.setdefault(name, []).append(value)
                self.record |= step.notes
                if step.frame is not None:
                    fps = step.fps or getattr(self.ask, "fps", self.ask.frame_rate)
                    writers = writers or [stack.enter_context(self._video(path, fps)) for path in videos.values()]
                    for writer in writers:
                        writer.write(step.frame)
                if step.drawn is not None and drawing:
                    self.draw(step.drawn)
                if step.result is not None:
                    break
                yield step
            else:
                raise RuntimeError("A backend's last step must carry its result.")
        shown, made = self._shown(step), self._made(step, videos)
        yield Step(1, 1, message=step.message, before=step.before, preview=shown, result=made)

    def plot(self, path: Path) -> Path:
        """Draw the losses so far, thinned to what can be seen, and return the path."""
        import cv2

        shown = {name: values[:: max(1, len(values) // PLOTTED)] for name, values in self.losses.items()}
        cv2.imwrite(str(path), draw_curves(shown)[:, :, ::-1])
        return path

    def _made(self, step: Step, videos: dict[str, Path]) -> dict[str, Any]:
        returns = self.returns
        values = step.result if isinstance(step.result, dict) else {next(iter(returns)): step.result}
        made: dict[str, Any] = {}
        for name, output in returns.items():
            if output.kind == "images":
                made[name] = list(self.images)
            elif output.kind == "archive":
                made[name] = str(self._archive(self._file(output)))
            elif output.kind == "video":
                made[name] = str(videos[name])
            elif output.kind == "plot":
                made[name] = str(self.plot(self._file(output, name)))
            elif output.kind == "image" and values[name] is not None:
                made[name] = str(self._file(output))
                write_png(made[name], values[name], generated=self.ask.generated, **self.record)
            elif output.kind == "figure" and values[name] is not None:
                made[name] = str(self._file(output, name))
                Image.fromarray(values[name]).save(made[name])
            elif output.kind == "file":
                made[name] = str(self._file(output))
                Path(made[name]).write_bytes(values[name])
            else:
                made[name] = values[name]
        return made | {"record": make_record(**self.record)}

    def _shown(self, step: Step) -> np.ndarray | None:
        """Return the picture that the result is, for the page."""
        if step.preview is not None:
            return step.preview
        result = next(iter(step.result.values()), None) if isinstance(step.result, dict) else step.result
        return result if isinstance(result, np.ndarray) else None

    def draw(self, drawn: Drawn) -> None:
        """Write one of several pictures."""
        seed = drawn.record.get("seed")
        number = len(self.images) + 1 if seed is None else seed
        path = str(self.new_file(f"{drawn.name or f'{self._stem()}-{number}'}.png"))
        generated = self.ask.generated if drawn.generated is None else drawn.generated
        write_png(path, drawn.image, generated=generated, **self.record | drawn.record)
        self.images.append((path, drawn.caption))

    def _archive(self, path: Path) -> Path:
        """Write the pictures that were drawn as one file, each under its number, and return the path."""
        with zipfile.ZipFile(path, "w") as file:  # PNG is compressed already
            for number, (picture, _) in enumerate(self.images, start=1):
                file.write(picture, f"{number:03}-{Path(picture).name}")
        return path

    def _video(self, path: Path, fps: float) -> AbstractContextManager[Any]:
        from gan_models.images.video import open_video

        record = {name: value for name, value in self.record.items() if name != "fps"}
        return open_video(path, fps=fps, generated=self.ask.generated, **record)

    def _stem(self) -> str:
        model = self.record.get("model") or ("own" if self.record.get("sha256") else None)
        name = None if model and model.startswith(self.ask.name) else self.ask.name
        return "-".join(part for part in (name, self.ask.action, model) if part)

    def _file(self, output: Output, name: str = "") -> Path:
        return Path(self.new_file(f"{self._stem()}{name and f'-{name}'}{output.suffix}"))
