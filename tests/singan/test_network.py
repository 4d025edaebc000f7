import pytest
import torch
import torch.nn.functional as F

from gan_models.singan.network import Discriminator, Generator


def network(kind, channels):
    torch.manual_seed(0)
    module = kind(channels).requires_grad_(False)
    for parameter in module.parameters():
        parameter.copy_(torch.randn(parameter.shape) * 0.3)
    return module


def formula(state, x, tail):
    """Four blocks of valid convolution, normalisation by each picture's own moments, leaky ReLU; then a last one."""
    for name in ("head", "body.block1", "body.block2", "body.block3"):
        x = F.conv2d(x, state[f"{name}.conv.weight"], state[f"{name}.conv.bias"])
        mean, variance = x.mean((2, 3), keepdim=True), x.var((2, 3), keepdim=True, unbiased=False)
        x = (x - mean) / (variance + 1e-5).sqrt()
        x = x * state[f"{name}.norm.weight"][:, None, None] + state[f"{name}.norm.bias"][:, None, None]
        x = torch.where(x > 0, x, 0.2 * x)
    return F.conv2d(x, state[f"{tail}.weight"], state[f"{tail}.bias"])


@pytest.mark.parametrize("channels", [32, 64, 128])
def test_the_generator_adds_details(channels):
    generator = network(Generator, channels)
    noise, previous = torch.randn(2, 3, 20, 14), torch.randn(2, 3, 20, 14)
    padded = torch.zeros(2, 3, 30, 24)
    padded[:, :, 5:-5, 5:-5] = noise + previous
    expected = formula(generator.state_dict(), padded, "tail.0").tanh() + previous
    torch.testing.assert_close(generator(noise, previous), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("channels", [32, 64])
def test_the_discriminator_scores_patches(channels):
    discriminator = network(Discriminator, channels)
    picture = torch.randn(2, 3, 20, 14)
    scores = discriminator(picture)
    assert scores.shape == (2, 1, 10, 4)
    torch.testing.assert_close(scores, formula(discriminator.state_dict(), picture, "tail"), atol=1e-5, rtol=1e-5)


def test_a_batch_is_its_pictures_one_by_one():
    generator = network(Generator, 32)
    noise, previous = torch.randn(3, 3, 12, 12), torch.randn(3, 3, 12, 12)
    together = generator(noise, previous)
    for index in range(3):
        alone = generator(noise[index : index + 1], previous[index : index + 1])
        torch.testing.assert_close(together[index : index + 1], alone, atol=1e-5, rtol=1e-5)


def test_names_and_widths_are_the_official_ones():
    shapes = {name: tuple(value.shape) for name, value in Generator(128).state_dict().items()}
    assert shapes["head.conv.weight"] == (128, 3, 3, 3)
    assert shapes["body.block1.conv.weight"] == (64, 128, 3, 3)
    assert shapes["body.block2.conv.weight"] == (32, 64, 3, 3)
    assert shapes["body.block3.conv.weight"] == (32, 32, 3, 3)
    assert shapes["tail.0.weight"] == (3, 32, 3, 3)
    assert shapes["head.norm.weight"] == (128,)
    assert Discriminator(32).state_dict()["tail.weight"].shape == (1, 32, 3, 3)
