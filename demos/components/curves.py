"""Curves of losses that grow while a tab's function works."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from demos.components.files import view
from gan_models.images.curves import draw_curves
from gan_models.jobs import Step

PLOTTED = 300  # points of a curve


class Curves:
    """The losses of all steps so far."""

    def __init__(self):
        self.losses: dict[str, list[float]] = {}

    def follow(self, steps: Iterator[Step]) -> Iterator[Step]:
        """Yield `steps`, and keep their losses."""
        with closing(steps):
            for step in steps:
                for name, value in step.losses.items():
                    self.losses.setdefault(name, []).append(value)
                yield step

    def draw(self, path: Path) -> str:
        """Draw the curves, thinned to what can be seen, as the path says, and return it."""
        shown = {name: values[:: max(1, len(values) // PLOTTED)] for name, values in self.losses.items()}
        return view(draw_curves(shown), path)
