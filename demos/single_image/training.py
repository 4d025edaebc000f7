"""A training on a visitor's picture: what it shows, and what it leaves for the visitor alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from demos.kit import own_models
from demos.kit.files import cache_folder, new_file, view, written
from demos.kit.gpu import on_gpu
from demos.kit.runs import stream
from gan_models.images import flatten
from gan_models.jobs import Step
from gan_models.results import Results
from gan_models.singan import SinganSample, SinganTrain

SAMPLES = 6


class Training:
    """What is shown of a training: a picture of each scale so far, the losses, and the model's name."""

    def __init__(self, ask: SinganTrain):
        self.ask = ask
        self.name = ask.resume or own_models.new(cache_folder())
        self.folder = own_models.folder(self.name, cache_folder())
        self.target, self.state = self.folder / own_models.MODEL, self.folder / own_models.STATE
        written.update({str(self.target), str(self.state)})
        self.scales: dict[str, tuple[str, str]] = {}
        self.results = Results(ask, new_file)
        self.known = {"model": self.name}

    def steps(self) -> Iterator[Step]:
        """Train, and draw some samples with what was trained.

        Raises:
            ValueError: There is nothing to go on with, or what the trainer says.
        """
        with own_models.claim(self.name):
            if self.ask.resume and not self.state.exists():
                raise ValueError("There is no cancelled training of this name to go on with; empty that field.")
            yield from self.results.follow(self._trained())

    def _trained(self) -> Iterator[Step]:
        from gan_models.singan.trainer import SinGANTrainer  # bring PyTorch
        from gan_models.training.loop import fit

        ask = self.ask
        options = {"preset": ask.preset, "iterations": ask.iterations, "seed": ask.seed}
        trainer = SinGANTrainer(picture=flatten(ask.image), **options)
        for step in fit(trainer, self.folder, resume=bool(ask.resume)):
            if step.result is None:
                yield step
        height, width = step.result.sizes[-1]
        self.results.record |= own_models.record(self.name, cache_folder())
        for drawn in SinganSample(model=self.name, count=SAMPLES).run(str(self.target)):
            if drawn.result is None:
                yield Step(step.index, step.total, drawn=drawn.drawn)
        made = {"model": self.name, "file": self.target.read_bytes()}
        yield Step(1, 1, message=f"A model of {width} × {height} pixels", result=made)

    def cleared(self) -> dict[str, Any]:
        """Return what takes the place of an earlier training: the name, by which a cancelled one goes on."""
        return self.known | {"file": None, "record": None}

    def of(self, step: Step) -> dict[str, Any]:
        """Return what is shown of a step, if it has a picture."""
        if step.preview is None:
            return {}
        self.scales[step.message] = (view(step.preview, self.folder / f"{step.index}.webp"), step.message)
        curves = str(self.results.plot(self.folder / f"losses-{step.index}.webp"))
        return {"samples": list(self.scales.values()), "curves": curves}

    def final(self, step: Step) -> dict[str, Any]:
        """Return what is shown of the end besides the result."""
        return {}


@on_gpu
def trained(task: type[SinganTrain], values: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Train as it is asked for, and yield what is shown of it by the outputs' names."""
    training = Training(task.ask(**values))
    yield from stream(training.steps(), training, None)


def singan_load(file: str) -> str:
    """Bring a model back that was trained here and downloaded.

    Args:
        file: The .safetensors file.

    Returns:
        The model's name, good for an hour or so.
    """
    from gan_models.singan.model import load, save

    if not file:
        raise ValueError("Choose a file first.")
    network = load(Path(file))
    name = own_models.new(cache_folder())
    target = own_models.folder(name, cache_folder()) / own_models.MODEL
    written.add(save(network, target))
    return name
