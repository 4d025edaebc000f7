"""What tabs show of a task's results: a component for each part, what goes on, and how it was made."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import gradio as gr

from demos.kit.controls import PRIVATE, Picture, inlined_info
from demos.kit.messages import note
from gan_models.task import Output, Task


class BeforeAfter(gr.ImageSlider):
    """Two pictures under a slider. It is for eyes alone: the API has the picture as a file."""

    is_template = True
    skip_api = True


class Shown(gr.Image):
    """A picture as the page shows it, likewise."""

    is_template = True
    skip_api = True


class Status(gr.HTML):
    """What is going on, likewise."""

    is_template = True
    skip_api = True


class Table(gr.Dataframe):
    """Values as a table, likewise."""

    is_template = True
    skip_api = True


SEND = "Send to …"


@dataclass(frozen=True)
class Outputs:
    """What a run shows.

    Attributes:
        task: Whose results they are.
        parts: A component for each part of the result, by name, the result itself first; and the record.
        status: What is going on.
        compared: What the result is made from, and the result.
        shown: The result, where there is nothing to compare it with.
        menu: Of the tabs that it can be sent to.
        selected: Which of several pictures was clicked last.
        more: What else is for the page alone, by the names by which `runs` fills it.
        asked: The tasks that show their results here, and the controls of each.
    """

    task: type[Task]
    parts: dict[str, gr.components.Component]
    status: Status
    compared: BeforeAfter | None = None
    shown: Shown | None = None
    menu: gr.Dropdown | None = None
    selected: gr.State | None = None
    more: dict[str, gr.components.Component] = field(default_factory=dict)
    asked: dict[type[Task], Mapping[str, gr.components.Component]] = field(default_factory=dict)

    @property
    def by_name(self) -> dict[str, gr.components.Component]:
        """All components by the names by which `runs` fills them; those of the API first."""
        plumbing = {"status": self.status, "compared": self.compared, "shown": self.shown, **self.more}
        return self.parts | {name: one for name, one in plumbing.items() if one is not None}

    @property
    def sent(self) -> gr.components.Component | None:
        """What holds the picture, or the pictures, that can be sent to another tab."""
        pictures = [name for name, output in self.task.returns.items() if output.kind in ("image", "images")]
        return self.parts[pictures[0]] if pictures else None


@dataclass(frozen=True)
class Ports:
    """What the frame connects once every tab is built.

    Attributes:
        picker: The tab's weights.
        picture: The picture that it takes, if any.
        outputs: Its results.
        inside: Where the picture or the latents are, if the tab has tabs of its own, or these again: for each, from
            the outside in, those and the one to open.
        latents: Where it takes a file of latents, if anywhere.
        parts: Tabs inside with weights of their own, and these.
    """

    picker: gr.Dropdown
    picture: Picture | None
    outputs: tuple[Outputs, ...]
    inside: tuple[tuple[gr.Tabs, str], ...] = ()
    latents: gr.File | None = None
    parts: tuple[tuple[gr.Tab, gr.Dropdown], ...] = ()


@dataclass(frozen=True)
class Tab:
    """A tab of the page.

    Attributes:
        title: What the page calls it.
        build: Lays it out inside the Blocks that is being built.
    """

    title: str
    build: Callable[[], Ports]


@contextmanager
def two_columns(sentence: str) -> Iterator[tuple[gr.Column, gr.Column]]:
    """Lay out a tab: what it does, and under that inputs beside outputs (one above the other on a phone)."""
    gr.Markdown(sentence, elem_classes="lead")
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=320) as inputs:
            pass
        with gr.Column(scale=6, min_width=320) as outputs:
            pass
    yield inputs, outputs


def outputs(task: type[Task], *, compared: str | None = None, columns: int = 4, height: int = 560) -> Outputs:
    """Add what a run of `task` shows: pictures, or else a video, and what goes on; then curves, videos, the rest.

    Args:
        task: Whose results they are.
        compared: The label of a slider that holds a picture against what it was made from; None for no slider.
        columns: Of a gallery.
        height: Pixels of the picture or the video, at most.
    """
    returns = task.returns
    parts: dict[str, gr.components.Component] = {}
    slider = shown = None
    pictures = [name for name, output in returns.items() if output.kind == "image"]
    several = any(output.kind == "images" for output in returns.values())
    if compared:
        slider = BeforeAfter(
            label=compared,
            type="filepath",
            interactive=False,
            buttons=["fullscreen"],
            max_height=height,
            elem_classes="before-after",
        )
    elif pictures and not several:
        label = returns[pictures[0]].title
        shown = Shown(
            label=label,
            type="filepath",
            interactive=False,
            buttons=["fullscreen"],
            height=height,
            elem_classes="shown",
        )
    early = None if slider or shown else "images" if several else "video"
    parts |= {name: part(output, columns) for name, output in returns.items() if output.kind == early}
    status = Status(note("Ready."), elem_classes="status", container=False)
    late = [name for name in returns if name not in parts]
    late.sort(key=lambda name: returns[name].kind not in ("plot", "video"))
    parts |= {name: part(returns[name], columns, film=260) for name in late}
    parts = {name: parts[name] for name in returns}
    parts["record"] = gr.JSON(label="Record", visible=False)  # for callers; the status tells it on the page
    made = Outputs(task, parts, status, slider, shown)
    if made.sent is None:
        return made
    menu = gr.Dropdown([SEND], value=SEND, show_label=False, label="Send to", container=False, elem_classes="send")
    selected = _selected(made.sent) if isinstance(made.sent, gr.Gallery) else None
    return replace(made, menu=menu, selected=selected)


def part(output: Output, columns: int = 4, film: int = 420) -> gr.components.Component:
    """Add the component that shows a part of a result and gives it to callers; a film has so many pixels at most."""
    made = _component(output, columns, film)
    made.api_info_as_output = partial(inlined_info, made)
    made.api_info = made.api_info_as_input = dict  # of no use to anybody, and long
    return made


def _component(output: Output, columns: int, film: int) -> gr.components.Component:
    if output.kind == "images":
        return gr.Gallery(
            label=output.title,
            columns=columns,
            height="auto",
            object_fit="contain",
            interactive=False,
            format="png",
            buttons=["download", "fullscreen"],
            elem_classes="pictures",
        )
    if output.kind == "video" and output.suffix != ".gif":
        return gr.Video(
            label=output.title, interactive=False, autoplay=True, loop=True, height=film, elem_classes="film"
        )
    if output.kind in ("plot", "figure"):
        return gr.Image(
            label=output.title,
            show_label=output.kind == "figure",
            type="filepath",
            interactive=False,
            buttons=["fullscreen"] if output.kind == "figure" else [],
            elem_classes="figure" if output.kind == "figure" else "curves",
        )
    if output.kind == "values":
        return gr.JSON(label=output.title, elem_classes="values")
    if output.kind == "number":
        return gr.Number(label=output.title, interactive=False)
    if output.kind == "text":
        return gr.Textbox(label=output.title, interactive=False, buttons=["copy"], elem_classes="text-result")
    return gr.File(label=output.title, interactive=False, height=90, elem_classes="result-file")


def table(
    label: str, headers: list[str], widths: list[str] | None = None, kind: type[gr.Dataframe] = Table
) -> gr.Dataframe:
    """Add a table."""
    return kind(
        label=label,
        headers=headers,
        column_widths=widths,
        interactive=False,
        wrap=True,
        max_height=900,
        buttons=["copy"],
        elem_classes="figures",
    )


def _selected(pictures: gr.Gallery) -> gr.State:
    """Return what holds the number of the picture that was clicked last."""
    number = gr.State(0)

    def select(event: gr.SelectData) -> int:
        return event.index

    pictures.select(select, None, number, queue=False, **PRIVATE)
    return number
