"""What the page says: badges, progress, remarks."""

import html
import json
import time

from demos.kit import own_models
from gan_models.checkpoints import registry
from gan_models.jobs import Step


def weights_badge(name: str) -> str:
    """Return the HTML of a badge that names the weights in use, with their licence on hover."""
    if own_models.is_own(name):
        return badge("Your own model", "Trained for you, or brought by you; nobody else can use it.")
    model = registry.get(name)
    source = "from the Hub" if model.hub else model.source
    text = f"{html.escape(model.title)} · {source}"
    return badge(text, f"Weights {model.name}. Licence: {model.licence}.")


def badge(text: str, hint: str = "", state: str = "") -> str:
    """Return the HTML of a badge; `state` is "", "good" or "warn"."""
    return f'<span class="badge {state}" title="{html.escape(hint)}" tabindex="0">{text}</span>'


class Clock:
    """Tells from the steps so far how long the rest will take."""

    def __init__(self):
        self.first = self.latest = None  # (index, when it was reached)

    def left(self, step: Step) -> float | None:
        """Return the seconds until `step.total`, or None while nothing is known."""
        now = time.monotonic()
        if self.latest is None or step.index != self.latest[0]:
            self.latest = (step.index, now)
            self.first = self.first or self.latest
        done = self.latest[0] - self.first[0]
        if not done:
            return None
        each = (self.latest[1] - self.first[1]) / done
        return max(0.0, each * (step.total - step.index) - (now - self.latest[1]))


def progress_text(step: Step, left: float | None) -> str:
    """Return what goes on at `step`, and how many seconds are left, if that is known."""
    parts = [step.message or (f"Step {step.index} of {step.total}" if step.total else "Working")]
    parts += [f"{name} {value:.4g}" for name, value in step.losses.items()]
    if left is not None and left >= 1:
        parts.append(f"{left:.0f} s left" if left < 90 else f"{left / 60:.0f} min left")
    return " · ".join(parts)


def progress_bar(done: float, total: float, text: str) -> str:
    """Return the HTML of a bar that is as full as `done` of `total`, over `text`."""
    share = 100 * done / total if total else 0
    now = f'aria-valuenow="{share:.0f}" ' if total else ""
    return (
        f'<div class="progress" role="progressbar" aria-label="Progress" {now}aria-valuemin="0" '
        f'aria-valuemax="100"><div style="width:{share:.1f}%"></div></div><p>{html.escape(text)}</p>'
    )


def told(summary: str, record: dict) -> str:
    """Return the HTML that says what was made, with the record of how folded away."""
    shown = html.escape(json.dumps(record, indent=2, ensure_ascii=False))
    return f"{note(summary)}<details><summary>Settings of this result</summary><pre>{shown}</pre></details>"


def note(text: str) -> str:
    """Return the HTML of a remark."""
    return f'<p role="status">{html.escape(text)}</p>'
