"""What a person sees: one file per tab. Adding a tab is one file and one name in `TABS`."""

from demos import (
    deblurring,
    dehazing,
    quality_metrics,
    super_resolution,
    training_lab,
)

TABS = (
    dehazing.TAB,
    deblurring.TAB,
    super_resolution.TAB,
    training_lab.TAB,
    quality_metrics.TAB,
)
