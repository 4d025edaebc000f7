"""The training lab: GAN, CGAN, DCGAN, unrolled, WGAN, WGAN-GP, AEGAN, progressive growing, on points and pictures."""

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from gan_models.checkpoints import registry
from gan_models.jobs import Step
from gan_models.task import Field, Files, Image, Model, Output, Seed, Seeds, Task

TITLES = {  # of the families
    **{"gan": "GAN", "cgan": "Conditional GAN", "dcgan": "DCGAN", "unrolled": "Unrolled GAN"},
    **{"wgan": "Wasserstein GAN", "wgan-gp": "Wasserstein GAN with gradient penalty"},
    **{"aegan": "Autoencoding GAN", "progressive": "Progressive growing"},
}
EXPERIMENTS: dict[str, dict[str, Any]] = {  # on points: what differs from the defaults
    "A plain GAN collapses": {},
    "Looking five steps ahead cures it": {"family": "unrolled"},
    "A sure discriminator leaves no gradient": {"steps": 400, "lr_d": 1e-3, "saturating": True, "freeze_after": 1},
    "A critic leaves one": {"family": "wgan-gp", "steps": 100, "freeze_after": 1},
    "A critic's distance follows quality": {"family": "wgan-gp"},
}
MOST = 5000  # pictures in a set, and files that they are in
WEIGHTS = "A name that /models lists for the task “pictures”, or one that /train_gan returned."


def _rate(title: str, text: str) -> Any:
    return Field(0, ge=0, le=0.1, title=title, description=text, advanced=True)


class PictureModel(registry.Model):
    """A generator of small pictures in the registry.

    Attributes:
        kinds: What it can be asked for, by the numbers that its network takes.
    """

    task: Literal["pictures"]
    kinds: tuple[str, ...] = ()

    @property
    def encodes(self) -> bool:
        """Whether it has an encoder too."""
        return self.network == "gan_models.classic.network:Autoencoder"


class TrainGan(Task):
    """Train a GAN on pictures."""

    name: ClassVar = "pictures"
    action: ClassVar = "train"
    generated: ClassVar = True
    frame_rate: ClassVar = 6
    returns: ClassVar = {
        "sheets": Output(
            "images",
            "What it draws from the same latents, the latest first",
            "Sheets of pictures from the same latents at one epoch after another, the latest first",
        ),
        "curves": Output(
            "plot", "Curves", "The curves of losses, gradient, FID and Inception Score, both by our compact features"
        ),
        "video": Output("video", "The way there since Run was pressed", "A film of the sheets of this call", ".mp4"),
        "file": Output("file", "The model, to bring back later", "The model as a file", ".safetensors"),
        "model": Output("text", "Model", "Its name, which other endpoints take for an hour or so"),
    }

    dataset: Files | None = Field(
        None,
        title="Pictures, or ZIP archives of them",
        description=f"{MOST} at most; in an archive a folder is a kind. None: 600 creatures drawn by this app.",
        kept=False,
        suffixes=(".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".zip"),
    )
    family: Literal["dcgan", "gan", "cgan", "unrolled", "wgan", "wgan-gp", "aegan", "progressive"] = Field(
        "dcgan", labels=TITLES, description="Which kind of GAN."
    )
    steps: int = Field(500, ge=5, le=20_000, step=5, description="Iterations in all.")
    seed: int = Seed()
    side: Literal[16, 32, 64, 128] = Field(
        32, title="Pixels", description="Of the pictures that are learned and drawn; time grows with their square."
    )
    batch_size: int = Field(
        32, ge=4, le=128, step=4, title="Batch", description="Pictures of an iteration.", advanced=True
    )
    resume: str = Field(
        "",
        title="Go on with",
        description="The name of a training of this family and size that was cancelled or has ended, to go on with "
        "for more steps in all; empty to start afresh.",
        advanced=True,
        kept=False,
    )
    hue: float = Field(
        0.3,
        ge=0,
        le=3.14,
        step=0.01,
        title="Turn colours",
        description="Radians by which they are turned at random, so that few pictures last longer; 0 for faces.",
        advanced=True,
    )
    trim: bool = Field(
        False,
        title="Cut off even borders",
        description="So that a figure on an even background fills its picture; photos stay as they are.",
    )
    z_dim: int = Field(
        128,
        ge=2,
        le=512,
        step=1,
        title="Numbers of a latent",
        description="Fewer are easier to learn.",
        advanced=True,
    )
    norm: Literal["", "spectral", "batch", "none"] = Field(
        "",
        title="Normalisation",
        labels={"": "What suits the family", "spectral": "Spectral", "batch": "Batch", "none": "None"},
        description="Of the discriminator. A DCGAN learns faster with batches than with its usual spectral one.",
        advanced=True,
    )
    lr: float = _rate("Generator's rate", "0 for what suits the family.")
    lr_d: float = _rate("Discriminator's rate", "0 likewise.")

    def model_post_init(self, _: Any) -> None:
        """Refuse too many files."""
        if self.dataset and len(self.dataset) > MOST:
            raise ValueError(f"There are too many files: {MOST} pictures at most are taken.")


class TrainToy(Task):
    """Train a GAN on points in the plane, and watch it."""

    name: ClassVar = "points"
    generated: ClassVar = True
    frame_rate: ClassVar = 12
    returns: ClassVar = {
        "image": Output(
            "image",
            "What the discriminator thinks",
            "How real each place looks to the discriminator, from blue, the least, to red, the most, with real "
            "points in white and drawn ones in black",
        ),
        "curves": Output(
            "plot",
            "Curves",
            "The curves of losses, gradients, modes covered and good samples, and of a critic's distance",
        ),
        "video": Output("video", "The way there", "A film", ".mp4"),
        "counted": Output(
            "values",
            "Modes covered, of how many, share of samples near one",
            "The modes covered, of how many, and the share of samples near one",
        ),
    }

    points: Literal["ring", "grid", "spiral"] = Field(
        "ring",
        labels={"ring": "Eight on a ring", "grid": "25 on a grid", "spiral": "A spiral"},
        description="What is learned.",
    )
    family: Literal["gan", "cgan", "unrolled", "wgan", "wgan-gp", "aegan"] = Field(
        "gan", labels=TITLES, description="Which kind of GAN."
    )
    steps: int = Field(1000, ge=10, le=20_000, step=10, description="Iterations.")
    seed: int = Seed()
    lr: float = _rate("Generator's rate", "0 for what suits the family.")
    lr_d: float = _rate(
        "Discriminator's rate",
        "0 likewise. With 0.001 a plain GAN covers the ring; with its usual tenth of that it collapses.",
    )
    ahead: Literal[0, 1, 5, 10] = Field(
        5, title="Unrolled GAN", description="Steps of the discriminator that the generator looks ahead."
    )
    saturating: bool = Field(
        False,
        title="Plain GAN: the minimax game as it stands",
        description="The loss of the first paper, whose gradient fades where the discriminator is sure.",
    )
    freeze_after: int = Field(
        0,
        ge=0,
        le=20_000,
        step=1,
        title="Freeze the generator",
        description="From this step on only the discriminator learns: see what becomes of the gradient. 0: never.",
    )

    def run(self, weights: str | None = None, device: str | None = None) -> Iterator[Step]:
        """Train, on the CPU: such small networks are nowhere faster."""
        from gan_models.classic import toy  # brings PyTorch
        from gan_models.training.loop import fit

        names = ("points", "family", "steps", "ahead", "seed", "saturating", "freeze_after")
        trainer = toy.Toy(lr=self.lr or None, lr_d=self.lr_d or None, **{name: getattr(self, name) for name in names})
        for step in fit(trainer, device="cpu"):
            if step.result is not None:
                break
            shown = toy.in_film(step.index, self.steps)
            yield Step(
                step.index,
                step.total,
                preview=step.preview,
                losses=step.losses,
                frame=step.preview if shown else None,
            )
        counted = {name: round(step.result[name], 3) for name in ("modes", "of", "good")}
        text = f"{counted['modes']} of {counted['of']} modes, {counted['good']:.0%} of the samples near one,"
        yield Step(1, 1, message=text, result={"image": step.preview, "counted": counted})


class TwoLines(Task):
    """Compare two distances between parallel lines, and the gradients that lead from one to the other."""

    name: ClassVar = "two lines"
    returns: ClassVar = {
        "values": Output(
            "values",
            "Distances and gradients",
            "The Jensen–Shannon divergence and the earth mover's distance; the gradients that a generator gets from "
            "a trained discriminator and from a trained critic",
        ),
        "curves": Output(
            "figure", "Both distances for lines from -1 to 1 apart", "Both distances as curves over -1 to 1"
        ),
    }

    theta: float = Field(0.5, ge=-1, le=1, step=0.05, title="Distance", description="How far the lines are apart.")

    def run(self, weights: str | None = None, device: str | None = None) -> Iterator[Step]:
        """Compare."""
        from gan_models.classic import toy  # brings PyTorch
        from gan_models.images.curves import draw_curves

        found = toy.two_lines(self.theta)
        yield Step(0, 1, message="Training a discriminator and a critic")
        found |= {f"gradient by the {name}": value for name, value in toy.critics(self.theta).items()}
        every = [toy.two_lines(place / 40) for place in range(-40, 41)]
        curves = draw_curves({name: [one[name] for one in every] for name in every[0]})
        values = {name: round(value, 6) for name, value in found.items()}
        yield Step(1, 1, message="Compared", result={"values": values, "curves": curves})


class _Drawing(Task):
    """What is drawn by a small generator."""

    name: ClassVar = "pictures"
    backend: ClassVar = "gan_models.classic.backend:PictureGenerator"
    generated: ClassVar = True


class GeneratePictures(_Drawing):
    """Draw pictures with a small GAN. The same seed gives the same picture."""

    returns: ClassVar = {"images": Output("images", "Pictures", "A gallery of PNG files that carry what made them")}

    model: str = Model("pokemon-dcgan", "pictures", description=WEIGHTS)
    seed: Seeds = Field(
        "1",
        title="Seed",
        description="A number; a list of numbers and ranges such as “1, 5, 20-23”, one picture each; or “random”.",
    )
    count: int = Field(16, ge=1, le=16, step=1, title="How many", description="To draw from a single seed on.")
    kind: str = Field("", description="One of the kinds that the model knows, if any; empty for each in turn.")


class InterpolatePictures(_Drawing):
    """Film the way from picture to picture and back to the first."""

    action: ClassVar = "interpolate"
    returns: ClassVar = {"video": Output("video", "The way", "A video, MP4, that carries what made it", ".mp4")}

    model: str = Model("pokemon-dcgan", "pictures", description=WEIGHTS)
    seeds: Seeds = Field("1, 2, 3", description="The pictures on the way, such as “1, 2, 3”.")
    frames: int = Field(
        24, ge=2, le=60, step=1, title="Pictures from one to the next", description="How slowly they change."
    )
    kind: str = Field("", description="One of the kinds that the model knows, if any; empty for the first.")
    fps: float = Field(12, ge=1, le=30, step=1, title="Pictures a second", description="Of the video.")


class CombinePictures(_Drawing):
    """Reckon with pictures: the first ones, without what the second ones have, with what the third ones have."""

    action: ClassVar = "combine"
    returns: ClassVar = {"images": Output("images", "Means, and the sum", "The picture of each mean, and the sum")}

    model: str = Model("pokemon-dcgan", "pictures", description=WEIGHTS)
    seeds: Seeds = Field("1, 2, 3", title="First", description="Seeds of pictures, whose latents are averaged.")
    minus: Seeds = Field("4, 5, 6", description="Those whose mean is taken away.")
    plus: Seeds = Field("7, 8, 9", description="Those whose mean is added.")


class ReconstructPicture(_Drawing):
    """Show what an autoencoding GAN makes of a picture."""

    action: ClassVar = "reconstruct"
    generated: ClassVar = False
    returns: ClassVar = {
        "image": Output("image", "Result at full size (PNG)", "The reconstruction, as large as the model's pictures")
    }

    image: Image = Field(title="A picture", description="In any common format; its middle square counts.")
    model: str = Model(
        "pokemon-aegan",
        "pictures",
        description="A model with an encoder: “pokemon-aegan”, or the name of an “aegan” that /train_gan returned.",
    )
    trim: bool = Field(
        True,
        title="Cut off even borders",
        description="As was done with what the embedded model has learned from.",
    )


__all__ = [
    *("EXPERIMENTS", "MOST", "CombinePictures", "GeneratePictures", "InterpolatePictures", "PictureModel"),
    *("ReconstructPicture", "TrainGan", "TrainToy", "TwoLines"),
]
