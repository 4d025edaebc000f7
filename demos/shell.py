"""The frame round the tabs: header with badges, theme, "send to", the list of models."""

from pathlib import Path
from types import ModuleType
from typing import Any

import gradio as gr
from gradio.processing_utils import async_move_files_to_cache
from gradio_client.utils import async_traverse

from demos import components as ui
from gan_models import __version__, settings
from gan_models.checkpoints import hub

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


def list_models(task: str = "") -> list[dict]:
    """List the models that the app knows.

    Args:
        task: Only those of this task, such as "super-resolution"; empty for all.

    Returns:
        For each model its name, task, source, licence, size in megabytes, and whether it is ready to use at once.
    """
    return hub.listing(task or None)


def build(tabs: tuple[ModuleType, ...]) -> gr.Blocks:
    """Return the whole page with `tabs`, modules that have a `TITLE` and a `build`."""
    with Page(title="GAN Atelier", analytics_enabled=False, delete_cache=(600, 3600), fill_width=False) as demo:
        with gr.Row(elem_classes="header"):
            gr.HTML("<h1>GAN Atelier</h1>", container=False, elem_classes="brand")
            with gr.Row(elem_classes="badges"):
                weights = gr.HTML(container=False, min_width=10)
                device = gr.HTML(ui.badge("…"), container=False, min_width=10)
                network = gr.HTML(ui.badge("…"), container=False, min_width=10)
        ports: dict[ModuleType, ui.Ports] = {}
        with gr.Tabs() as frame:
            for tab in tabs:
                with gr.Tab(tab.TITLE, id=tab.TITLE) as page:
                    ports[tab] = tab.build()
                badge = ui.plain_errors(ui.weights_badge)
                for place, picker in ((page, ports[tab].picker), *ports[tab].parts):
                    place.select(badge, picker, weights, queue=False, **ui.PRIVATE)
                    picker.change(badge, picker, weights, queue=False, **ui.PRIVATE)
        with gr.Accordion("About", open=False):
            gr.Markdown(ABOUT)
        _connect(ports, frame)
        demo.load(ui.weights_badge, ports[tabs[0]].picker, weights, queue=False, **ui.PRIVATE)
        demo.load(_device_badge, None, device, queue=False, **ui.PRIVATE)
        demo.load(_hub_badge, None, network, queue=False, **ui.PRIVATE)
        gr.api(list_models, api_name="models", queue=False)
        demo.temp_file_sets.append(ui.written)
    return demo


def _connect(ports: dict[ModuleType, ui.Ports], frame: gr.Tabs) -> None:
    """Give each result a row of buttons that send it to any tab that takes a picture."""
    for source, port in ports.items():
        for outputs in port.outputs:
            if outputs.sent is None:
                continue
            with outputs.send_row:
                for target in ports:
                    if ports[target].picture is not None:
                        again = target is source and not ports[target].inside
                        text = "Use the result as the next input" if again else f"Send to {target.TITLE}"
                        _add_send_button(
                            text, outputs.sent, ports[target].picture, ports[target], target.TITLE, frame
                        )
                    if outputs.latents and ports[target].latents:
                        text = f"Edit it in {target.TITLE}"
                        _add_send_button(
                            text, outputs.latents, ports[target].latents, ports[target], target.TITLE, frame
                        )


def _add_send_button(
    text: str,
    sent: gr.components.Component,
    where: gr.components.Component,
    port: ui.Ports,
    title: str,
    frame: gr.Tabs,
) -> None:
    button = gr.Button(text, size="sm")
    tabs, ids = zip((frame, title), *port.inside, strict=True)

    def send(path: str | None) -> list:
        if not path:
            return [gr.skip()] * (1 + len(tabs))
        return [path, *(gr.Tabs(selected=tab) for tab in ids)]

    button.click(send, sent, [where, *tabs], queue=False, **ui.PRIVATE)


def _device_badge() -> str:
    from gan_models.device import device_name, pick_device

    return ui.badge(device_name(pick_device()), "Where the models run")


def _hub_badge() -> str:
    if settings.offline():
        return ui.badge("Offline", "Only weights that are already here can be used", "warn")
    if hub.reachable():
        return ui.badge("Hub reachable", "Larger weights can be fetched from the Hugging Face Hub", "good")
    return ui.badge("Hub unreachable", "Only weights that are already here can be used", "warn")
