"""Train controlled faces: first a generator whose latents have parts, then what sets them (sections 3.1 and 3.2).

Phase one begins from `faces-compact`: w is turned so that what an attribute depends on comes to lie in its part, and
the mappings give normally distributed parts; from there the generator learns with a new discriminator.
"""

from collections.abc import Mapping as Values
from pathlib import Path

import torch
import torch.nn.functional as F

from gan_models import checkpoints, processes
from gan_models.checkpoints.loading import load_state_dict_file
from gan_models.device import training_precision
from gan_models.gan_control.measures import CONTROLS, Measures, distances, load_measures
from gan_models.gan_control.model import ControlledGenerator, Stack
from gan_models.jobs import check_wanted
from gan_models.nn.losses import generator_loss
from gan_models.stylegan2.network import GAIN, SLOPE, Discriminator, Generator
from gan_models.stylegan2.trainer import R1_EVERY, ADATrainer, adam, sheet
from gan_models.training.augment import AdaptiveAugment
from gan_models.training.datasets import squares
from gan_models.training.ema import EMA
from gan_models.training.loop import Report, Trainer, descend, frozen

START = "faces-compact"
GROUPS = {"identity": 48, "age": 8, "pose": 8, "expression": 8, "illumination": 16, "hair": 8, "rest": 32}
ATTRIBUTES = ("identity", "age", "pose", "expression", "illumination", "hair")
SHARING = 4  # faces of a batch that have a part in common
SIZES = {"img_resolution": 64, "channel_base": 2048, "channel_max": 128}
STACKS = {"mapping_layers": 4, "mapping_width": 128, "control_layers": 4, "control_width": 64}
# Distances above which faces that share a part are pulled together, and below which others are pushed apart, both in
# deviations of real faces but for the identity; and the weight of each beside the adversarial loss.
TOGETHER = {"identity": 0.3, "age": 0.15, "pose": 0.15, "expression": 0.15, "illumination": 0.15, "hair": 0.15}
APART = {"identity": 0.8, "age": 0.9, "pose": 0.9, "expression": 0.9, "illumination": 0.9, "hair": 0.9}
WEIGHTS = {"identity": 2.0, "age": 1.5, "pose": 1.5, "expression": 1.5, "illumination": 1.5, "hair": 1.5}
BATCH, EMA_HALF_LIFE = 32, 3000  # both in pictures
# Learning rates; layers before w are slowed down a hundredfold. Convolutions draw well from the beginning, and a
# discriminator that is new to it would spoil them.
RATES = {"mapping": 1e-2, "affine": 2e-3, "other": 3e-4, "discriminator": 2e-3, "controls": 2e-2}
ALONE = 400  # steps in which only the discriminator learns
SETTLING = 0.84  # share of the steps after which attributes weigh a third, for pictures to mend
SHIFT = 2  # pixels by which faces are moved at random before they are measured
SAMPLES, DIRECTIONS = 128, 4  # faces, and directions of the identity's numbers, whose gradients turn w
EVEN = 0.05  # how little it counts that a direction changes other attributes too
HELD = 0.1  # weight, while faces are drawn in phase two, of what was learned before


class GANControl(ADATrainer):
    """Train a generator of faces whose latents have parts, phase one; leave `generator.safetensors`.

    Args:
        data: Folder of UTKFace.
        steps: Iterations.
    """

    data: Path
    steps: int = 2160
    validate_every = 250

    def build(self) -> None:
        """Turn the latents of the faces that are there, make a discriminator, and open the pictures."""
        self.measures = load_measures(self.device)
        self.generator = beginning(self.measures, self.device)
        self.discriminator = Discriminator(0, img_channels=3, **SIZES)
        for network in (self.generator, self.discriminator):
            network.to(self.device, memory_format=torch.channels_last)
        self.ema = EMA(self.generator, decay=0.5 ** (BATCH / EMA_HALF_LIFE))
        self.g_optimizer = generator_adam(self.generator)
        self.d_optimizer = adam(self.discriminator, RATES["discriminator"], R1_EVERY)
        self.augment = AdaptiveAugment().to(self.device)
        names = ("generator", "discriminator", "ema", "g_optimizer", "d_optimizer", "augment")
        self.parts = {name: getattr(self, name) for name in names}
        self.reals = squares(self.data, SIZES["img_resolution"])

    def step(self, index: int) -> dict[str, torch.Tensor]:
        """Let the discriminator learn, and after some steps the generator, which attributes pull at too."""
        alone, mapping = index < ALONE, self.generator.mapping
        real = self.real_batch(BATCH)
        with training_precision(self.device), torch.set_grad_enabled(not alone):
            z = processes.randn(len(real), self.generator.z_dim).to(self.device)
            z, shared = sharing(z, mapping.parts)
            ws = mapping(z)
            mapping.track(ws[:, 0].detach())
            fake = self.generator.synthesis(ws)
        losses = {"discriminator": self.train_discriminator(real, fake.detach(), index)}
        if not alone:
            with frozen(self.discriminator):
                with training_precision(self.device):
                    g_loss = generator_loss(self.discriminator(self.augment(fake)))
                    found = self.measures(shifted((fake.float() + 1) / 2))
                controls = contrastive(found, shared)
                weight = 1 if index < SETTLING * self.steps else 1 / 3
                pull = weight * sum(WEIGHTS[name] * loss for name, loss in controls.items())
                descend(self.g_optimizer, g_loss + pull)
            losses |= {"generator": g_loss} | controls
        self.ema.update(self.generator)
        return losses

    def validate(self) -> Report:
        """Return a sheet of what the average draws."""
        picture = sheet(self.ema.network)
        return Report(f"{self.done * BATCH} pictures", picture, result=picture)

    def weights(self) -> dict:
        """Return the average."""
        return {"generator": (self.ema.network.state_dict(), {"pictures": str(self.done * BATCH)})}


def generator_adam(generator: ControlledGenerator) -> torch.optim.Adam:
    """Return Adam for all of the generator but its controls, with the rate of each kind of layer."""
    groups = {"mapping": list(generator.mapping.parameters()), "affine": [], "other": []}
    for name, parameter in generator.synthesis.named_parameters():
        groups["affine" if ".affine." in name else "other"].append(parameter)
    parameters = [{"params": group, "lr": RATES[name]} for name, group in groups.items()]
    return torch.optim.Adam(parameters, betas=(0.0, 0.99))


def sharing(z: torch.Tensor, parts: Values[str, slice]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Return N×z_dim in which each part of an attribute is that of four rows, and for each attribute which share it.

    Who shares is drawn anew for each attribute, so that those who share one part hardly share others. The paper has
    pairs that share one part alone: of a batch of 32, two or three for each attribute; here there are 48.

    Returns:
        The latents, and by the name of each attribute N×N, true where two rows share its part; not on the diagonal.
    """
    z, shared = z.clone(), {}
    for name in ATTRIBUTES:
        group = torch.randperm(len(z), device=z.device) // SHARING
        first = torch.zeros(len(z), dtype=torch.long, device=z.device)
        first[group] = torch.arange(len(z), device=z.device)  # of each group one row
        z[:, parts[name]] = z[first[group]][:, parts[name]]
        shared[name] = (group[:, None] == group).fill_diagonal_(False)
    return z, shared


def contrastive(found: Values[str, torch.Tensor], shared: Values[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the loss of each attribute of a batch that `sharing` made (equation 3).

    The mean of max(0, D - c⁺) over all that share its part, and of max(0, c⁻ - D) over all that don't.
    """
    apart, losses = distances(found, found), {}
    for name, together in shared.items():
        others = ~together.clone().fill_diagonal_(True)
        losses[name] = (apart[name][together] - TOGETHER[name]).relu().mean()
        losses[name] = losses[name] + (APART[name] - apart[name][others]).relu().mean()
    return losses


def shifted(faces: torch.Tensor) -> torch.Tensor:
    """Return N×3×H×W moved by up to two pixels, so that no pattern of single pixels can please the measures."""
    top, left = torch.randint(2 * SHIFT + 1, (2,)).tolist()
    padded = F.pad(faces.clamp(0, 1), [SHIFT] * 4, mode="reflect")
    return padded[:, :, top : top + faces.shape[2], left : left + faces.shape[3]]


def beginning(measures: Measures, device: torch.device) -> ControlledGenerator:
    """Return a generator that draws about what `faces-compact` draws, from latents with a part for each attribute."""
    faces = checkpoints.load(START, str(device))
    with torch.no_grad():
        w = faces.mapping(torch.randn(10_000, faces.z_dim, device=device))[:, 0]
    mean, (values, vectors) = w.mean(0), torch.linalg.eigh(torch.cov(w.T))
    spread = vectors * values.clamp(min=1e-6).sqrt()  # turns what has unit covariance into w
    turned = spread @ rotation(faces, mean, spread, measures)
    generator = ControlledGenerator(GROUPS, CONTROLS, **SIZES, **STACKS).to(device)
    generator.synthesis.load_state_dict(faces.synthesis.state_dict())
    with torch.no_grad():
        for name, layer in generator.synthesis.named_modules():
            if name.endswith("affine"):  # the same styles, of w = mean + turned · u
                layer.bias.add_(layer.weight @ mean * layer.weight_gain / layer.bias_gain)
                layer.weight.copy_(layer.weight @ turned)
    for stack in generator.mapping.stacks.values():
        pass_through(stack)
    return generator


def rotation(faces: Generator, mean: torch.Tensor, spread: torch.Tensor, measures: Measures) -> torch.Tensor:
    """Return D×D with orthonormal columns, of which those of an attribute's part change it more than others.

    From gradients of what is measured at random faces: the directions for which the mean square of an attribute's
    gradient is largest, in relation to that of all others.
    """
    size = spread.shape[1]
    squares = {name: torch.zeros(size, size, device=mean.device) for name in ATTRIBUTES}
    for _ in range(SAMPLES // BATCH):
        u = torch.randn(BATCH, size, device=mean.device, requires_grad=True)
        ws = (mean + u @ spread.T)[:, None].repeat(1, faces.num_ws, 1)
        found = measures((faces.synthesis(ws, "const") / 2 + 0.5).clamp(0, 1))
        found["identity"] = found["identity"] @ torch.randn(
            found["identity"].shape[1], DIRECTIONS, device=mean.device
        )
        for name in ATTRIBUTES:
            for column in found[name].unbind(1):
                (gradient,) = torch.autograd.grad(column.sum(), u, retain_graph=True)
                squares[name] += gradient.T @ gradient
    squares = {name: matrix / matrix.trace() for name, matrix in squares.items()}
    root = torch.linalg.cholesky(sum(squares.values()) + EVEN * torch.eye(size, device=mean.device)).inverse()
    columns = torch.zeros(size, 0, device=mean.device)
    order = sorted(ATTRIBUTES, key=GROUPS.__getitem__)  # small parts choose first
    for name in order:
        vectors = torch.linalg.eigh(root @ squares[name] @ root.T).eigenvectors.flip(1)
        chosen = root.T @ vectors[:, : GROUPS[name]]
        columns = torch.linalg.qr(torch.cat([columns, chosen], 1)).Q
    columns = torch.linalg.qr(torch.cat([columns, torch.eye(size, device=mean.device)], 1)).Q[:, :size]
    places, start = {}, 0
    for name in [*order, "rest"]:
        places[name] = columns[:, start : start + GROUPS[name]]
        start += GROUPS[name]
    return torch.cat([places[name] for name in GROUPS], 1)


@torch.no_grad()
def pass_through(stack: Stack) -> None:
    """Set the weights of `stack` so that what comes out is what goes in.

    Hidden layers carry x and -x: of both activations, f, x is (f(x) - f(-x)) over 1 + slope; and what the last layer
    makes of -f(-x) / slope is x.
    """
    layers, size = stack.layers, stack.layers[-1].weight.shape[0]
    eye, width = torch.eye(size), layers[-1].weight.shape[1]
    both = torch.cat([eye, -eye])
    for layer in layers:
        inside = layer not in (layers[0], layers[-1])
        wanted = torch.zeros(layer.weight.shape)
        if layer is layers[0]:
            wanted[: 2 * size] = both
        elif inside:
            wanted[: 2 * size, : 2 * size] = both @ both.T / (GAIN * (1 + SLOPE))
        else:
            wanted[:, size : 2 * size] = -eye / (SLOPE * GAIN**2)
        # What is left carries nothing yet, and is not seen by the next layer.
        wanted[2 * size :] = torch.randn(max(0, len(wanted) - 2 * size), wanted.shape[1]) / width**0.5
        layer.weight.copy_(wanted / layer.weight_gain)


# --- Phase two


class FaceControls(Trainer):
    """Train what sets the parts of the latents, phase two; leave `generator.safetensors`, with its controls.

    Faces are drawn and measured; each control learns which part of w a value comes from. Then, with the generator
    held, controls learn to give faces in which the values are measured that were asked for.

    Args:
        start: Folder of phase one.
        steps: Iterations, of which the first two thousand draw no faces.
        samples: Faces that are drawn and measured, a multiple of 32.
    """

    start: Path
    steps: int = 2400
    samples: int = 10_000
    regressed = 2000

    def build(self) -> None:
        """Load the generator, measure what it draws, and make what controls learn by."""
        self.measures = load_measures(self.device)
        self.generator = ControlledGenerator(GROUPS, CONTROLS, **SIZES, **STACKS)
        self.generator.load_state_dict(load_state_dict_file(self.start / "generator.safetensors", "safetensors"))
        self.generator.to(self.device, memory_format=torch.channels_last).eval().requires_grad_(False)
        controls = self.generator.controls.requires_grad_(True)
        drawn = [self.measured() for _ in range(0, self.samples, BATCH)]
        self.latents = torch.cat([latents for latents, _ in drawn])
        self.values = {name: torch.cat([values[name] for _, values in drawn]) for name in CONTROLS}
        self.optimizer = torch.optim.Adam(controls.parameters(), lr=RATES["controls"])
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, self.steps)
        self.parts = {"controls": controls, "optimizer": self.optimizer, "schedule": self.schedule}

    @torch.no_grad()
    def measured(self) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Return latents w of random faces, N×D, and what is measured at these by the names of the controls."""
        check_wanted()
        with training_precision(self.device):
            ws = self.generator.mapping(torch.randn(BATCH, self.generator.z_dim).to(self.device))
            found = self.measures((self.generator.synthesis(ws, "const").float() / 2 + 0.5).clamp(0, 1))
        return ws[:, 0], found

    def step(self, index: int) -> dict[str, torch.Tensor]:
        """Learn which parts of w values come from, and in the end which faces they come to."""
        (chosen,) = self.batch(torch.randint(len(self.latents), (256,)))
        parts = self.generator.mapping.parts
        regressed = {
            name: F.l1_loss(self.generator.controls[name](values[chosen]), self.latents[chosen][:, parts[name]])
            for name, values in self.values.items()
        }
        if index < self.regressed:
            losses, loss = regressed, sum(regressed.values())
        else:
            measured = self.drawn_losses()
            losses = {f"{name}, measured": value for name, value in measured.items()}
            loss = HELD * sum(regressed.values()) + sum(measured.values())
        descend(self.optimizer, loss)
        self.schedule.step()
        return losses

    def drawn_losses(self) -> dict[str, torch.Tensor]:
        """Return how far what is measured at faces is from what was asked for, values that need not go together."""
        (rows,) = self.batch(torch.randint(len(self.latents), (len(CONTROLS), BATCH)).T)
        asked = {name: self.values[name][column] for name, column in zip(CONTROLS, rows.T, strict=True)}
        with training_precision(self.device):
            ws = self.generator.mapping(processes.randn(len(rows), self.generator.z_dim).to(self.device))
            faces = self.generator.synthesis(self.generator.controlled(ws, asked))
            found = self.measures(shifted((faces.float() + 1) / 2))
        return {name: F.smooth_l1_loss(found[name], asked[name]) for name in CONTROLS}

    def validate(self) -> Report:
        """Return the generator."""
        return Report(f"{self.done} steps", result=self.generator)

    def weights(self) -> dict:
        """Return the generator with its controls."""
        return {"generator": (self.generator.state_dict(), {"samples": str(self.samples)})}
