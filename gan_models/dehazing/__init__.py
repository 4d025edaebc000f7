"""Dehazing: see through fog, smoke and haze."""

from gan_models.dehazing.dehaze import Dehazer

__all__ = ["Dehazer"]
