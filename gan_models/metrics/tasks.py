"""What can be measured: a picture by another, a set of them by another, textures by those they were learned from."""

import math
from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from gan_models.images import flatten
from gan_models.jobs import Step
from gan_models.metrics import maps, measure, sets
from gan_models.metrics.sifid import COMPACT, PUBLISHED, sifid
from gan_models.task import Field, Files, Image, Model, Output, Task

MOST = 5000  # pictures in a set
MOST_MEGAPIXELS = 4.0  # of a picture for SIFID
INFINITE = "Infinity"  # as JSON has no number for it
ARCHIVES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".zip")
FEATURES = f"“{COMPACT}”, or “{PUBLISHED}” for figures that compare with published ones."


class Measure(Task):
    """Measure how near a picture comes to another of the same size."""

    name: ClassVar = "measuring"
    returns: ClassVar = {
        "values": Output(
            "values",
            "Values",
            "Values by name: psnr in dB, ssim, ms_ssim, mse, ciede2000, and lpips if its weights are here. "
            "For equal pictures psnr is the text “Infinity”, which JSON has no number for and which Python's float "
            "and JavaScript's Number read. What can't be said of so small a picture is left out",
        ),
        "error_map": Output("figure", "Error: yellow is most", "A map of where they differ"),
        "ssim_map": Output("figure", "SSIM: blue 0, yellow 1", "One of the SSIM, none for a picture under 11 pixels"),
        "histograms": Output("figure", "Histograms", "How often each level is there"),
    }

    image: Image = Field(
        title="The picture", description="In any common format; transparency is laid on white.", kept=True
    )
    reference: Image = Field(title="The reference", description="What it should be, of the same size.", kept=True)

    def model_post_init(self, _: Any) -> None:
        """Refuse a reference of another size."""
        measure.require_size(self.reference, *self.image.shape[:2])

    def run(self, weights: str | None = None, device: str | None = None) -> Iterator[Step]:
        """Measure one thing after the other, and draw the maps."""
        for step in measure.steps(self.image, self.reference):
            if step.result is None:
                yield step
        yield Step(step.index, step.total, message="Drawing the maps")
        error, most = maps.error_map(self.image, self.reference)
        height, width = self.image.shape[:2]
        result = {
            "values": {name: INFINITE if math.isinf(value) else value for name, value in step.result.items()},
            "error_map": error,
            "ssim_map": maps.similarity_map(self.image, self.reference),
            "histograms": maps.histograms(self.image, self.reference),
        }
        yield Step(1, 1, message=f"{width} × {height} pixels, {most} levels of 255 apart at most,", result=result)


class MeasureSets(Task):
    """Compare two sets of pictures by the features of a network."""

    name: ClassVar = "measuring sets"
    returns: ClassVar = {
        "values": Output(
            "values",
            "Values",
            "Values by name: fid, kid, inception_score and inception_score_deviation of the images (null under 100 "
            "pictures), sliced_wasserstein if no picture is smaller than the squares, the numbers of images and "
            "references, the network under features, and a note on what that is good for",
        )
    }

    images: Files = Field(
        title="The first set: pictures, or ZIP archives of them",
        description=f"The pictures that are judged, or ZIP archives of them, {MOST} pictures at most.",
        kept=False,
        suffixes=ARCHIVES,
    )
    references: Files = Field(
        title="What they should be like",
        description="Those that they should resemble, likewise.",
        kept=False,
        suffixes=ARCHIVES,
    )
    model: str = Model(COMPACT, "features", description=FEATURES)
    side: Literal[32, 64, 128] = Field(
        64,
        title="Squares",
        description="Pixels of the squares that the compact network sees, and that details are compared in.",
        advanced=True,
    )

    def model_post_init(self, _: Any) -> None:
        """Refuse empty sets."""
        for paths, name in ((self.images, "first"), (self.references, "second")):
            if not paths:
                raise ValueError(f"Choose the {name} set first.")

    def run(self, weights: str | None = None, device: str | None = None) -> Iterator[Step]:
        """Compare the sets."""
        options = {"features": self.model, "side": self.side, "most": MOST, "device": device}
        for step in sets.measure_sets(self.images, self.references, **options):
            if step.result is None:
                yield step
        found = step.result
        message = f"{found['images']} and {found['references']} pictures compared"
        yield Step(1, 1, message=message, result={"values": found})


class Sifid(Task):
    """Measure how alike the textures of two pictures are, wherever they lie: of any sizes, but of like scale."""

    name: ClassVar = "measuring textures"
    returns: ClassVar = {"distance": Output("number", "SIFID", "The distance, 0 for equal pictures")}

    image: Image = Field(
        title="The picture",
        description="Say one that a model of a single picture drew; 16 pixels a side to 4 megapixels.",
        kept=True,
    )
    reference: Image = Field(
        title="The reference", description="The picture that the model was trained on.", kept=True
    )
    model: str = Model(COMPACT, "features", description=FEATURES)

    def model_post_init(self, _: Any) -> None:
        """Refuse pictures that would take too long."""
        if max(one.shape[0] * one.shape[1] for one in (self.image, self.reference)) > MOST_MEGAPIXELS * 1e6:
            raise ValueError(f"SIFID takes pictures of {MOST_MEGAPIXELS:g} megapixels at most; reduce both alike.")

    def run(self, weights: str | None = None, device: str | None = None) -> Iterator[Step]:
        """Compare the textures."""
        yield Step(0, 1, message="Comparing the textures")
        distance = sifid(flatten(self.image), flatten(self.reference), features=self.model)
        yield Step(1, 1, message="Measured", result=round(distance, 6))
