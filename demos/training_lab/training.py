"""A training on a visitor's pictures: what it shows, and what it leaves for the visitor alone."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from demos.kit import own_models
from demos.kit.files import cache_folder, new_file, view, written
from demos.kit.gpu import on_gpu
from demos.kit.messages import note
from demos.kit.runs import stream
from gan_models.classic import TrainGan
from gan_models.jobs import Drawn, Step
from gan_models.results import Results

SHEETS = 12  # that are shown of a training


class Training:
    """What is shown of a training, and kept so that it can go on: its sheets by their steps, and its losses."""

    def __init__(self, ask: TrainGan):
        self.ask = ask
        self.name = ask.resume or own_models.new(cache_folder())
        self.folder = own_models.folder(self.name, cache_folder())
        parts = (own_models.MODEL, own_models.STATE, own_models.HISTORY)
        self.target, self.state, self.history = (self.folder / part for part in parts)
        written.update(map(str, (self.target, self.state, self.history, self.folder / own_models.SHEET)))
        self.sheets: dict[int, tuple[str, str]] = {}
        self.handed_over = False  # which is done once, as the file is written anew in its place
        self.results = Results(ask, new_file)
        self.known = {"model": self.name}

    def steps(self) -> Iterator[Step]:
        """Train; the last step's result is what is shown of it.

        Raises:
            ValueError: There is nothing to go on with, or what the trainer says.
        """
        from gan_models.classic import pictures  # bring PyTorch
        from gan_models.classic.trainer import Classic
        from gan_models.training.loop import fit

        ask = self.ask
        yield Step(0, ask.steps, message="Reading the pictures")
        if ask.dataset:
            learned = pictures.from_files(ask.dataset, ask.side, trim=ask.trim, hue=ask.hue)
        else:
            learned = pictures.sprites(ask.side, hue=ask.hue)
        with ExitStack() as stack:
            stack.enter_context(own_models.claim(self.name))
            if ask.resume and not self.state.exists():
                raise ValueError("There is no training of this name to go on with; empty “Go on with”.")
            self.remember()
            stack.callback(self.keep)
            options = {name: getattr(ask, name) for name in ("family", "steps", "seed", "batch_size", "z_dim")}
            options |= {name: getattr(ask, name) or None for name in ("norm", "lr", "lr_d")}
            self.trainer = Classic(pictures=learned, **options)
            trained = fit(self.trainer, self.folder, resume=bool(ask.resume))
            stack.enter_context(closing(trained))  # which writes the state before the claim ends
            yield from self.results.follow(self._shown(trained))

    def _shown(self, trained: Iterator[Step]) -> Iterator[Step]:
        """Keep the sheets, and let them be the frames of a video."""
        for step in trained:
            sheet = step.preview
            if sheet is not None:
                path = view(sheet, self.folder / f"{step.index}.webp")
                self.sheets[step.index] = path, f"Step {step.index}: {step.message}"
            yield Step(step.index, step.total, losses=step.losses, message=step.message, frame=sheet)
        self.results.record |= own_models.record(self.name, cache_folder())
        self.results.draw(Drawn(sheet, "The last sheet", record={"seed": self.ask.seed}))
        path, _ = self.results.images[-1]
        self.sheets[self.ask.steps] = path, self.sheets[self.ask.steps][1]
        self.results.images[:] = self.latest()
        made = {"file": self.target.read_bytes(), "model": self.name}
        yield Step(1, 1, message=f"{self.trainer.summary},", result=made)

    def remember(self) -> None:
        """Take up what an earlier part of this training has shown."""
        if self.history.exists():
            losses, seen = json.loads(self.history.read_text())
            self.results.losses.update(losses)
            self.sheets.update((step, (path, caption)) for step, path, caption in seen if Path(path).exists())

    def keep(self) -> None:
        """Keep what a training that goes on shows again."""
        seen = [(step, *shown) for step, shown in self.sheets.items()]
        self.history.write_text(json.dumps([self.results.losses, seen]))

    def latest(self) -> list[tuple[str, str]]:
        """Return the last sheets, the latest first."""
        return [self.sheets[step] for step in sorted(self.sheets, reverse=True)[:SHEETS]]

    def cleared(self) -> dict[str, Any]:
        """Return what takes the place of an earlier training: of another one nothing stays."""
        shown = {} if self.ask.resume else dict.fromkeys(("sheets", "curves", "video", "file"))
        return shown | self.known | {"record": None}

    def of(self, step: Step) -> dict[str, Any]:
        """Return what is shown of a step, if it has a sheet."""
        if step.frame is None:
            return {}
        curves = str(self.results.plot(self.folder / f"curves-{step.index}.webp"))
        shown = {"sheets": self.latest(), "curves": curves}
        if not self.handed_over:
            self.handed_over, shown["file"] = True, str(self.target)
        return shown

    def final(self, step: Step) -> dict[str, Any]:
        """Return what is shown of the end besides the result."""
        return {}


@on_gpu
def trained(task: type[TrainGan], values: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Train as it is asked for, and yield what is shown of it by the outputs' names."""
    training = Training(task.ask(**values))
    yield training.cleared() | {"status": note("Beginning")}
    yield from stream(training.steps(), training, None)


def load_generator(file: str) -> str:
    """Bring a generator back that was trained here and downloaded.

    Args:
        file: The .safetensors file.

    Returns:
        The model's name, good for an hour or so.
    """
    from gan_models.classic.model import load  # reads it, and refuses what is no generator

    if not file:
        raise ValueError("Choose a file first.")
    load(file)
    name = own_models.new(cache_folder())
    target = own_models.folder(name, cache_folder()) / own_models.MODEL
    target.write_bytes(Path(file).read_bytes())
    written.add(str(target))
    return name
