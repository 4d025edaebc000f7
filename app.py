"""GAN Atelier: build the page and serve it."""

import argparse
import os
import tempfile

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
if not os.environ.get("GRADIO_TEMP_DIR"):  # by default one for all users of a machine, and so the first one's
    folder = tempfile.TemporaryDirectory(prefix="gan-atelier-", ignore_cleanup_errors=True)
    os.environ["GRADIO_TEMP_DIR"] = os.path.realpath(folder.name)

from demos import TABS
from demos.kit import frame
from gan_models import settings

demo = frame.build(TABS)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line; every option's default is its `GAN_ATELIER_*` variable where that is set."""
    parser = argparse.ArgumentParser(description=__doc__)
    on_a_space = "SPACE_ID" in os.environ

    def option(name: str, default: str, text: str) -> None:
        variable = "GAN_ATELIER_" + name.upper().replace("-", "_")
        parser.add_argument(
            f"--{name}",
            default=os.environ.get(variable, default),
            help=f"{text} [{variable}]",
            metavar="VALUE",
        )

    def switch(name: str, text: str) -> None:
        variable = "GAN_ATELIER_" + name.upper().replace("-", "_")
        default = os.environ.get(variable, "").lower() in {"1", "true", "yes", "on"}
        parser.add_argument(f"--{name}", action="store_true", default=default, help=f"{text} [{variable}]")

    option("host", "0.0.0.0" if on_a_space else "127.0.0.1", "address to listen on; 0.0.0.0 for all")
    option("port", "7860", "port to listen on")
    switch("share", "also open a public link for a week")
    option("auth", "", "USER:PASSWORD that visitors must give")
    switch("offline", "never ask the Hugging Face Hub for anything")
    option("device", "", "cuda, mps or cpu; default: the best there is")
    option("max-megapixels", "40", "largest picture that is accepted, in millions of pixels")
    switch("mcp", "also serve the API as tools of the Model Context Protocol")
    options = parser.parse_args(arguments)
    try:
        options.port, options.max_megapixels = int(options.port), float(options.max_megapixels)
    except ValueError:
        parser.error("--port and --max-megapixels must be numbers")
    if options.auth and ":" not in options.auth:
        parser.error("--auth must be USER:PASSWORD")
    return options


def serve(options: argparse.Namespace, **launch: object) -> None:
    """Serve the page until it is stopped; `launch` goes on to Gradio."""
    os.environ["GAN_ATELIER_MAX_MEGAPIXELS"] = str(options.max_megapixels)
    if options.device:
        os.environ["GAN_ATELIER_DEVICE"] = options.device
    if options.offline:
        os.environ["GAN_ATELIER_OFFLINE"] = "1"
    demo.queue(max_size=64, default_concurrency_limit=4).launch(
        server_name=options.host,
        server_port=options.port,
        share=options.share,
        auth=tuple(options.auth.split(":", 1)) if options.auth else None,
        max_file_size=int(settings.max_upload_mb() * 1e6),
        strict_cors=True,
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        mcp_server=options.mcp,
        footer_links=["api"],
        theme=frame.THEME,
        css=frame.CSS,
        **launch,
    )


def main() -> None:
    """Serve the page as the command line asks; the command `gan-atelier` of an installed package."""
    serve(parse_arguments())


if __name__ == "__main__":
    main()
