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
    face_generation,
    face_control,
    face_inversion,
    single_image,
    dehazing,
    deblurring,
    super_resolution,
    style_transfer,
    image_translation,
    training_lab,
    quality_metrics,
)
