import torch

from gan_models.inversion.network import Encoder


def test_an_untrained_encoder_guesses_the_average():
    encoder = Encoder(6, 8, side=16, channels=(4, 6, 8))
    encoder.w_avg.copy_(torch.arange(8))
    w = encoder(torch.rand(2, 3, 16, 16))
    assert w.shape == (2, 6, 8)
    assert (w == torch.arange(8)).all()
    assert encoder.probe().shape == (1, 6, 8)


def test_every_parameter_can_learn():
    torch.manual_seed(0)
    encoder = Encoder(6, 8, side=16, channels=(4, 6, 8), hidden=12)
    torch.nn.init.normal_(encoder.latents.weight)
    for block in encoder.blocks:
        torch.nn.init.ones_(block.gain)
    encoder(torch.rand(2, 3, 16, 16)).square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in encoder.parameters())
