"""Dehazing: see through fog, smoke and haze."""

from gan_models.dehazing.backend import Dehazer

__all__ = ["Dehazer"]
