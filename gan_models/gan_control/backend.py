"""The backend of explicit control: a face of sixty, turned to the left, smiling, lit from the right."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from gan_models.attributes.network import DEVIATIONS, MEANS
from gan_models.device import device_lock
from gan_models.gan_control.measures import CONTROLS, Measures, load_measures
from gan_models.images.tensors import to_tensor
from gan_models.jobs import Step
from gan_models.stylegan2.backend import FaceGenerator

MAX_ROWS, MAX_COLUMNS = 6, 11


@dataclass(frozen=True)
class Asked:
    """A number that can be asked for.

    Attributes:
        control: The control that takes it.
        place: Which of the control's numbers it is.
        low: The least that can be asked for.
        high: The most.
        middle: What the control takes as 0.
        unit: What it takes as 1.
    """

    control: str
    place: int
    low: float
    high: float
    middle: float = 0.0
    unit: float = 1.0


COMPACT = {  # all but the age in deviations of real faces from their mean
    "age": Asked("age", 0, 5, 80, MEANS[0], DEVIATIONS[0]),
    "pose": Asked("pose", 0, -2, 2),
    "expression": Asked("expression", 0, -2, 2),
    "hair": Asked("hair", 0, -2, 2),
    "light": Asked("illumination", 1, -2, 2),
    "light_up": Asked("illumination", 2, -2, 2),
    "brightness": Asked("illumination", 0, -2, 2),
}
PUBLISHED = {  # years, degrees, and the colour of the hair from 0 to 255
    "age": Asked("age", 0, 15, 75),
    "yaw": Asked("orientation", 0, -90, 90),
    "pitch": Asked("orientation", 1, -90, 90),
    "roll": Asked("orientation", 2, -90, 90),
    "hair_red": Asked("hair", 0, 0, 255, unit=255.0),
    "hair_green": Asked("hair", 1, 0, 255, unit=255.0),
    "hair_blue": Asked("hair", 2, 0, 255, unit=255.0),
}


class FaceController(FaceGenerator):
    """Draws faces as they are asked for (Shoshan et al. 2021).

    Args:
        weights: A registered model of the task "face-control".
        device: "cuda", "mps" or "cpu"; None picks the best there is.

    Raises:
        ValueError: No such weights, or no such device; or they can't be had (`WeightsError`).
    """

    TASK = "face-control"
    DEFAULT = "faces-control-compact"

    @property
    def asked(self) -> dict[str, Asked]:
        """What can be asked of these weights, by name."""
        return COMPACT if set(self.network.sizes) == set(CONTROLS) else PUBLISHED

    @cached_property
    def measures(self) -> Measures | None:
        """What measures faces, if the weights draw faces as it knows them."""
        return load_measures(self.device) if self.asked is COMPACT else None

    @torch.inference_mode()
    def measured(self, face: np.ndarray) -> dict[str, float]:
        """Return what `face`, H×W×3 uint8, looks like, in the units in which it is asked for; {} if nobody knows."""
        if self.measures is None:
            return {}
        with device_lock(self.device):
            found = self.measures(to_tensor(face).to(self.device))
        return {
            name: float(found[one.control][0, one.place]) * one.unit + one.middle for name, one in self.asked.items()
        }

    def checked(self, controls: Mapping[str, float]) -> dict[str, float]:
        """Return `controls` if these weights can be asked for them.

        Raises:
            ValueError: They can't, or a value is out of range or no number.
        """
        for name, value in controls.items():
            if name not in self.asked:
                raise ValueError(f"These weights have no control “{name}”; they have {', '.join(self.asked)}.")
            one = self.asked[name]
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not one.low <= value <= one.high:
                raise ValueError(f"The {name.replace('_', ' ')} must be a number from {one.low:g} to {one.high:g}.")
        return dict(controls)

    @torch.inference_mode()
    def controlled(self, w: np.ndarray, controls: Mapping[str, float]) -> np.ndarray:
        """Return a layers×w_dim latent changed so that `controls` hold.

        Where a control takes several numbers, those that aren't asked for stay as they are in the face of `w`, or are
        0 where nobody can measure them.

        Raises:
            ValueError: As `checked` says.
        """
        controls = self.checked(controls)
        wanted = {self.asked[name].control for name in controls}
        partly = any(self.network.sizes[name] > 1 for name in wanted)
        found = self.measured(self.draw(w)) if partly else {}
        values = {name: torch.zeros(1, self.network.sizes[name], device=self.device) for name in wanted}
        for name, one in self.asked.items():
            if one.control in wanted:
                value = controls.get(name, found.get(name, one.middle))
                values[one.control][0, one.place] = (value - one.middle) / one.unit
        with device_lock(self.device):
            ws = self.network.controlled(torch.from_numpy(w)[None].to(self.device), values)
        return ws[0].cpu().numpy()

    def sheet(
        self, seeds: Sequence[int], control: str, *, columns: int = 7, truncation: float = 0.7
    ) -> Iterator[Step]:
        """Draw each of N faces as `control` goes from its least to its most.

        The last step's result is the sheet, N·H × columns·W × 3 uint8, and the values of the columns.

        Raises:
            ValueError: There is no such control, or there are too many rows or columns.
        """
        if control not in self.asked:
            raise ValueError(f"These weights have no control “{control}”; they have {', '.join(self.asked)}.")
        if not 1 <= len(seeds) <= MAX_ROWS or not 2 <= columns <= MAX_COLUMNS:
            raise ValueError(f"A sheet has 1 to {MAX_ROWS} faces and 2 to {MAX_COLUMNS} values.")
        values = np.linspace(self.asked[control].low, self.asked[control].high, columns).tolist()
        rows, total = [], len(seeds) * columns
        for w in self.styles(self.latents(seeds), truncation):
            row = []
            for value in values:
                row.append(self.draw(self.controlled(w, {control: value})))
                yield Step(len(rows) * columns + len(row), total)
            rows.append(np.concatenate(row, 1))
            yield Step(len(rows) * columns, total, preview=np.concatenate(rows))
        yield Step(total, total, result=(np.concatenate(rows), values))
