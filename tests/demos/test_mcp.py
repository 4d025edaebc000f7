"""The API as tools of the Model Context Protocol, called by its own client."""

import asyncio
import base64
import io
import zipfile

import jsonschema
import numpy as np
import pytest
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client
from PIL import Image
from skimage import data

from gan_models.images.video import open_video

RNG = np.random.default_rng(0)


def address(content, kind):
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def png(picture):
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG")
    return stream.getvalue()


def picture(height=40, width=48):
    return address(png(RNG.integers(0, 256, (height, width, 3), np.uint8)), "image/png")


def archive():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for number in range(12):
            file.writestr(f"{number}.png", png(RNG.integers(0, 256, (16, 16, 3), np.uint8)))
    return address(stream.getvalue(), "application/zip")


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "a.mp4"
    with open_video(path, fps=5, task="test") as video:
        for _ in range(2):
            video.write(RNG.integers(0, 256, (32, 32, 3), np.uint8))
    return address(path.read_bytes(), "video/mp4")


@pytest.fixture(scope="module")
def tools(app):
    """Return the tools by name."""

    async def listed(session):
        return {tool.name: tool for tool in (await session.list_tools()).tools}

    return in_session(app, listed)


def in_session(app, work):
    async def run():
        async with (
            streamablehttp_client(f"{app.url.rstrip('/')}/gradio_api/mcp/", timeout=300) as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            return await work(session)

    return asyncio.run(run())


def call(app, name, arguments):
    """Call a tool and return its answer, an error or not."""

    async def ask(session):
        return await session.call_tool(name, arguments)

    return in_session(app, ask)


def nodes(schema):
    yield schema
    for value in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from nodes(value)


def test_every_schema_is_one_and_refers_to_nothing_outside(tools):
    assert len(tools) > 50
    for name, tool in tools.items():
        jsonschema.Draft202012Validator.check_schema(tool.inputSchema)
        assert not any(isinstance(node, dict) and "$ref" in node for node in nodes(tool.inputSchema)), name
        for parameter, schema in tool.inputSchema["properties"].items():
            assert schema.get("type") not in ({}, None) or "anyOf" in schema, (name, parameter)
        assert tool.description


def test_numbers_are_numbers_and_objects_hold_numbers(tools):
    def parameter(tool, name):
        return tools[tool].inputSchema["properties"][name]

    assert parameter("upscale", "factor")["enum"] == [2, 4]
    assert parameter("upscale", "factor")["type"] == "integer"
    for tool, name in (
        ("deblur", "reduction"),
        ("train_toy", "ahead"),
        ("train_gan", "side"),
        ("measure_sets", "side"),
    ):
        assert parameter(tool, name)["type"] == "integer", (tool, name)
    for tool, name in (("edit_face", "edits"), ("control_face", "controls")):
        assert parameter(tool, name)["type"] == "object"
        assert parameter(tool, name)["additionalProperties"] == {"type": "number"}
    for tool in ("dehaze_pictures", "deblur_pictures", "fast_stylize_pictures", "translate_pictures", "measure_sets"):
        (files,) = [one for one in ("images",) if one in tools[tool].inputSchema["properties"]]
        assert parameter(tool, files)["items"]["type"] == "string"


def arguments(film):
    """Return arguments of every tool that make it do little."""
    image, masked = picture(), address(png(np.pad(np.full((10, 10), 255, np.uint8), 20)), "image/png")
    square = picture(50, 50)
    face = address(png(data.astronaut()[:300, 80:380]), "image/png")
    hole = np.zeros((300, 300), np.uint8)
    hole[100:140, 100:190] = 255
    mended = {"image": face, "mask": address(png(hole), "image/png"), "steps": 2}
    restoring = ("dehaze", "deblur", "upscale", "fast_stylize", "translate")
    return {
        "list_models": {"task": "dehazing"},
        "generate_faces": {"seed": "1", "count": 1},
        "mix_styles": {},
        "interpolate_faces": {"frames": 1},
        "edit_face": {"seed": "1", "edits": {"age": 1}, "hold": ["gender"]},
        "combine_faces": {"plus": "1", "minus": "2", "also": "3"},
        "control_face": {"seed": "1", "controls": {"age": 60}},
        "control_sheet": {"seeds": "1", "columns": 2},
        "align_face": {"image": face},
        "invert_face": {"image": face, "steps": 2},
        "colorize_face": {"image": face, "steps": 2},
        "inpaint_face": mended,
        "measure_face": {"image": face, "steps": 2},
        "singan_train": {"image": picture(11, 11), "iterations": 3},
        "singan_sample": {"count": 1},
        "singan_harmonize": {"composite": square, "mask": masked},
        "singan_edit": {"edited": square, "mask": masked},
        "singan_paint": {"painting": square},
        "singan_animate": {"frames": 2},
        "singan_upscale": {"image": picture(11, 11), "factor": 1.5, "iterations": 3},
        **{name: {"image": image} for name in restoring},
        **{f"{name}_pictures": {"images": [image, square]} for name in restoring},
        **{f"{name}_film": {"film": film} for name in restoring},
        "stylize": {"content": image, "style": square, "steps": 2, "side": 64},
        "train_gan": {"steps": 5, "side": 16, "batch_size": 4},
        "train_toy": {"steps": 10},
        "two_lines": {"theta": 0.5},
        "generate_pictures": {"seed": "1", "count": 1},
        "interpolate_pictures": {"seeds": "1, 2", "frames": 2},
        "combine_pictures": {"seeds": "1", "minus": "2", "plus": "3"},
        "reconstruct_picture": {"image": image},
        "measure": {"image": image, "reference": image},
        "measure_sets": {"images": [archive()], "references": [archive()], "side": 32},
        "sifid": {"image": image, "reference": square},
    }


NEEDS_MORE = {  # tools that take what another one gives, or a session, which a tool has none of
    *("singan_load", "load_generator", "opinion_start", "opinion_rate", "opinion_prefer", "opinion_table")
}


def test_every_tool_answers_what_its_schema_allows(app, tools, film):
    wanted = arguments(film)
    assert {name.removeprefix("GAN_Atelier_") for name in tools} - NEEDS_MORE == set(wanted)

    async def ask(session):
        answers = {}
        for name, values in wanted.items():
            jsonschema.validate(values, tools[name].inputSchema)
            answers[name] = await session.call_tool(name, values)
        return answers

    answers = in_session(app, ask)
    wrong = {name: answer.content[0].text[:200] for name, answer in answers.items() if answer.isError}
    assert wrong == {}
    assert all(answer.content for answer in answers.values())


def test_what_is_wrong_is_one_sentence(app):
    answer = call(app, "edit_face", {"edits": {"age": 9}})
    assert answer.isError
    assert "strength of age must be from -5 to 5" in answer.content[0].text
    assert "Traceback" not in answer.content[0].text


def test_a_seed_may_be_a_number(app):
    assert not call(app, "edit_face", {"seed": 1}).isError
