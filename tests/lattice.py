"""See whether a network left a lattice, as strides and sub-pixel convolutions may."""

import numpy as np


def lattice(changes):
    """Return how far the mean spectrum of `changes`, N×H×W, rises above its surroundings at the rates of strides."""
    return max(around[9:12, 9:12].mean() / np.median(around) for around in _peaks(changes))


def amplitude(changes):
    """Return the amplitude, in the units of `changes`, N×H×W, of the strongest wave at the rates of strides."""
    height, width = changes.shape[1:]
    whole = np.hanning(height).sum() * np.hanning(width).sum()
    return max(np.sqrt(around[10, 10]) / whole for around in _peaks(changes))


def _peaks(changes):
    """Yield the power round the rates of strides, 21×21 each."""
    height, width = changes.shape[1:]
    window = np.outer(np.hanning(height), np.hanning(width))
    power = (np.abs(np.fft.fft2(changes * window)) ** 2).mean(0)
    for stride in (2, 4):
        for row, column in ((height // stride, 0), (0, width // stride), (height // stride, width // stride)):
            yield np.roll(power, (10 - row, 10 - column), (0, 1))[:21, :21]
