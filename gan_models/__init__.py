"""What computes: generative adversarial networks and their kin, without a page, a network or a GPU."""

__version__ = "0.1.0"
