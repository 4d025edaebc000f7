"""What a person sees: one file per tab. Adding a tab is one file and one name in `TABS`."""

from demos import super_resolution

TABS = (super_resolution,)
