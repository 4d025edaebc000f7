"""What the tabs that alter pictures share: one picture, several, or a film."""

import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from demos import components as ui
from demos.gpu import TRAINING
from gan_models.backend import Backend
from gan_models.images import decode, read_provenance, thumbnail
from gan_models.images.provenance import write_png
from gan_models.jobs import Step
from gan_models.metrics.measure import measure, require_size

MOST = 200  # pictures at a time


@dataclass(frozen=True)
class Restorer:
    """How a tab's functions reach their backend.

    Attributes:
        task: The task's name, for the weights, the examples and the records.
        load: Returns the backend of a model.
        draws: Whether a model draws all of a picture, rather than altering it.
    """

    task: str
    load: Callable[[str], Backend]
    draws: Callable[[str], bool] = lambda model: False

    def one(self, image: str, model: str, reference: str | None = None, **settings: Any) -> Iterator[tuple]:
        """Restore a picture for the components of `before_after`; with a reference, measure the result by it."""
        picture = decode(image)
        yield from ui.deliver(
            lambda: self.load(model).steps(picture, **settings),
            picture,
            task=self.task,
            model=model,
            remark=measured_by(reference, picture, *picture.shape[:2]),
            **settings,
        )

    def several(self, images: list[str], model: str, **settings: Any) -> Iterator[tuple]:
        """Restore pictures one after the other for a gallery and a ZIP file of all."""
        if not images:
            raise ValueError("Choose some pictures first.")
        if len(images) > MOST:
            raise ValueError(f"At most {MOST} pictures at a time, not {len(images)}.")
        made: list[tuple[str, str]] = []

        def work() -> Iterator[Step]:
            backend, failed = self.load(model), []
            for number, path in enumerate(images):
                name = Path(path).name
                try:
                    result = yield from ui.until_result(backend.steps(decode(path), **settings))
                except ValueError as problem:
                    failed.append(f"{name}: {problem}")
                    continue
                target = ui.new_file(f"{Path(path).stem}-{self.task}.png")
                write_png(target, result.result, task=self.task, model=model, generated=self.draws(model), **settings)
                made.append((str(target), name))
                yield Step(number + 1, len(images), preview=thumbnail(result.result), message=f"{name} is done")
            if not made:
                raise ValueError(failed[0])
            archive = ui.new_file(f"{self.task}.zip")
            with zipfile.ZipFile(archive, "w") as file:  # PNG is compressed already
                for number, (path, _) in enumerate(made):
                    file.write(path, f"{number + 1:03}-{Path(path).name}")
            message = f"{len(made)} picture{'s' * (len(made) > 1)}"
            if failed:
                message += f", without {'; '.join(failed)}"
            yield Step(1, 1, message=message, result=ui.Made((made, str(archive)), read_provenance(made[0][0])))

        yield from ui.stream(work(), model, lambda step: (list(made), None), idle=(gr.skip(), None))

    def film(self, film: str, model: str, **settings: Any) -> Iterator[tuple]:
        """Restore a film picture by picture for a video."""
        from gan_models.images.video import Video, open_video, read_video_provenance

        if not film:
            raise ValueError("Choose a film first.")
        source = Video(film)

        def work() -> Iterator[Step]:
            target, done = str(ui.new_file(f"{self.task}.mp4")), 0
            record = {"task": self.task, "model": model, "generated": self.draws(model), **settings}
            with open_video(target, fps=source.fps, **record) as result:
                for done, picture in enumerate(self.load(model).film(source, **settings), start=1):
                    result.write(picture)
                    yield Step(done, max(done, source.count), message=f"Picture {done}")
            if not done:
                raise ValueError("There is no picture in this film that can be read.")
            message = f"{done} pictures, {done / source.fps:.1f} s of film,"
            yield Step(1, 1, message=message, result=ui.Made((target,), read_video_provenance(target)))

        yield from ui.stream(work(), model, lambda step: (None,), idle=(None,))

    def build(
        self,
        sentence: str,
        functions: tuple[Callable, Callable, Callable],
        label: str,
        controls: Callable[[], dict[str, gr.components.Component]],
        further: Callable[[ui.Picture], list[gr.components.Component]] = lambda image: [],
        suits: dict[str, str] | None = None,
        examples: str | None = None,
    ) -> ui.Ports:
        """Lay out the tab inside the Blocks that is being built.

        Args:
            sentence: What the tab does.
            functions: For a picture, for several and for a film; their names are those of the endpoints.
            label: What kind of picture it takes.
            controls: Adds the controls, and returns them by their parameters' names, in their order.
            further: Adds what only the function for a single picture takes, after these.
            suits: The model that suits each example, by the name of its file.
            examples: The folder of these, if it isn't named after the task.
        """
        one, several, film = functions
        gr.Markdown(sentence, elem_classes="lead")
        with gr.Row(equal_height=False):
            with gr.Column(scale=4, min_width=320):
                model = ui.weights_picker(self.task)
                settings = controls()
                with gr.Tabs() as tabs:
                    with gr.Tab("Picture", id="picture") as first:
                        image = ui.picture(
                            label, examples or self.task, (model, suits) if suits else None, name=self.task
                        )
                        more = further(image)
                        start = gr.Row()
                    with gr.Tab("Several") as second:
                        files = gr.File(
                            label="Pictures",
                            file_count="multiple",
                            file_types=["image"],
                            height=200,
                            elem_classes="several-input",
                        )
                        start_several = gr.Row()
                    with gr.Tab("Film") as third:
                        video = ui.film("A film")
                        start_film = gr.Row()
            with gr.Column(scale=6, min_width=320):
                shown = [gr.Column(visible=index == 0) for index in range(3)]
                with shown[0]:
                    result = ui.before_after()
                with shown[1]:
                    results = ui.gallery("Results", columns=3, file_label="All as a ZIP file")
                with shown[2]:
                    film_result = ui.video("Result, without sound")
        rows = ((start, one, [image], more, result), (start_several, several, [files], [], results))
        for row, function, source, rest, outputs in rows:
            with row:
                inputs = [*source, model, *settings.values(), *rest]
                ui.run(function, inputs=inputs, outputs=outputs, api_name=function.__name__)
        with start_film:
            inputs = [video, model, *settings.values()]
            ui.run(film, inputs=inputs, outputs=film_result, api_name=film.__name__, lane=TRAINING)
        for index, tab in enumerate((first, second, third)):
            show = [gr.update(visible=place == index) for place in range(3)]
            tab.select(lambda show=show: show, None, shown, queue=False, **ui.PRIVATE)
        ui.restore_settings(image, self.task, {"model": model, **settings})
        return ui.Ports(model, image, (result, results), inside=((tabs, "picture"),))


def measured_by(reference: str | None, before: np.ndarray, height: int, width: int) -> Callable[[np.ndarray], str]:
    """Return what says of a result how near it comes to `reference`, and how near `before` was if it is as large.

    Raises:
        ValueError: The reference is no picture that can be read, or hasn't the size that the result will have.
    """
    if not reference:
        return lambda result: ""
    wanted = decode(reference)
    require_size(wanted, height, width)

    def remark(result: np.ndarray) -> str:
        pictures = [picture for picture in (before, result) if picture.shape[:2] == wanted.shape[:2]]
        found = [measure(picture, wanted, ("psnr", "ssim")) for picture in pictures]
        psnr = " → ".join(f"{one['psnr']:.2f}".replace("inf", "∞") for one in found)
        ssim = " → ".join(f"{one['ssim']:.4f}" for one in found if "ssim" in one)
        return f", PSNR {psnr} dB{ssim and ', SSIM '}{ssim},"

    return remark


def reference_input(image: ui.Picture) -> list[gr.components.Component]:
    """Add a place for a picture that the result is measured by."""
    with gr.Accordion("Advanced: measure the result", open=False):
        return [ui.upload("What the result should be, of its size", "reference-input")]


def strength() -> dict[str, gr.components.Component]:
    """Add the control of how much of what a network makes of a picture is mixed into it."""
    info = "Lower keeps some of the picture as it came."
    return {"strength": gr.Slider(0, 1, 1, step=0.05, label="Strength", info=info)}
