"""The tab of a restoration: one picture, several, or a film."""

from collections.abc import Callable, Mapping, Sequence

import gradio as gr

from demos.kit.controls import PRIVATE, control, controls, picture
from demos.kit.gpu import TRAINING
from demos.kit.outputs import Ports, Tab, outputs
from demos.kit.runs import run
from gan_models.restoration import Restoration, filmed, several


def restoration_tab(task: type[Restoration], *, title: str, lead: str, **options: object) -> Tab:
    """Return the tab of `task`; see `build`."""
    return Tab(title, lambda: build(task, lead, **options))


def build(
    task: type[Restoration],
    lead: str,
    *,
    examples: str | None = None,
    suits: Mapping[str, str] | None = None,
    alone: Callable[[gr.components.Component], Mapping[str, gr.components.Component]] | None = None,
) -> Ports:
    """Lay out a restoration inside the Blocks that is being built.

    Args:
        task: What is done to each picture.
        lead: What the tab does, in a sentence.
        examples: The folder of these, if it isn't named after the task.
        suits: The model that suits each example, by the name of its file.
        alone: Given the picture's component, adds controls of what only a single picture takes.
    """
    many, film = several(task), filmed(task)
    parameters = task.parameters()
    gr.Markdown(lead, elem_classes="lead")
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=320):
            with gr.Tabs() as tabs:
                with gr.Tab("Picture", id="picture") as first:
                    place = gr.Column()
                with gr.Tab("Several") as second:
                    files = control(many.parameters()["images"], task.name)
                    start_several = gr.Row()
                with gr.Tab("Film") as third:
                    video = control(film.parameters()["film"], task.name)
                    start_film = gr.Row()
            shared = [name for name, one in parameters.items() if not one.picture]
            settings = controls(task, shared)
            with place:
                along = (settings["model"], dict(suits)) if suits else None
                image = picture(parameters["image"].title, examples or task.name, along, name=task.name)
                others = [name for name, one in parameters.items() if one.picture]
                more = controls(task, (), image=image, **(alone(image) if alone else {}))
                more |= _folded(task, [name for name in others if name not in more])
                start = gr.Column()
        with gr.Column(scale=6, min_width=320):
            shown = [gr.Column(visible=index == 0) for index in range(3)]
            with shown[0]:
                result = outputs(task, compared="Before and after")
            with shown[1]:
                results = outputs(many, columns=3)
            with shown[2]:
                film_result = outputs(film)
    single = {**settings, **more}
    with start:
        run(task, single, result)
    with start_several:
        run(many, {"images": files, **settings}, results)
    with start_film:
        run(film, {"film": video, **settings}, film_result, lane=TRAINING)

    def show(event: gr.SelectData) -> list[dict]:
        return [gr.update(visible=index == event.index) for index in range(3)]

    gr.on([first.select, second.select, third.select], show, None, shown, queue=False, **PRIVATE)
    return Ports(settings["model"], image, (result, results), inside=((tabs, "picture"),))


def _folded(task: type[Restoration], names: Sequence[str]) -> dict[str, gr.components.Component]:
    """Add controls of further pictures, folded away."""
    made = {}
    for name in names:
        one = task.parameters()[name]
        with gr.Accordion(one.title, open=False):
            made[name] = control(one, task.name)
    return made
