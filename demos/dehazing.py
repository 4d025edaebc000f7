"""Dehazing: see through fog, smoke and haze."""

from demos.kit.restoration import restoration_tab
from gan_models.dehazing import Dehaze

TAB = restoration_tab(
    Dehaze,
    title="Dehazing",
    lead="Removes haze, fog and smoke, by networks or, to compare, by a classical formula.",
)
