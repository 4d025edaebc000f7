"""What tabs show: pictures, films, what is going on and how it was made."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import gradio as gr

from demos.components.inputs import PRIVATE, Picture
from demos.components.messages import note


@dataclass(frozen=True)
class Outputs:
    """What a run shows.

    Attributes:
        shown: The result itself first, as the API returns it, then what else there is to see of it.
        status: What is going on.
        settings: How the result was made.
        sent: Holds the path of the picture that “Send to” sends, if there is one to send.
        send_row: Where the buttons for that go.
        latents: A file of latents, where the run makes one.
    """

    shown: tuple[gr.components.Component, ...]
    status: gr.HTML
    settings: gr.JSON
    sent: gr.components.Component | None = None
    send_row: gr.Row | None = None
    latents: gr.File | None = None

    @property
    def components(self) -> list[gr.components.Component]:
        """The components in the order in which a tab's function fills them."""
        return [*self.shown, self.status, self.settings]


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


def before_after() -> Outputs:
    """Add what a run that alters a picture shows: a before/after slider, and the file at full size."""
    slider = gr.ImageSlider(
        label="Before and after",
        type="filepath",
        interactive=False,
        buttons=["fullscreen"],
        max_height=560,
        elem_classes="before-after",
    )
    status = status_line()
    file = gr.File(label="Result at full size (PNG)", interactive=False, elem_classes="result-file")
    send_row = gr.Row(elem_classes="send-row")
    return Outputs((file, slider), status, settings_panel(), sent=file, send_row=send_row)


def gallery(label: str, columns: int, file_label: str | None = None, *, file_first: bool = False) -> Outputs:
    """Add what a run that makes several pictures shows: a gallery, and a file besides them if it has a label.

    With `file_first` the file is the result, and sent elsewhere; else the gallery is, of which the picture that was
    clicked last is sent, or the first one.
    """
    pictures = pictures_grid(label, columns)
    status = status_line()
    send_row = gr.Row(elem_classes="send-row")
    if file_label is None:
        return Outputs((pictures,), status, settings_panel(), sent=clicked(pictures), send_row=send_row)
    file = gr.File(label=file_label, interactive=False, elem_classes="result-file")
    if file_first:
        return Outputs((file, pictures), status, settings_panel(), sent=file, send_row=send_row)
    return Outputs((pictures, file), status, settings_panel(), sent=clicked(pictures), send_row=send_row)


def pictures_grid(label: str, columns: int) -> gr.Gallery:
    """Add a gallery of as many rows as it takes."""
    return gr.Gallery(
        label=label,
        columns=columns,
        height="auto",
        object_fit="contain",
        interactive=False,
        format="png",
        buttons=["download", "fullscreen"],
        elem_classes="pictures",
    )


def clicked(pictures: gr.Gallery) -> gr.State:
    """Return what holds the path of the picture that was clicked last, or of the first one."""
    sent = gr.State()
    pictures.change(lambda shown: shown[0][0] if shown else None, pictures, sent, queue=False, **PRIVATE)
    pictures.select(_selected, pictures, sent, queue=False, **PRIVATE)
    return sent


def video(label: str, *, gif: bool = False) -> Outputs:
    """Add what a run that makes a video shows; with `gif`, a second file."""
    film = gr.Video(label=label, interactive=False, autoplay=True, loop=True, height=420, elem_classes="film")
    status = status_line()
    files = (gr.File(label="The same as a GIF", interactive=False, elem_classes="result-file"),) if gif else ()
    return Outputs((film, *files), status, settings_panel())


def status_line() -> gr.HTML:
    """Add the line that says what is going on."""
    return gr.HTML(note("Ready."), elem_classes="status", container=False)


def settings_panel() -> gr.JSON:
    """Add a closed panel that shows how the result was made."""
    with gr.Accordion("Settings of this result", open=False):
        return gr.JSON(show_label=False, buttons=["copy"], elem_classes="settings")


def _selected(pictures: list[tuple[str, str | None]], event: gr.SelectData) -> str:
    return pictures[event.index][0]
