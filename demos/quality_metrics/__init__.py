"""Quality metrics: how near pictures come to others, by figures and by people's opinion."""

from collections.abc import Iterator, Mapping
from typing import Any

import gradio as gr

from demos.kit.controls import EXAMPLES, controls, upload, weights_picker
from demos.kit.gpu import SEARCH
from demos.kit.outputs import Outputs, Ports, Tab, outputs, table, two_columns
from demos.kit.runs import Work, delivered, delivered_on_gpu, run
from demos.quality_metrics.opinion import build_opinion
from gan_models.metrics.sets import ENOUGH
from gan_models.metrics.sifid import COMPACT, PUBLISHED
from gan_models.metrics.tasks import Measure, MeasureSets, Sifid

HEADERS, WIDTHS = ["Measure", "Value", "What it means"], ["33%", "24%", "43%"]
PAIR = {  # title, how a value is written, and what it means
    "psnr": ("PSNR", "{:.2f} dB", "higher is nearer; ∞ for equal pictures"),
    "ssim": ("SSIM", "{:.4f}", "1 is equal; needs 11 pixels a side"),
    "ms_ssim": ("MS-SSIM", "{:.4f}", "1 is equal; needs 176 pixels a side"),
    "mse": ("MSE", "{:.2f}", "0 is equal; levels of 0 to 255, squared"),
    "ciede2000": ("CIEDE2000", "{:.2f}", "0 is equal; 1 is just visible"),
    "lpips": ("LPIPS", "{:.4f}", "0 is equal; needs vgg16 and lpips-vgg16 here"),
}
SETS = {
    "fid": ("FID", "0 is equal; lower is nearer"),
    "kid": ("KID", "about 0 for one distribution; lower is nearer"),
    "inception_score": ("Inception Score", "of the first set; higher is better"),
    "inception_score_deviation": ("its deviation", "over ten parts; needs 100 pictures"),
    "sliced_wasserstein": ("Sliced Wasserstein", "0 is equal; needs pictures as large as the squares"),
    "images": ("Pictures", f"in the first set; better {ENOUGH:,} or more"),
    "references": ("References", "in the second set, likewise"),
}


def build() -> Ports:
    """Lay out the tab inside the Blocks that is being built."""
    with gr.Tabs() as tabs:
        with gr.Tab("Two pictures", id="pair"):
            image, pair = _build_pair()
        with gr.Tab("Two sets") as page_of_sets:
            features, sets = _build_sets()
        with gr.Tab("Training picture") as page_of_sifid:
            features_of_one, distance = _build_sifid()
        with gr.Tab("Opinion"):
            build_opinion()
    parts = ((page_of_sets, features), (page_of_sifid, features_of_one))
    return Ports(features, image, (pair, sets, distance), inside=((tabs, "pair"),), parts=parts)


def _build_pair() -> tuple[gr.Image, Outputs]:
    lead = "Measures how near a picture comes to another of its size, and shows where it does not."
    with two_columns(lead) as (inputs, shown):
        with shown:
            result = _with_table(Measure)
        with inputs:
            asked = _pair(Measure, "measuring", "Examples of equal mean squared error", "cat.png")
            run(Measure, asked, result, lane=SEARCH, work=_tabled(delivered, _pair_table))
    return asked["image"], result


def _build_sets() -> tuple[gr.Dropdown, Outputs]:
    lead = "Compares two sets of pictures, say drawn ones with real ones, by what a network sees in them."
    with two_columns(lead) as (inputs, shown):
        with shown:
            result = _with_table(MeasureSets)
        with inputs:
            sets = controls(MeasureSets, ("images", "references"))
            folder = EXAMPLES / "sets"
            wanted = str(folder / "other-creatures.zip")
            examples = {"Sharp creatures": "creatures.zip", "Blurred creatures": "blurred-creatures.zip"}
            gr.Examples(
                [[[str(folder / name)], [wanted]] for name in examples.values()],
                inputs=list(sets.values()),
                label="Examples, by other sharp creatures",
                example_labels=list(examples),
                cache_examples=False,
                api_visibility="private",
                elem_id="examples-sets",
            )
            asked = controls(MeasureSets, model=_features(MeasureSets), **sets)
            run(MeasureSets, asked, result, lane=SEARCH, work=_tabled(delivered_on_gpu, _sets_table))
    return asked["model"], result


def _build_sifid() -> tuple[gr.Dropdown, Outputs]:
    lead = "Measures how alike the textures of a picture and of the one that its model was trained on are (SIFID)."
    with two_columns(lead) as (inputs, shown):
        with shown:
            result = outputs(Sifid)
        with inputs:
            pair = _pair(Sifid, "sifid", "Examples, drawn by models of these pictures")
            asked = controls(Sifid, model=_features(Sifid), **pair)
            run(Sifid, asked, result, lane=SEARCH)
    return asked["model"], result


def _features(task: type[MeasureSets | Sifid]) -> gr.Dropdown:
    model = task.parameters()["model"]
    return weights_picker(model.weights, model.default, (COMPACT, PUBLISHED))


def _pair(
    task: type[Measure | Sifid], examples: str, label: str, common: str | None = None
) -> dict[str, gr.components.Component]:
    """Add a picture beside one that it is compared with, over examples that choose both.

    The reference of an example is the file `common`, or the one that is called as it is.
    """
    parameters = task.parameters()
    with gr.Row():
        pair = [upload(parameters[name].title, f"{name}-input") for name in ("image", "reference")]
    paths, folder = sorted((EXAMPLES / examples).iterdir()), EXAMPLES / f"{examples}-references"
    gr.Examples(
        [[str(path), str(folder / (common or path.name))] for path in paths],
        inputs=pair,
        label=label,
        example_labels=[path.stem.capitalize() for path in paths],
        cache_examples=False,
        api_visibility="private",
        elem_id=f"examples-{examples}",
    )
    return controls(task, ("image", "reference"), image=pair[0], reference=pair[1])


def _with_table(task: type[Measure | MeasureSets]) -> Outputs:
    """Add what a measurement shows: a table of its values above all else."""
    rows = table("How near", HEADERS, WIDTHS)
    result = outputs(task)
    result.more["table"] = rows
    return result


def _tabled(work: Work, rows: Any) -> Work:
    """Return `work` that shows the values as a table too."""

    def tabled(task: Any, values: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for shown in work(task, values):
            yield shown | {"table": rows(shown["values"])} if shown.get("values") else shown

    return tabled


def _pair_table(found: Mapping[str, Any]) -> list[list[str]]:
    rows = []
    for name, (title, written, meaning) in PAIR.items():
        value = written.format(float(found[name])).replace("inf", "∞") if name in found else "–"
        rows.append([title, value, meaning])
    return rows


def _sets_table(found: Mapping[str, Any]) -> list[list[str]]:
    rows = []
    for name, (title, meaning) in SETS.items():
        value = found.get(name)
        shown = f"{value:.4f}" if isinstance(value, float) else "–" if value is None else f"{value:,}"
        rows.append([title, shown, meaning])
    return rows


TAB = Tab("Quality metrics", build)
