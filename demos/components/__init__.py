"""Parts that tabs share: what they ask for, what they show, how their functions run."""

from demos.components.curves import Curves
from demos.components.errors import plain_errors
from demos.components.files import cache_folder, new_file, view, written
from demos.components.inputs import (
    EXAMPLES,
    PRIVATE,
    Picture,
    film,
    made_here,
    picture,
    restore_settings,
    seed,
    upload,
    weights_picker,
)
from demos.components.masks import mask_canvas
from demos.components.messages import badge, note, weights_badge
from demos.components.outputs import (
    Outputs,
    Ports,
    before_after,
    gallery,
    pictures_grid,
    settings_panel,
    status_line,
    two_columns,
    video,
)
from demos.components.runs import Made, deliver, run, stream, until_result

__all__ = [
    "EXAMPLES",
    "PRIVATE",
    "Curves",
    "Made",
    "Outputs",
    "Picture",
    "Ports",
    "badge",
    "before_after",
    "cache_folder",
    "deliver",
    "film",
    "gallery",
    "made_here",
    "mask_canvas",
    "new_file",
    "note",
    "picture",
    "pictures_grid",
    "plain_errors",
    "restore_settings",
    "run",
    "seed",
    "settings_panel",
    "status_line",
    "stream",
    "two_columns",
    "until_result",
    "upload",
    "video",
    "view",
    "weights_badge",
    "weights_picker",
    "written",
]
