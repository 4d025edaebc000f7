"""Train controlled faces: first a generator whose latents have parts, then what sets them (sections 3.1 and 3.2).

Phase one begins from `faces-compact`: w is turned so that what an attribute depends on comes to lie in its part, and
the mappings give normally distributed parts; from there the generator learns with a new discriminator.
"""

from collections.abc import Iterator
from collections.abc import Mapping as Values
from pathlib import Path

import cv2
import torch
import torch.nn.functional as F

from gan_models import checkpoints
from gan_models.checkpoints.loading import load_state_dict_file
from gan_models.checkpoints.save import save_half
from gan_models.device import pick_device, training_precision
from gan_models.gan_control.measures import CONTROLS, Measures, distances, load_measures
from gan_models.gan_control.model import ControlledGenerator, Stack
from gan_models.jobs import Step
from gan_models.nn.losses import discriminator_loss, generator_loss, r1_penalty
from gan_models.stylegan2.network import GAIN, SLOPE, Discriminator, Generator
from gan_models.stylegan2.trainer import R1_EVERY, R1_WEIGHT, Reals, adam, sheet, update
from gan_models.training import checkpoint
from gan_models.training.augment import AdaptiveAugment
from gan_models.training.ema import EMA

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
REGRESSED, HELD = 2000, 0.1  # steps of phase two without drawing, and the weight of what they learn afterwards


def train(data: Path, out: Path, *, resume: bool = False, steps: int = 2160, seed: int = 0) -> Iterator[Step]:
    """Phase one, on the folder `data` of UTKFace; leave `generator.safetensors` in `out`.

    Yields a `Step` every 20 iterations, and one with a sheet at each checkpoint, also written to `sheet.png`.

    Raises:
        ValueError: There are no pictures.
    """
    device = pick_device()
    torch.manual_seed(seed)
    measures = load_measures(device)
    yield Step(0, steps, message="turning the latents")
    generator = beginning(measures, device)
    discriminator = Discriminator(0, img_channels=3, **SIZES)
    for network in (generator, discriminator):
        network.to(device, memory_format=torch.channels_last)
    ema = EMA(generator, decay=0.5 ** (BATCH / EMA_HALF_LIFE))
    g_optimizer, d_optimizer = generator_adam(generator), adam(discriminator, RATES["discriminator"], R1_EVERY)
    augment = AdaptiveAugment().to(device)
    parts = {
        "generator": generator,
        "discriminator": discriminator,
        "ema": ema,
        "g_optimizer": g_optimizer,
        "d_optimizer": d_optimizer,
        "augment": augment,
    }
    step = checkpoint.load(out / "checkpoint.pt", parts) if resume else 0
    reals = Reals(data, SIZES["img_resolution"])
    losses: dict[str, float] = {}
    while step < steps:
        alone = step < ALONE
        real = reals.batch(BATCH, device).contiguous(memory_format=torch.channels_last)
        with training_precision(device), torch.set_grad_enabled(not alone):
            z, shared = sharing(torch.randn(BATCH, generator.z_dim, device=device), generator.mapping.parts)
            ws = generator.mapping(z)
            generator.mapping.track(ws[:, 0].detach())
            fake = generator.synthesis(ws)
        with training_precision(device):
            real_logits = discriminator(augment(real))
            fake_logits = discriminator(augment(fake.detach()))
        d_loss = discriminator_loss(real_logits, fake_logits)
        augment.adapt(real_logits.detach().sign().mean().item(), BATCH)
        update(d_optimizer, d_loss)
        if step % R1_EVERY == 0:
            pictures = augment(real).requires_grad_()
            update(d_optimizer, R1_WEIGHT / 2 * R1_EVERY * r1_penalty(discriminator(pictures), pictures))
        losses = {"discriminator": d_loss.item()}
        if not alone:
            discriminator.requires_grad_(False)
            with training_precision(device):
                g_loss = generator_loss(discriminator(augment(fake)))
                found = measures(shifted((fake.float() + 1) / 2))
            controls = contrastive(found, shared)
            weight = 1 if step < SETTLING * steps else 1 / 3
            update(g_optimizer, g_loss + weight * sum(WEIGHTS[name] * loss for name, loss in controls.items()))
            discriminator.requires_grad_(True)
            losses |= {"generator": g_loss.item()} | {name: loss.item() for name, loss in controls.items()}
        ema.update(generator)
        step += 1
        if step % 20 == 0:
            yield Step(step, steps, losses=losses)
        if step % 250 == 0 or step == steps:
            checkpoint.save(out / "checkpoint.pt", step, parts)
            picture = sheet(ema.network)
            cv2.imwrite(str(out / "sheet.png"), picture[:, :, ::-1])
            text = ", ".join(f"{name} {value:.2f}" for name, value in losses.items())
            yield Step(step, steps, preview=picture, message=text)
    save_half(ema.network.state_dict(), out / "generator.safetensors", {"pictures": str(step * BATCH)})
    yield Step(steps, steps, message="done", result=sheet(ema.network))


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


def train_controls(
    start: Path, out: Path, *, resume: bool = False, steps: int = 400, samples: int = 10_000, seed: int = 0
) -> Iterator[Step]:
    """Phase two, on the generator in the folder `start`; leave `generator.safetensors`, with its controls, in `out`.

    Faces are drawn and measured; each control learns which part of w a value comes from. Then, with the generator
    held, controls learn to give faces in which the values are measured that were asked for.

    Raises:
        ValueError: `resume`, as this takes minutes and has no checkpoints.
        WeightsError: There is no generator in `start`.
    """
    if resume:
        raise ValueError("Learning controls can't be resumed; it takes some minutes.")
    device = pick_device()
    torch.manual_seed(seed)
    measures = load_measures(device)
    generator = ControlledGenerator(GROUPS, CONTROLS, **SIZES, **STACKS)
    state = load_state_dict_file(start / "generator.safetensors", "safetensors")
    generator.load_state_dict(state)
    generator.to(device, memory_format=torch.channels_last).eval()
    generator.mapping.requires_grad_(False)
    generator.synthesis.requires_grad_(False)
    latents, values = [], []
    for begun in range(0, samples, BATCH):
        with torch.no_grad(), training_precision(device):
            ws = generator.mapping(torch.randn(BATCH, generator.z_dim, device=device))
            found = measures((generator.synthesis(ws, "const").float() / 2 + 0.5).clamp(0, 1))
        latents.append(ws[:, 0])
        values.append({name: found[name] for name in CONTROLS})
        yield Step(begun, samples, message="measuring" if not begun else "")
    latents = torch.cat(latents)
    values = {name: torch.cat([one[name] for one in values]) for name in CONTROLS}
    optimizer = torch.optim.Adam(generator.controls.parameters(), lr=RATES["controls"])
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, REGRESSED + steps)
    for step in range(REGRESSED + steps):
        chosen = torch.randint(len(latents), (256,))
        asked = {name: value[chosen] for name, value in values.items()}
        wanted = {name: latents[chosen][:, generator.mapping.parts[name]] for name in CONTROLS}
        losses = {name: F.l1_loss(generator.controls[name](asked[name]), wanted[name]) for name in CONTROLS}
        loss, measured = sum(losses.values()), {}
        if step >= REGRESSED:
            order = torch.randint(len(latents), (len(CONTROLS), BATCH))  # values that need not go together
            asked = {name: value[rows] for (name, value), rows in zip(values.items(), order, strict=True)}
            with training_precision(device):
                ws = generator.mapping(torch.randn(BATCH, generator.z_dim, device=device))
                faces = generator.synthesis(generator.controlled(ws, asked))
                found = measures(shifted((faces.float() + 1) / 2))
            measured = {name: F.smooth_l1_loss(found[name], asked[name]) for name in CONTROLS}
            loss = HELD * loss + sum(measured.values())
        update(optimizer, loss)
        schedule.step()
        if step % 20 == 0:
            named = {f"{name}, measured": value.item() for name, value in measured.items()}
            shown = named or {name: value.item() for name, value in losses.items()}
            yield Step(step, REGRESSED + steps, losses=shown)
    error = ", ".join(f"{name} {value.item():.3f}" for name, value in measured.items())
    save_half(generator.state_dict(), out / "generator.safetensors", {"samples": str(samples)})
    yield Step(REGRESSED + steps, REGRESSED + steps, message=error, result=generator)
