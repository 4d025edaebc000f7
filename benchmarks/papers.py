"""Remake the tables of the papers with the models of this project, as far as the data allow.

python -m benchmarks.papers --data FOLDER [TABLE ...] [--trainings FOLDER] [--steps 400] [--faces 10000]

FOLDER holds the sets under the names `bsds500`, `sr-test`, `real-blur-and-haze`, `facades`, `faces-utk-128`,
`faces-omi-192` and `pokemon`. The table `pix2pix` trains eight small networks first, into the folder `--trainings`,
and goes on where it stopped; without that folder it is of the embedded model alone. Our networks are small and were
trained for minutes: the papers' figures stand beside ours for the order of methods, not to be met.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import classic, control, faces, restoration, singan, super_resolution, translation
from benchmarks.measuring import markdown, restorer
from gan_models.deblurring import Deblur
from gan_models.dehazing import Dehaze
from gan_models.images import decode
from gan_models.images.blur import random_blur
from gan_models.images.folders import list_pictures
from gan_models.images.squares import squared
from gan_models.jobs import Step
from gan_models.metrics import detection_score
from gan_models.metrics.detection import face_detector, find_face_boxes
from gan_models.metrics.sifid import sifid_features
from gan_models.singan.backend import SingleImage
from gan_models.training import checkpoint
from gan_models.training.loop import fit
from gan_models.translation.trainer import Pix2Pix

PORTRAITS, PORTRAIT_SIDE = 200, 64  # that are blurred, and in which faces are looked for
SIDE = 128  # of the facades that the small trainings draw


@dataclass(frozen=True)
class Facades:
    """A training of pix2pix, and the paper's pixel accuracy, class accuracy and class IoU for its like.

    Those of the losses and patches are on Cityscapes' labels by the paper's tables 1 and 3, those of the
    encoder–decoder by its table 2.
    """

    generator: str
    loss: str
    patch: int
    paper: tuple[float, float, float]

    @property
    def folder(self) -> str:
        """The name of the folder of the training."""
        return f"{self.generator}-{self.loss.replace(' + ', '-').lower()}-{self.patch}"


TRAININGS = (
    Facades("unet", "L1", 0, (0.42, 0.15, 0.11)),
    Facades("unet", "cGAN", 70, (0.57, 0.22, 0.16)),
    Facades("unet", "L1 + cGAN", 1, (0.39, 0.15, 0.10)),
    Facades("unet", "L1 + cGAN", 16, (0.65, 0.21, 0.17)),
    Facades("unet", "L1 + cGAN", 70, (0.66, 0.23, 0.17)),
    Facades("unet", "L1 + cGAN", 286, (0.42, 0.16, 0.11)),
    Facades("encoder-decoder", "L1", 0, (0.35, 0.12, 0.08)),
    Facades("encoder-decoder", "L1 + cGAN", 70, (0.29, 0.09, 0.05)),
)


def super_resolution_table(options: argparse.Namespace) -> str:
    """Set5, Set14 and BSD100, four times as large: luma, 4 pixels of border cropped (Ledig et al. 2017, table 2)."""
    data = options.data
    sets = {"Set5": data / "sr-test/set5", "Set14": data / "sr-test/set14", "BSD100": data / "bsds500/test"}
    rows = super_resolution.quality_rows(sets, ["sr-psnr-compact", "sr-gan-compact"])
    papers = {
        "SRResNet, paper": ("32.05", "0.9019", "28.49", "0.8184", "27.58", "0.7620"),
        "SRGAN, paper": ("29.40", "0.8472", "26.02", "0.7397", "25.16", "0.6688"),
    }
    for index, title in enumerate(sets):
        rows += [[title, name, *figures[2 * index : 2 * index + 2], "–", "–"] for name, figures in papers.items()]
    order = list(sets)
    rows.sort(key=lambda row: order.index(row[0].partition(" ")[0]))
    return markdown(super_resolution.QUALITIES, rows)


def deblurring_table(options: argparse.Namespace) -> str:
    """All three channels, no border cropped (Kupyn et al. 2018, tables 1 and 3).

    The paper looks for things in streets, by YOLO. Here 200 portraits of 64 pixels are blurred, and faces that the
    detector finds in the sharp ones are to be found again.
    """
    pictures = options.data / "real-blur-and-haze"
    pairs = {"GoPro": list(restoration.blurred_pairs(pictures)), "Levin": list(restoration.levin_pairs(pictures))}
    methods = {name: restorer(Deblur, name) for name in restoration.DEBLURRERS}
    rows = restoration.score_rows(pairs, methods)
    rows.insert(len(methods) + 1, ["GoPro (1111)", "DeblurGAN, paper", "28.70", "0.958", "–"])
    likeness = markdown(["Set", "Method", "PSNR (dB)", "SSIM", "CIEDE2000"], rows)
    return f"{likeness}\n\n{_detection(_portraits(options.data / 'faces-omi-192'), methods)}"


def _portraits(folder: Path) -> list[restoration.Pair]:
    """Return blurred portraits and the sharp ones."""
    paths = list_pictures(folder)[:PORTRAITS]
    portraits = [squared(decode(path)[:, :, :3], PORTRAIT_SIDE) for path in paths]
    return [(random_blur(sharp, np.random.default_rng(index)), sharp) for index, sharp in enumerate(portraits)]


def _detection(pairs: list[restoration.Pair], methods: dict[str, Callable]) -> str:
    wanted, rows = [find_face_boxes(sharp) for _, sharp in pairs], []
    for name, method in ({"input": lambda picture: picture} | methods).items():
        score = detection_score([find_face_boxes(method(degraded)) for degraded, _ in pairs], wanted)
        rows.append([name, *(f"{share:.3f}" for share in score[:3]), f"{score.found}, {score.wanted}"])
    return markdown([f"Faces by {face_detector()}", "Precision", "Recall", "F1", "Found, wanted"], rows)


def dehazing_table(options: argparse.Namespace) -> str:
    """All three channels, no border cropped; the papers' sets are others (Engin et al. 2018, table 1)."""
    pairs = {"RESIDE": list(restoration.hazy_pairs(options.data / "real-blur-and-haze"))}
    rows = restoration.score_rows(pairs, {name: restorer(Dehaze, name) for name in restoration.DEHAZERS})
    return markdown(["Set", "Method", "PSNR (dB)", "SSIM", "CIEDE2000"], rows)


def pix2pix_table(options: argparse.Namespace) -> str:
    """The FCN score by `facades-segmentation-compact` (Isola et al. 2017, tables 1 to 3), of facades, not Cityscapes.

    The paper's network is FCN-8s, trained on Cityscapes. Ours is small; what it makes of real photos bounds the rest.
    """
    test, rows = options.data / "facades/test", []
    if options.trainings:
        held_out = translation.pairs("facades", test, SIDE)
        labels, photos = ([pair[part] for pair in held_out] for part in (0, 1))
        rows.append(["real photos", "–", "–", str(SIDE), *translation.fcn_scores(photos, labels), "0.80, 0.26, 0.21"])
        for one in TRAININGS:
            folder = options.trainings / one.folder
            for step in _trained(one, options.data / "facades/train", folder, options.steps):
                if step.message:
                    print(f"{folder.name}, {step.index}: {step.message}", flush=True)
            network = translation.averaged(folder, "facades", one.generator)
            made = [translation.drawn(network, given) for given in labels]
            cells = [one.generator, one.loss, str(one.patch or "–"), str(SIDE)]
            rows.append([*cells, *translation.fcn_scores(made, labels), ", ".join(f"{x:.2f}" for x in one.paper)])
    held_out = translation.pairs("facades", test, translation.TASKS["facades"].side)
    labels, photos = ([pair[part] for pair in held_out] for part in (0, 1))
    made = translation.embedded_results("facades", held_out)
    side = str(len(labels[0]))
    rows.append(["real photos", "–", "–", side, *translation.fcn_scores(photos, labels), "–"])
    rows.append(["translate-facades-compact", "L1 + cGAN", "70", side, *translation.fcn_scores(made, labels), "–"])
    return markdown(["Generator", "Loss", "Patch", "Pixels a side", *translation.FCN, "Paper"], rows)


def _trained(one: Facades, data: Path, folder: Path, steps: int) -> Iterator[Step]:
    """Train what is not trained yet."""
    options = {"generator": one.generator, "patch": one.patch, "side": SIDE, "steps": steps}
    if one.loss == "cGAN":
        options["l1_weight"] = 0.0
    trainer = Pix2Pix(data=data, task="facades", **options)
    return fit(trainer, folder, resume=(folder / checkpoint.NAME).exists())


def singan_table(options: argparse.Namespace) -> str:
    """SIFID of ten samples to their picture (Rott Shaham et al. 2019, table 2)."""
    rows = []
    for name in singan.models():
        network = SingleImage.load(name, "cpu").network
        first, second, diversity = singan.figures(network)
        rows.append([name, f"{first:.3f}", f"{second:.3f}", f"{diversity:.2f}"])
    rows.append(["mean", *(f"{np.mean([float(row[at]) for row in rows]):.3f}" for at in (1, 2, 3))])
    rows.append(["paper, 50 other pictures, by Inception", "0.09", "0.05", "0.5, 0.35"])
    return markdown([f"Model; {sifid_features()}", "SIFID from scale 0", "SIFID from scale 1", "Diversity"], rows)


def pokemon_table(options: argparse.Namespace) -> str:
    """FID against held-out pictures, by `features-compact`: no scale of Inception's."""
    models = ("pokemon-dcgan", "pokemon-aegan")
    rows = [classic.quality_row(name, options.data / "pokemon", trim=True) for name in models]
    return markdown(classic.QUALITIES, rows)


def faces_table(options: argparse.Namespace) -> str:
    """FID and KID against UTKFace at 64 pixels, truncation 1, by `features-compact`: no scale of Inception's."""
    rows = faces.quality_rows("faces-compact", options.data / "faces-utk-128", options.faces)
    return markdown(faces.QUALITIES, rows)


def control_table(options: argparse.Namespace) -> str:
    """How near 500 faces come to what was asked (Shoshan et al. 2021), by the networks that they learned by."""
    return control.errors(500)


TABLES = {
    "super-resolution": super_resolution_table,
    "deblurring": deblurring_table,
    "dehazing": dehazing_table,
    "pix2pix": pix2pix_table,
    "singan": singan_table,
    "pokemon": pokemon_table,
    "faces": faces_table,
    "control": control_table,
}


def main() -> None:
    """Print the tables that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"some of {', '.join(TABLES)}; all by default")
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--trainings", type=Path, help="folder of the small trainings of pix2pix")
    parser.add_argument("--steps", type=int, default=400, help="of each of them")
    parser.add_argument("--faces", type=int, default=10_000, help="faces that are drawn")
    options = parser.parse_args()
    if unknown := set(options.tables) - set(TABLES):
        parser.error(f"there is no table {', '.join(unknown)}")
    for name in options.tables or TABLES:
        about = " ".join(TABLES[name].__doc__.split())
        print(f"### {name}\n\n{about}\n\n{TABLES[name](options)}\n", flush=True)


if __name__ == "__main__":
    main()
