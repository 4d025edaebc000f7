import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gan_models.classic.network import (
    Autoencoder,
    DCGANDiscriminator,
    DCGANGenerator,
    Equalised,
    Perceptron,
    ProgressiveDiscriminator,
    ProgressiveGenerator,
    normalised,
    widths,
    with_labels,
)


def test_widths_double_towards_small_sizes():
    assert widths(64, 8) == [8, 16, 32, 64]
    assert widths(256, 8) == [8, 16, 32, 64, 64, 64]


@pytest.mark.parametrize("side", [8, 48, 100])
def test_sides_are_powers_of_two(side):
    with pytest.raises(ValueError, match="power of two"):
        widths(side, 8)


def test_labels_become_numbers_behind_the_others():
    marked = with_labels(torch.full((2, 3), 7.0), torch.tensor([1, 0]), 2)
    assert marked.shape == (2, 5)
    assert marked.tolist() == [[7, 7, 7, 0, 1], [7, 7, 7, 1, 0]]
    assert with_labels(torch.ones(2, 3), torch.tensor([1, 0]), 0).shape == (2, 3)


@pytest.mark.parametrize("side", [16, 32, 64])
def test_pictures_go_out_and_numbers_come_back(side):
    generator, discriminator = DCGANGenerator(7, side, 4), DCGANDiscriminator(side, 4, outputs=3)
    made = generator(torch.randn(2, 7))
    assert made.shape == (2, 3, side, side)
    assert made.abs().max() <= 1
    assert discriminator(made).shape == (2, 3)


def test_labels_change_what_is_drawn_and_what_is_said():
    torch.manual_seed(0)
    generator, discriminator = DCGANGenerator(4, 16, 4, classes=3).eval(), DCGANDiscriminator(16, 4, classes=3).eval()
    z = torch.randn(1, 4)
    first, second = (generator(z, torch.tensor([label])) for label in (0, 2))
    assert not torch.allclose(first, second)
    assert not torch.allclose(*(discriminator(first, torch.tensor([label])) for label in (0, 2)))


@pytest.mark.parametrize("norm", ["spectral", "batch", "none"])
def test_a_discriminator_adds_the_projection_of_what_it_sees_on_the_kind(norm):
    torch.manual_seed(0)
    discriminator = DCGANDiscriminator(16, 4, classes=3, norm=norm).eval()
    pictures, labels = torch.randn(4, 3, 16, 16), torch.tensor([2, 0, 1, 2])
    seen = {}
    discriminator.layers[-1].register_forward_hook(lambda _, given, made: seen.update(features=given[0], free=made))
    scores = discriminator(pictures, labels)
    kinds = discriminator.kinds.weight.detach().numpy()
    features, free = seen["features"].detach().numpy().reshape(4, -1), seen["free"].detach().numpy().reshape(4)
    expected = free + [kinds[label] @ row for label, row in zip(labels.tolist(), features, strict=True)]
    np.testing.assert_allclose(scores.detach().numpy()[:, 0], expected, rtol=1e-4, atol=1e-6)


def test_spectral_normalisation_divides_by_the_greatest_singular_value():
    torch.manual_seed(0)
    layer = DCGANDiscriminator(16, 4).layers[0]
    for _ in range(50):  # power iterations
        layer(torch.randn(1, 3, 16, 16))
    layer.eval()
    free = layer.parametrizations.weight.original.detach().flatten(1).numpy()
    expected = free / np.linalg.svd(free, compute_uv=False)[0]
    np.testing.assert_allclose(layer.weight.detach().flatten(1).numpy(), expected, rtol=1e-4, atol=1e-6)


def test_an_autoencoder_goes_both_ways():
    network = Autoencoder(6, 16, 4).eval()
    assert network.encode(network(torch.randn(3, 6))).shape == (3, 6)


def test_a_perceptron_maps_points():
    assert Perceptron(2, 5, width=8, classes=3)(torch.zeros(4, 2), torch.zeros(4, dtype=torch.long)).shape == (4, 5)


# --- Progressive growing


def test_equalised_convolutions_scale_their_weights():
    layer = Equalised(3, 4)
    x = torch.randn(1, 3, 5, 5)
    expected = F.conv2d(x, layer.weight * (2 / 27) ** 0.5, layer.bias, padding=1)
    torch.testing.assert_close(layer(x), expected)


def test_each_pixel_is_normalised():
    x = normalised(7 * torch.randn(2, 6, 3, 3))
    torch.testing.assert_close(x.square().mean(1), torch.ones(2, 3, 3))


def grown(network, value):
    network.grown.fill_(value)
    return network


def test_a_growing_pair_goes_from_small_to_large():
    torch.manual_seed(0)
    generator, discriminator = ProgressiveGenerator(5, 32, 4), ProgressiveDiscriminator(32, 4)
    z = torch.randn(3, 5)
    for value, side in ((0, 4), (0.5, 8), (1, 8), (2.25, 32), (3, 32)):
        made = grown(generator, value)(z)
        assert made.shape == (3, 3, side, side)
        assert grown(discriminator, value)(made).shape == (3, 1)


def test_a_level_fades_in_without_a_jump():
    torch.manual_seed(0)
    generator, discriminator = ProgressiveGenerator(5, 16, 4), ProgressiveDiscriminator(16, 4)
    z = torch.randn(3, 5)
    coarse, fine = grown(generator, 1)(z), grown(generator, 2)(z)
    doubled = coarse.repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(grown(generator, 1.25)(z), 0.75 * doubled + 0.25 * fine, rtol=1e-4, atol=1e-5)
    before, after = grown(discriminator, 1)(coarse), grown(discriminator, 1.001)(doubled)
    torch.testing.assert_close(before, after, rtol=0.05, atol=0.02)


def test_the_critic_sees_how_much_a_batch_varies():
    torch.manual_seed(0)
    critic = ProgressiveDiscriminator(16, 4)
    picture = torch.randn(1, 3, 16, 16)
    alone, twins = critic(picture), critic(picture.repeat(2, 1, 1, 1))
    torch.testing.assert_close(alone.expand(2, 1), twins)
    assert not torch.allclose(critic(torch.cat([picture, torch.randn(1, 3, 16, 16)]))[0], alone[0])
