"""What a person sees: one file per tab. Adding a tab is one file and one name in `TABS`."""

from demos import (
    deblurring,
    dehazing,
    face_control,
    face_generation,
    face_inversion,
    image_translation,
    quality_metrics,
    single_image,
    style_transfer,
    super_resolution,
    training_lab,
)

TABS = (
    face_generation.TAB,
    face_control.TAB,
    face_inversion.TAB,
    single_image.TAB,
    dehazing.TAB,
    deblurring.TAB,
    super_resolution.TAB,
    style_transfer.TAB,
    image_translation.TAB,
    training_lab.TAB,
    quality_metrics.TAB,
)
