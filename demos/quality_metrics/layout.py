"""How the quality metrics tab looks."""

import gradio as gr

from demos import components as ui
from demos.gpu import LANE, SEARCH
from demos.quality_metrics.endpoints import measure, measure_sets, sifid
from demos.quality_metrics.opinion import (
    WAYS,
    Survey,
    opinion_prefer,
    opinion_rate,
    opinion_start,
    opinion_table,
)
from gan_models.metrics.opinion import SCALE

TITLE = "Quality metrics"
FEATURES = ("features-compact", "inception-fid")
KEPT = 3600  # seconds


def build() -> ui.Ports:
    """Lay out the tab inside the Blocks that is being built."""
    with gr.Tabs() as tabs:
        with gr.Tab("Two pictures", id="pair"):
            image, pair = _build_pair()
        with gr.Tab("Two sets") as page_of_sets:
            features, sets = _build_sets()
        with gr.Tab("Training picture") as page_of_sifid:
            features_of_one, distance = _build_sifid()
        with gr.Tab("Opinion"):
            _build_opinion()
    parts = ((page_of_sets, features), (page_of_sifid, features_of_one))
    return ui.Ports(features, image, (pair, sets, distance), inside=((tabs, "pair"),), parts=parts)


def _build_pair() -> tuple[ui.Picture, ui.Outputs]:
    sentence = "Measures how near a picture comes to another of its size, and shows where it does not."
    with ui.two_columns(sentence) as (inputs, outputs):
        with outputs:
            table = _table("How near", ["Measure", "Value", "What it means"], ["33%", "24%", "43%"])
            status = ui.status_line()
            with gr.Row():
                different = _map("Error: yellow is most")
                alike = _map("SSIM: blue 0, yellow 1")
            histograms = gr.Image(
                show_label=False, type="filepath", interactive=False, buttons=["fullscreen"], elem_classes="curves"
            )
            gr.Markdown(
                "How often each level is there: filled the picture, the line the reference; heights are roots."
            )
            values = _values()
            result = ui.Outputs((values, table, different, alike, histograms), status, ui.settings_panel())
        with inputs:
            image, reference = _picture_and_reference("measuring", "Examples of equal mean squared error", "cat.png")
            wishes = [image, reference]
            ui.run(measure, inputs=wishes, outputs=result, api_name="measure", lane=SEARCH)
    return image, result


def _build_sets() -> tuple[gr.Dropdown, ui.Outputs]:
    sentence = "Compares two sets of pictures, say drawn ones with real ones, by what a network sees in them."
    with ui.two_columns(sentence) as (inputs, outputs):
        with outputs:
            table = _table("How near", ["Measure", "Value", "What it means"], ["33%", "24%", "43%"])
            status = ui.status_line()
            about = gr.HTML("", elem_classes="status", container=False)
            result = ui.Outputs((_values(), table, about), status, ui.settings_panel())
        with inputs:
            sets = [_set("The first set: pictures, or ZIP archives of them"), _set("What they should be like")]
            folder = ui.EXAMPLES / "sets"
            wanted = str(folder / "other-creatures.zip")
            examples = {"Sharp creatures": "creatures.zip", "Blurred creatures": "blurred-creatures.zip"}
            gr.Examples(
                [[[str(folder / name)], [wanted]] for name in examples.values()],
                inputs=sets,
                label="Examples, by other sharp creatures",
                example_labels=list(examples),
                cache_examples=False,
                api_visibility="private",
                elem_id="examples-sets",
            )
            model = ui.weights_picker("features", names=FEATURES)
            with gr.Accordion("Advanced", open=False):
                info = "Pixels of the squares that the compact network sees, and that details are compared in."
                side = gr.Radio([32, 64, 128], value=64, label="Squares", info=info)
            ui.run(measure_sets, inputs=[*sets, model, side], outputs=result, api_name="measure_sets", lane=SEARCH)
    return model, result


def _build_sifid() -> tuple[gr.Dropdown, ui.Outputs]:
    sentence = (
        "Measures how alike the textures of a picture and of the one that its model was trained on are (SIFID)."
    )
    with ui.two_columns(sentence) as (inputs, outputs):
        with outputs:
            distance = gr.Number(label="SIFID: 0 is equal, lower is nearer", interactive=False, elem_classes="sifid")
            status = ui.status_line()
            result = ui.Outputs((distance,), status, ui.settings_panel())
        with inputs:
            image, reference = _picture_and_reference("sifid", "Examples, drawn by models of these pictures")
            model = ui.weights_picker("features", names=FEATURES)
            ui.run(sifid, inputs=[image, reference, model], outputs=result, api_name="sifid", lane=SEARCH)
    return model, result


def _build_opinion() -> None:
    sentence = "A blind comparison: judge results without knowing what made them, then see what you thought."
    survey = gr.State(Survey(), time_to_live=KEPT)
    with ui.two_columns(sentence) as (inputs, outputs):
        with inputs:
            way = gr.Radio(list(WAYS.items()), value="rate", label="How")
            gr.Markdown(
                "Of a picture that you choose, reduced four times, three results are made: bicubic, faithful and "
                "crisp. The original is among them."
            )
            image = ui.picture("A picture to make results of", "super-resolution", name="opinion")
            with gr.Accordion("Or bring results", open=False):
                results = gr.File(
                    label="2 to 6 results of one picture, each named after what made it",
                    file_count="multiple",
                    file_types=["image"],
                    height=140,
                    elem_classes="results-input",
                )
            start = gr.Button("Begin", variant="primary", elem_classes="begin")
        with outputs:
            question = gr.HTML(
                ui.note("Choose a picture and begin."), elem_classes="status question", container=False
            )
            with gr.Row():
                first, second = _shown("A"), _shown("B", visible=False)
            with gr.Row(visible=False) as rating:
                scores = [
                    (gr.Button(f"{score} {SCALE[score]}", size="sm", min_width=60), score) for score in sorted(SCALE)
                ]
            with gr.Row(visible=False) as choosing:
                sides = [(gr.Button(f"{side.upper()} is better", min_width=120), side) for side in ("a", "b")]
            with gr.Row():
                tell = gr.Button("Show the table", min_width=120, elem_classes="tell")
                forget = gr.Button("Forget all answers", min_width=120)
            table = _table("Opinions", ["Made by", "Mean", "95 % interval", "Ratings", "Preferred", "Pairs"])
            file = gr.File(label="The same as a CSV file", interactive=False, height=110, elem_classes="result-file")
    asked = [survey, first, second, question]
    start.click(
        ui.plain_errors(opinion_start),
        [survey, image, results, way],
        asked,
        api_name="opinion_start",
        concurrency_id=LANE,
        concurrency_limit=1,
        show_progress="minimal",
    )
    for function, buttons in ((opinion_rate, scores), (opinion_prefer, sides)):
        answer = gr.Number(visible=False, precision=0) if function is opinion_rate else gr.Textbox(visible=False)
        for number, (button, value) in enumerate(buttons):
            public = {"api_name": function.__name__, "show_progress": "hidden"} if number == 0 else ui.PRIVATE
            answered = f"(survey) => [survey, {value!r}]"  # what the hidden field would hold
            button.click(ui.plain_errors(function), [survey, answer], asked, js=answered, queue=False, **public)
    shown = [survey, table, file, first, second, question]
    tell.click(ui.plain_errors(opinion_table), survey, shown, api_name="opinion_table", queue=False)
    forget.click(
        lambda: (Survey(), None, None, None, None, ui.note("Forgotten.")), None, shown, queue=False, **ui.PRIVATE
    )
    question.change(_ways_to_answer, survey, [second, rating, choosing], queue=False, **ui.PRIVATE)


def _ways_to_answer(survey: Survey) -> list[dict]:
    """Show what the open question asks for."""
    count = len(survey.trials[0]) if survey.trials else 0
    return [gr.update(visible=count == 2), gr.update(visible=count == 1), gr.update(visible=count == 2)]


def _picture_and_reference(examples: str, label: str, common: str | None = None) -> tuple[ui.Picture, ui.Picture]:
    """Add a picture beside one that it is compared with, over examples that choose both.

    The reference of an example is the file `common`, or the one that is called as it is.
    """
    with gr.Row():
        image, reference = ui.upload("The picture", "measured-input"), ui.upload("The reference", "reference-input")
    paths, folder = sorted((ui.EXAMPLES / examples).iterdir()), ui.EXAMPLES / f"{examples}-references"
    gr.Examples(
        [[str(path), str(folder / (common or path.name))] for path in paths],
        inputs=[image, reference],
        label=label,
        example_labels=[path.stem.capitalize() for path in paths],
        cache_examples=False,
        api_visibility="private",
        elem_id=f"examples-{examples}",
    )
    return image, reference


def _set(label: str) -> gr.File:
    return gr.File(
        label=label, file_count="multiple", file_types=["image", ".zip"], height=140, elem_classes="dataset"
    )


def _table(label: str, headers: list[str], widths: list[str] | None = None) -> gr.Dataframe:
    return gr.Dataframe(
        label=label,
        headers=headers,
        column_widths=widths,
        interactive=False,
        wrap=True,
        max_height=900,
        buttons=["copy"],
        elem_classes="figures",
    )


def _map(label: str) -> gr.Image:
    return gr.Image(
        label=label, type="filepath", interactive=False, buttons=["fullscreen"], min_width=240, elem_classes="map"
    )


def _shown(label: str, visible: bool = True) -> gr.Image:
    return gr.Image(
        label=label,
        type="filepath",
        interactive=False,
        buttons=["fullscreen"],
        visible=visible,
        min_width=240,
        elem_classes="judged",
    )


def _values() -> gr.JSON:
    """Add the values as the API gives them, in a closed panel."""
    with gr.Accordion("As JSON", open=False):
        return gr.JSON(show_label=False, buttons=["copy"], elem_classes="values")
