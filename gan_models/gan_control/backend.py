"""The backend of explicit control: a face of sixty, turned to the left, smiling, lit from the right."""

from collections.abc import Iterator, Mapping
from functools import cached_property

import numpy as np
import torch

from gan_models.device import device_lock
from gan_models.gan_control import COMPACT, MAX_ROWS, Control, ControlFace, ControlSheet, controls_of, label
from gan_models.gan_control.measures import Measures, load_measures
from gan_models.images.tensors import to_tensor
from gan_models.jobs import Step
from gan_models.seeds import parse_seeds
from gan_models.stylegan2.backend import FaceGenerator
from gan_models.task import Task


class FaceController(FaceGenerator):
    """Draws faces as they are asked for (Shoshan et al. 2021)."""

    weights = "face-control"

    def run(self, ask: Task) -> Iterator[Step]:
        """Do what is asked.

        Raises:
            ValueError: The weights have no such control, a value is out of its range, or there are too many rows.
        """
        match ask:
            case ControlFace():
                yield from self._control(ask)
            case ControlSheet():
                yield from self._sheet(ask)

    def _control(self, ask: ControlFace) -> Iterator[Step]:
        seed = parse_seeds(ask.seed)[0]
        w = self.styles(self.latents([seed]), ask.truncation)[0]
        before, face = (self.draw(one) for one in (w, self.controlled(w, ask.controls)))
        measured = {name: round(value, 2) for name, value in self.measured(face).items()}
        found = [
            f"{label(name).lower()} {measured[name]:g} (asked: {ask.controls[name]:g})"
            for name in ask.controls
            if measured
        ]
        text = f"A face in which we measure {', '.join(found)}," if found else "A face"
        yield Step(1, 1, before=before, result=face, message=text, notes={"seed": seed, "measured": measured})

    def _sheet(self, ask: ControlSheet) -> Iterator[Step]:
        seeds = parse_seeds(ask.seeds)
        if len(seeds) > MAX_ROWS:
            raise ValueError(f"A sheet has 1 to {MAX_ROWS} faces, not {len(seeds)}.")
        one = self.control(ask.control)
        values = np.linspace(one.low, one.high, ask.columns).tolist()
        rows: list[np.ndarray] = []
        total = len(seeds) * ask.columns
        for w in self.styles(self.latents(seeds), ask.truncation):
            row = []
            for value in values:
                row.append(self.draw(self.controlled(w, {ask.control: value})))
                yield Step(len(rows) * ask.columns + len(row), total)
            rows.append(np.concatenate(row, 1))
            yield Step(len(rows) * ask.columns, total, preview=np.concatenate(rows))
        text = f"{label(ask.control)} from {values[0]:g} to {values[-1]:g}"
        yield Step(total, total, message=text, result=np.concatenate(rows), notes={"seeds": seeds, "values": values})

    @property
    def asked(self) -> dict[str, Control]:
        """What can be asked of these weights, by name."""
        return controls_of(self.network.sizes)

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
            name: float(found[one.network][0, one.place]) * one.unit + one.middle for name, one in self.asked.items()
        }

    def control(self, name: str) -> Control:
        """Return what can be asked for under this name.

        Raises:
            ValueError: Nothing can.
        """
        if name not in self.asked:
            raise ValueError(f"These weights have no control “{name}”; they have {', '.join(self.asked)}.")
        return self.asked[name]

    def checked(self, controls: Mapping[str, float]) -> dict[str, float]:
        """Return `controls` if these weights can be asked for them.

        Raises:
            ValueError: They can't, or a value is out of range.
        """
        for name, value in controls.items():
            one = self.control(name)
            if not one.low <= value <= one.high:
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
        wanted = {self.asked[name].network for name in controls}
        partly = any(self.network.sizes[name] > 1 for name in wanted)
        found = self.measured(self.draw(w)) if partly else {}
        values = {name: torch.zeros(1, self.network.sizes[name], device=self.device) for name in wanted}
        for name, one in self.asked.items():
            if one.network in wanted:
                value = controls.get(name, found.get(name, one.middle))
                values[one.network][0, one.place] = (value - one.middle) / one.unit
        with device_lock(self.device):
            ws = self.network.controlled(torch.from_numpy(w)[None].to(self.device), values)
        return ws[0].cpu().numpy()
