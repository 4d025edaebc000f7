from math import log, pi, sqrt

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gan_models.training.augment import AdaptiveAugment, rotation, scaling, translation

MANY = 4000
MIDDLE = torch.tensor([0.0, 0, 1], dtype=torch.float64)
PLACEMENTS = ("shift x", "shift y", "zoom", "stretch", "quarter", "before", "after", "x", "y")
COLOURS = ("brightness", "contrast", "flip", "hue", "saturation")


def augment(p=1.0, **options):
    module = AdaptiveAugment(**options)
    module.p.fill_(p)
    return module


def many(side=8, count=MANY):
    """Pictures of which only the shape counts."""
    return torch.zeros(1).expand(count, 3, side, side)


def pictures(count=4, side=8):
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(1)) * 2 - 1


def moving(monkeypatch, module, matrices):
    """Let `module` move pictures by these matrices alone."""
    identity = torch.eye(3).expand(len(matrices), 3, 3), torch.zeros(len(matrices), 1, 1, 1)
    monkeypatch.setattr(module, "_placement", lambda pictures: matrices)
    monkeypatch.setattr(module, "_colours", lambda pictures: identity)
    return module


def alone(monkeypatch, order, *names, p=1.0):
    """An augmentation that makes only the changes `names` of those that it makes in this order."""
    order, choose = iter(order), AdaptiveAugment._chosen

    def chosen(self, values, otherwise, p=None):
        return choose(self, values, otherwise, p if next(order) in names else torch.tensor(0.0))

    monkeypatch.setattr(AdaptiveAugment, "_chosen", chosen)
    return augment(p)


# --- How much


def test_nothing_changes_at_first():
    module, batch = AdaptiveAugment(), pictures()
    assert module.p == 0
    assert torch.equal(module(batch), batch)


def test_the_probability_follows_the_signs():
    module = AdaptiveAugment(target=0.6, speed=1000)
    rates = []
    for sign, count in [(0.61, 100), (1, 200), (0.59, 50), (-1, 100)]:
        module.adapt(sign, count)
        rates.append(module.p.item())
    assert rates == pytest.approx([0.1, 0.3, 0.25, 0.15])


def test_the_probability_stays_between_none_and_one():
    module = AdaptiveAugment(speed=1000)
    for sign, expected in ((-1, 0), (1, 0.6), (1, 1), (1, 1), (-1, 0.4), (-1, 0), (-1, 0)):
        module.adapt(sign, 600)
        assert module.p.item() == pytest.approx(expected)


def test_the_probability_is_part_of_a_checkpoint():
    module = AdaptiveAugment()
    module.load_state_dict(augment(0.3).state_dict())
    assert module.p.item() == pytest.approx(0.3)


@pytest.mark.parametrize("p", [0.02, 0.05])
def test_the_share_of_untouched_pictures(p):
    """14 changes, of which a shift by less than half a pixel, no quarter turn and no flip leave a picture."""
    torch.manual_seed(0)
    batch = pictures(side=8).repeat(MANY // 4, 1, 1, 1)
    untouched = ((augment(p)(batch) - batch).abs().amax((1, 2, 3)) < 1e-4).float().mean().item()
    still = {"shift x": 1 / 2, "shift y": 1 / 2, "quarter": 1 / 4, "flip": 1 / 2}
    expected = (1 - p) ** 9  # zoom, stretch, either turn, x, y, brightness, contrast, hue, saturation
    for share in still.values():
        expected *= 1 - p * (1 - share)
    deviation = sqrt(expected * (1 - expected) / MANY)
    assert untouched == pytest.approx(expected, abs=4 * deviation)


def test_hardly_a_picture_is_untouched_when_everything_happens():
    torch.manual_seed(0)
    batch = pictures(200)
    assert ((augment()(batch) - batch).abs().amax((1, 2, 3)) > 0.01).all()


def test_pictures_change_independently():
    torch.manual_seed(0)
    same = pictures(1).repeat(50, 1, 1, 1)
    changed = augment()(same).flatten(1)
    assert torch.cdist(changed, changed).add(torch.eye(50)).min() > 0.01


def test_one_seed_gives_one_result():
    def result(seed):
        torch.manual_seed(seed)
        return augment(0.7)(pictures())

    assert torch.equal(result(1), result(1))
    assert not torch.equal(result(1), result(2))


def test_shape_and_precision_stay():
    changed = augment()(pictures(3, 16))
    assert changed.shape == (3, 3, 16, 16)
    assert changed.dtype == torch.float32


# --- Where


def test_matrices_of_the_plane():
    a, b = torch.tensor([0.3, -2.0]), torch.tensor([1.5, 0.7])
    found = torch.stack([rotation(a), scaling(a, b), translation(a, b)], 1)
    for index, (x, y) in enumerate([(0.3, 1.5), (-2.0, 0.7)]):
        c, s = np.cos(x), np.sin(x)
        expected = [
            [[c, -s, 0], [s, c, 0], [0, 0, 1]],
            [[x, 0, 0], [0, y, 0], [0, 0, 1]],
            [[1, 0, x], [0, 1, y], [0, 0, 1]],
        ]
        np.testing.assert_allclose(found[index], expected, atol=1e-6)


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_quarter_turns_are_exact(monkeypatch, turns):
    batch = pictures(2)
    module = moving(monkeypatch, augment(), rotation(torch.full([2], turns * pi / 2)))
    torch.testing.assert_close(module(batch), torch.rot90(batch, turns, (2, 3)), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("x", "y"), [(0, 0), (1, 0), (0, 2), (-3, 1)])
def test_whole_shifts_are_exact_and_mirror_at_the_border(monkeypatch, x, y):
    batch = pictures(2)
    module = moving(monkeypatch, augment(), translation(torch.full([2], x / 4), torch.full([2], y / 4)))
    mirrored = np.pad(batch.numpy(), ((0, 0), (0, 0), (8, 8), (8, 8)), mode="symmetric")
    expected = mirrored[:, :, 8 + y : 16 + y, 8 + x : 16 + x]
    np.testing.assert_allclose(module(batch), expected, atol=1e-5)


def placements(monkeypatch, name, side=32):
    torch.manual_seed(0)
    matrices = alone(monkeypatch, PLACEMENTS, name)._placement(many(side)).double()
    torch.testing.assert_close(matrices[:, 2], MIDDLE.expand(MANY, 3))
    return matrices


@pytest.mark.parametrize(("name", "axis"), [("shift x", 0), ("shift y", 1)])
def test_shifts_are_by_whole_pixels_up_to_an_eighth(monkeypatch, name, axis):
    matrices = placements(monkeypatch, name)
    pixels = matrices[:, axis, 2] * 16
    torch.testing.assert_close(pixels, pixels.round())
    assert pixels.unique().tolist() == list(range(-4, 5))
    assert pixels.mean().item() == pytest.approx(0, abs=0.15)
    matrices[:, axis, 2] = 0
    torch.testing.assert_close(matrices, torch.eye(3).double().expand(MANY, 3, 3))


@pytest.mark.parametrize(("name", "axis"), [("x", 0), ("y", 1)])
def test_fractional_shifts_deviate_by_an_eighth(monkeypatch, name, axis):
    matrices = placements(monkeypatch, name)
    sides = matrices[:, axis, 2] / 2
    assert sides.mean().item() == pytest.approx(0, abs=0.01)
    assert sides.std().item() == pytest.approx(0.125, rel=0.05)
    matrices[:, axis, 2] = 0
    torch.testing.assert_close(matrices, torch.eye(3).double().expand(MANY, 3, 3))


@pytest.mark.parametrize(("name", "power"), [("zoom", 1), ("stretch", -1)])
def test_scales_are_log_normal(monkeypatch, name, power):
    """A zoom scales both axes alike; a stretch keeps the area."""
    matrices = placements(monkeypatch, name)
    x, y = matrices[:, 0, 0], matrices[:, 1, 1]
    torch.testing.assert_close(y, x**power, rtol=1e-5, atol=0)
    assert x.log2().mean().item() == pytest.approx(0, abs=0.02)
    assert x.log2().std().item() == pytest.approx(0.2, rel=0.05)
    torch.testing.assert_close(matrices, torch.diag_embed(torch.stack([x, y, torch.ones_like(x)], 1)))


def angles(matrices):
    """Angles of matrices that turn and do nothing else."""
    found = torch.atan2(matrices[:, 1, 0], matrices[:, 0, 0])
    torch.testing.assert_close(matrices, rotation(found))
    return found


@pytest.mark.parametrize("name", ["before", "after"])
def test_turns_are_by_any_angle(monkeypatch, name):
    found = angles(placements(monkeypatch, name))
    assert found.mean().item() == pytest.approx(0, abs=0.15)
    assert found.std().item() == pytest.approx(pi / sqrt(3), rel=0.03)


def test_quarter_turns_are_equally_frequent(monkeypatch):
    quarters = angles(placements(monkeypatch, "quarter").clamp(-1, 1)) / (pi / 2)
    torch.testing.assert_close(quarters, quarters.round(), atol=1e-5, rtol=0)
    counts = torch.bincount(quarters.round().long() % 4)
    assert (counts / MANY).tolist() == pytest.approx([0.25] * 4, abs=0.03)


@pytest.mark.parametrize("p", [0.3, 0.75])
def test_a_picture_is_turned_with_the_probability_p(monkeypatch, p):
    """By one turn or the other, or both."""
    torch.manual_seed(0)
    matrices = alone(monkeypatch, PLACEMENTS, "before", "after", p=p)._placement(many())
    turned = (matrices != torch.eye(3)).any(2).any(1).float().mean().item()
    assert turned == pytest.approx(p, abs=0.03)


# --- Colours


def colours(monkeypatch, name):
    torch.manual_seed(0)
    matrices, offsets = alone(monkeypatch, COLOURS, name)._colours(many())
    if name != "brightness":
        assert (offsets == 0).all()
    return matrices.double(), offsets.flatten().double()


def grey_of(matrices):
    """What becomes of the colour 1, 1, 1, all channels of which must stay equal."""
    made = matrices.sum(2)
    torch.testing.assert_close(made, made[:, :1].expand(-1, 3), atol=1e-5, rtol=1e-5)
    return made[:, 0]


def test_brightness_adds(monkeypatch):
    matrices, offsets = colours(monkeypatch, "brightness")
    torch.testing.assert_close(matrices, torch.eye(3).double().expand(MANY, 3, 3))
    assert offsets.mean().item() == pytest.approx(0, abs=0.015)
    assert offsets.std().item() == pytest.approx(0.2, rel=0.05)


def test_contrast_multiplies(monkeypatch):
    matrices, _ = colours(monkeypatch, "contrast")
    factors = grey_of(matrices)
    torch.testing.assert_close(matrices, factors[:, None, None] * torch.eye(3).double())
    assert factors.log2().mean().item() == pytest.approx(0, abs=0.04)
    assert factors.log2().std().item() == pytest.approx(0.5, rel=0.05)


def test_half_of_the_flips_turn_brightness_over_and_keep_the_hue(monkeypatch):
    matrices, _ = colours(monkeypatch, "flip")
    greys = grey_of(matrices)
    assert greys.unique().numpy().round(5).tolist() == [-1, 1]
    assert (greys < 0).double().mean().item() == pytest.approx(0.5, abs=0.03)
    chroma = torch.tensor([1.0, -2, 1], dtype=torch.float64)
    torch.testing.assert_close(matrices @ chroma, chroma.expand(MANY, 3), atol=1e-5, rtol=0)


def test_hues_turn_about_grey(monkeypatch):
    matrices, _ = colours(monkeypatch, "hue")
    torch.testing.assert_close(grey_of(matrices), torch.ones(MANY).double(), atol=1e-5, rtol=0)
    unit = torch.eye(3).double().expand(MANY, 3, 3)
    torch.testing.assert_close(matrices @ matrices.mT, unit, atol=1e-5, rtol=0)
    assert (matrices.det() > 0).all()
    turned = matrices @ torch.tensor([1.0, -1, 0], dtype=torch.float64)
    across = turned @ torch.tensor([1.0, 1, -2], dtype=torch.float64) / sqrt(3)
    found = torch.atan2(across, turned[:, 0] - turned[:, 1])
    assert found.mean().item() == pytest.approx(0, abs=0.15)
    assert found.std().item() == pytest.approx(pi / sqrt(3), rel=0.03)


def test_saturation_stretches_what_is_not_grey(monkeypatch):
    matrices, _ = colours(monkeypatch, "saturation")
    torch.testing.assert_close(grey_of(matrices), torch.ones(MANY).double(), atol=1e-5, rtol=0)
    chroma = torch.tensor([1.0, -2, 1], dtype=torch.float64)
    factors = (matrices @ chroma)[:, 0]
    torch.testing.assert_close(matrices @ chroma, factors[:, None] * chroma, atol=1e-5, rtol=1e-5)
    assert factors.log2().mean().item() == pytest.approx(0, abs=0.07)
    assert factors.log2().std().item() == pytest.approx(1, rel=0.05)


def test_grey_pictures_stay_grey():
    torch.manual_seed(0)
    grey = pictures(50)[:, :1].expand(-1, 3, -1, -1)
    changed = augment()(grey)
    torch.testing.assert_close(changed, changed[:, :1].expand(-1, 3, -1, -1), atol=1e-4, rtol=1e-4)
    assert (changed - grey).abs().amax((1, 2, 3)).min() > 0.01


def test_all_colour_changes_come_in_the_order_of_the_paper(monkeypatch):
    """Brightness, contrast, flip, hue, saturation: of grey, (x + b) · c, turned over or not."""
    torch.manual_seed(0)
    parts, choose = {}, AdaptiveAugment._chosen
    order = iter(COLOURS)

    def chosen(self, values, otherwise, p=None):
        return parts.setdefault(next(order), choose(self, values, otherwise, p))

    monkeypatch.setattr(AdaptiveAugment, "_chosen", chosen)
    matrices, offsets = augment(0.5)._colours(many(count=100))
    found = grey_of(matrices.double()) * 0.3 + offsets.flatten()
    expected = (0.3 + parts["brightness"]) * parts["contrast"] * (1 - 2 * parts["flip"])
    torch.testing.assert_close(found.float(), expected, atol=1e-5, rtol=1e-5)


def test_grey_is_grey_on_average():
    """Half of the pictures are turned over, so that the mean of many is that of none."""
    torch.manual_seed(0)
    changed = augment()(torch.full([MANY, 3, 2, 2], 0.5)).mean((1, 2, 3))
    assert changed.mean().item() == pytest.approx(0, abs=4 * changed.std().item() / sqrt(MANY))
    contrast = np.exp(2 * (0.5 * log(2)) ** 2)  # the mean square of a log-normal factor
    assert changed.square().mean().item() == pytest.approx(contrast * (0.5**2 + 0.2**2), rel=0.15)


# --- Gradients


def test_gradients_are_those_of_a_linear_map():
    batch = pictures(8).requires_grad_()
    weights = torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(2))
    module = augment(0.8)

    def weighed(batch):
        torch.manual_seed(3)
        return (module(batch) * weights).sum((1, 2, 3))

    value = weighed(batch)
    (gradient,) = torch.autograd.grad(value.sum(), batch)
    by_gradient = (gradient * batch).sum((1, 2, 3)) + weighed(torch.zeros_like(batch))
    torch.testing.assert_close(by_gradient, value, atol=1e-3, rtol=1e-4)
    assert (gradient.abs().amax((1, 2, 3)) > 0.01).all()


def test_gradients_reach_the_pictures_only():
    module = augment()
    F.mse_loss(module(pictures().requires_grad_()), torch.zeros(4, 3, 8, 8)).backward()
    assert module.p.grad is None
    assert list(module.parameters()) == []
