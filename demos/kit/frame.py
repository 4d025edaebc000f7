"""The frame round the tabs: header with badges, theme, "send to", the list of models."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.processing_utils import async_move_files_to_cache, save_base64_to_cache
from gradio.utils import get_upload_folder
from gradio_client import handle_file
from gradio_client.utils import async_traverse

from demos.kit.controls import PRIVATE
from demos.kit.errors import plain_errors
from demos.kit.files import written
from demos.kit.messages import badge, weights_badge
from demos.kit.outputs import SEND, Outputs, Ports, Tab
from gan_models import __version__, settings
from gan_models.checkpoints import hub
from gan_models.task import Task, restored

FILES = ("image", "mask", "file", "files", "video")
Asked = tuple[type[Task], Mapping[str, gr.components.Component]]
CSS = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
THEME = gr.themes.Base(
    primary_hue=gr.themes.colors.teal,
    secondary_hue=gr.themes.colors.teal,
    neutral_hue=gr.themes.colors.stone,
    radius_size=gr.themes.sizes.radius_md,
    font=["ui-sans-serif", "system-ui", "sans-serif"],
    font_mono=["ui-monospace", "monospace"],
).set(
    block_info_text_color="*neutral_600",
    block_info_text_color_dark="*neutral_400",
    body_text_color_subdued="*neutral_600",
    button_primary_background_fill="*primary_700",
    button_primary_background_fill_hover="*primary_800",
    button_primary_background_fill_dark="*primary_700",
    button_primary_text_color="white",
    button_secondary_background_fill="*neutral_100",
    button_secondary_background_fill_hover="*neutral_200",
)
ABOUT = f"""
**GAN Atelier {__version__}** makes, restores and transforms pictures on this machine. Nothing is sent anywhere:
pictures are read and worked on here, and deleted after an hour or so; only weights that you pick from the Hugging
Face Hub are downloaded.

- **Compact** weights came with the app and were trained by the project; their cards say on what and how well.
- Every picture made here is a PNG that carries the settings, the weights and their hash. Drop it on its tab to
  restore them, as long as it has no more bytes than an upload may have.
- Results are marked as made or altered by a model (IPTC digital source type), as rules for synthetic media ask.
- The same functions are an API: see “Use via API” below, or `/models` for what there is.
"""


class Page(gr.Blocks):
    """A page that takes visitors' files from the folder of uploads alone, whatever component they are meant for.

    Gradio checks the path of a file, and fetches an address that is public, only if the file says by its `meta` that
    it is one and isn't a stream: any other address or path would reach the functions as it came.
    """

    async def preprocess_data(
        self, block_fn: gr.blocks.BlockFunction, inputs: list[Any], *session: Any, **options: Any
    ) -> list[Any]:
        """Return what the function gets, as `gr.Blocks` does, after all files in `inputs` were checked.

        Raises:
            gr.Error: One of them is no upload.
        """
        lists = [isinstance(block, gr.File) and block.file_count != "single" for block in block_fn.inputs]
        inputs = [
            [_addressed(one) for one in value] if of_files and isinstance(value, list) else value
            for value, of_files in zip(inputs, lists, strict=False)  # Gradio says how many are missing
        ]
        inputs = await async_traverse(inputs, self._upload, _is_file)
        return await super().preprocess_data(block_fn, inputs, *session, **options)

    async def _upload(self, file: dict[str, Any]) -> dict[str, Any]:
        if file.get("is_stream") or file.get("meta") != {"_type": "gradio.FileData"}:
            raise gr.Error("A file is sent as an upload, and in no other way.", print_exception=False)
        try:
            return await async_move_files_to_cache(file, self, check_in_upload_folder=True)
        except Exception:  # of many kinds, the plainest too
            sentence = "A file is neither an upload nor at an address from where everybody can fetch it."
            raise gr.Error(sentence, print_exception=False) from None


def _is_file(value: Any) -> bool:
    return isinstance(value, dict) and value.get("path") is not None


def _addressed(file: Any) -> Any:
    """Return the file at an address: tools of the Model Context Protocol send a list of files as that.

    Gradio fetches single files alone: in a list it never finds the place that its schema told.
    """
    if not isinstance(file, str):
        return file
    if file.startswith("data:"):
        return handle_file(save_base64_to_cache(file, get_upload_folder()))
    return handle_file(file) if file.startswith(("http://", "https://")) else file


def list_models(task: str = "") -> list[dict]:
    """List the models that the app knows.

    Args:
        task: Only those of this task, such as "super-resolution"; empty for all.

    Returns:
        For each model its name, task, source, licence, size in megabytes, and whether it is ready to use at once.
    """
    return hub.listing(task or None)


def build(tabs: tuple[Tab, ...]) -> gr.Blocks:
    """Return the whole page with `tabs`."""
    with Page(title="GAN Atelier", analytics_enabled=False, delete_cache=(600, 3600), fill_width=False) as demo:
        with gr.Row(elem_classes="header"):
            gr.HTML("<h1>GAN Atelier</h1>", container=False, elem_classes="brand")
            with gr.Row(elem_classes="badges"):
                weights = gr.HTML(container=False, min_width=10)
                device = gr.HTML(badge("…"), container=False, min_width=10)
                network = gr.HTML(badge("…"), container=False, min_width=10)
        ports: dict[str, Ports] = {}
        with gr.Tabs() as frame:
            for tab in tabs:
                with gr.Tab(tab.title, id=tab.title) as page:
                    ports[tab.title] = tab.build()
                shown = plain_errors(weights_badge)
                for place, picker in ((page, ports[tab.title].picker), *ports[tab.title].parts):
                    gr.on([place.select, picker.change], shown, picker, weights, queue=False, **PRIVATE)
        with gr.Accordion("About", open=False):
            gr.Markdown(ABOUT)
        _connect(ports, frame)
        _connect_records(ports, frame)
        demo.load(weights_badge, ports[tabs[0].title].picker, weights, queue=False, **PRIVATE)
        demo.load(_badges, None, [device, network], queue=False, **PRIVATE)
        gr.api(list_models, api_name="models", queue=False)
        demo.temp_file_sets.append(written)
    return demo


def _connect(ports: dict[str, Ports], frame: gr.Tabs) -> None:
    """Give each result a menu of the tabs that it can be sent to."""
    for title, port in ports.items():
        sent = [outputs for outputs in port.outputs if outputs.menu is not None]
        if sent:
            _connect_menus(title, sent, ports, frame)


def _connect_menus(title: str, sent: list[Outputs], ports: dict[str, Ports], frame: gr.Tabs) -> None:
    """Let menus of a tab put a result, or its latents, where another tab takes them, and open that tab.

    One event is for all of them, since each costs every visitor the time to set it up: the menu that was used is the
    one that says something.
    """
    targets = [_targets(title, outputs, ports) for outputs in sent]
    for outputs, found in zip(sent, targets, strict=True):
        outputs.menu.choices = [(text, text) for text in (SEND, *found)]
    menus = [outputs.menu for outputs in sent]
    sources = _distinct(source for found in targets for _, source, _ in found.values())
    clicked = _distinct(outputs.selected for outputs in sent if outputs.selected)
    places = _distinct(place for found in targets for _, _, place in found.values())
    tabs = _distinct(one for found in targets for name, _, _ in found.values() for one, _ in ports[name].inside)
    shown = _distinct([*menus, *places, frame, *tabs])

    def send(*values: object) -> list:
        """Fill the chosen place with what its source holds, and open the tabs round it."""
        held = dict(zip(map(id, (*menus, *sources, *clicked)), values, strict=True))
        filled: dict[int, object] = {}
        for outputs, found in zip(sent, targets, strict=True):
            if held[id(outputs.menu)] not in found:
                continue
            name, source, place = found[held[id(outputs.menu)]]
            filled[id(outputs.menu)] = SEND
            value = held[id(source)]
            if isinstance(value, list):  # a gallery: the picture that was clicked last
                number = held[id(outputs.selected)]
                value = value[number if number < len(value) else 0][0] if value else None
            if value:
                filled |= {id(place): value, id(frame): gr.Tabs(selected=name)}
                filled |= {id(one): gr.Tabs(selected=tab) for one, tab in ports[name].inside}
        return [filled.get(id(one), gr.skip()) for one in shown]

    gr.on([menu.input for menu in menus], send, [*menus, *sources, *clicked], shown, queue=False, **PRIVATE)


def _targets(title: str, outputs: Outputs, ports: dict[str, Ports]) -> dict[str, tuple[str, Any, Any]]:
    """Return by what the menu says which tab takes what, and the component in it that does."""
    latents, targets = outputs.parts.get("latents"), {}
    for name, port in ports.items():
        if port.picture is not None:
            again = name == title and not port.inside
            targets["Use as the next input" if again else name] = (name, outputs.sent, port.picture)
        if latents is not None and port.latents is not None:
            targets[f"Edit it in {name}"] = (name, latents, port.latents)
    return targets


def _connect_records(ports: dict[str, Ports], frame: gr.Tabs) -> None:
    """Restore the settings of a result that is dropped on its tab's picture, or on the place that is for that."""
    everywhere: list[tuple[str, Asked]] = []
    for title, port in ports.items():
        here = [(title, asked) for outputs in port.outputs for asked in outputs.asked.items()]
        everywhere += here
        if port.picture is not None:
            restore, shown = _restorer(here)
            port.picture.upload(restore, port.picture, shown, **PRIVATE)
    with gr.Accordion("Restore the settings of a result", open=False):
        dropped = gr.File(label="Any picture or video that was made here", height=110, elem_classes="made-here")
    restore, shown = _restorer(everywhere, frame)
    dropped.upload(plain_errors(restore), dropped, shown, **PRIVATE)


def _restorer(
    places: list[tuple[str, Asked]], frame: gr.Tabs | None = None
) -> tuple[Callable[[str | None], list], list[gr.components.Component]]:
    """Return a function of a file's path that restores the settings in it, and the components that it sets."""
    parameters = [
        (task, name, one)
        for _, (task, controls) in places
        for name, one in controls.items()
        if name in task.parameters() and task.parameters()[name].kind not in FILES
    ]
    shown = _distinct(one for _, _, one in parameters)

    def restore(path: str | None) -> list:
        from gan_models.images.video import read_record  # brings the codecs

        record = path and read_record(path)
        title = next((title for title, (task, _) in places if restored(task, record) is not None), None)
        values: dict[int, object] = {}
        if title is None:
            if frame is not None or (record and record["task"] in {task.name for _, (task, _) in places}):
                gr.Warning("What made this file can't be restored here.")
        else:
            gr.Info("This was made here; its settings are restored.")
            task, controls = next(
                asked for at, asked in places if at == title and restored(asked[0], record) is not None
            )
            values = {id(controls[name]): value for name, value in restored(task, record).items() if name in controls}
        updates = [gr.update(value=values[id(one)]) if id(one) in values else gr.skip() for one in shown]
        opened = [] if frame is None else [gr.Tabs(selected=title) if title else gr.skip()]
        return [*updates, *opened]

    return restore, [*shown, *([] if frame is None else [frame])]


def _distinct(components: Iterable[Any]) -> list[Any]:
    return list({id(one): one for one in components}.values())


def _badges() -> tuple[str, str]:
    return _device_badge(), _hub_badge()


def _device_badge() -> str:
    from gan_models import device  # brings PyTorch, after the page has been shown

    return badge(device.device_name(device.pick_device()), "Where the models run")


def _hub_badge() -> str:
    if settings.offline():
        return badge("Offline", "Only weights that are already here can be used", "warn")
    if hub.reachable():
        return badge("Hub reachable", "Larger weights can be fetched from the Hugging Face Hub", "good")
    return badge("Hub unreachable", "Only weights that are already here can be used", "warn")
