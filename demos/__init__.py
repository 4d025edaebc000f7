"""What a person sees: one file per tab. Adding a tab is one file and one name in `TABS`."""

from demos import (
    dehazing,
)

TABS = (dehazing.TAB,)
