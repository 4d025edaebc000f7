"""Quality metrics: how near pictures come to others, by figures and by people's opinion."""

from demos.quality_metrics.layout import TITLE, build

__all__ = ["TITLE", "build"]
