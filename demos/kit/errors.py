"""What goes wrong, in one sentence for the visitor."""

import functools
import html
import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr

log = logging.getLogger(__name__)


@contextmanager
def _in_one_sentence(name: str) -> Iterator[None]:
    """Turn what goes wrong inside into one sentence for the visitor; only surprises reach the log."""
    try:
        yield
    except ValueError as problem:
        raise gr.Error(html.escape(str(problem), quote=False), print_exception=False) from None
    except gr.Error:
        raise
    except Exception:
        log.exception("%s failed", name)
        raise gr.Error("Something went wrong here; please try again.", print_exception=False) from None


def plain_errors(function: Callable) -> Callable:
    """Make `function`, a generator or not, answer with one sentence when something goes wrong."""
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def streamed(*args: Any, **kwargs: Any) -> Iterator[Any]:
            with _in_one_sentence(function.__name__):
                yield from function(*args, **kwargs)

        return streamed

    @functools.wraps(function)
    def answered(*args: Any, **kwargs: Any) -> Any:
        with _in_one_sentence(function.__name__):
            return function(*args, **kwargs)

    return answered
