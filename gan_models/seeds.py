"""Seeds as visitors write them."""

import re
import secrets

MAX_COUNT = 16  # seeds at a time
MAX_SEED = 2**32 - 1


def parse_seeds(text: str | int, count: int = 1) -> list[int]:
    """Return the seeds that a visitor asks for.

    Args:
        text: One number, of which `count` successive seeds are made; a list such as "1, 5, 20-23", which is taken as
            it is; or "random" or nothing, for `count` seeds that nobody chose.
        count: From 1 to 16.

    Raises:
        ValueError: The text is something else, a seed is above 4,294,967,295, or there are more than 16.
    """
    count = whole(count, "count")
    if not 1 <= count <= MAX_COUNT:
        raise ValueError(f"The count must be from 1 to {MAX_COUNT}, not {count}.")
    text = str(text).strip()
    if text.lower() in ("", "random"):
        return [secrets.randbelow(MAX_SEED + 1) for _ in range(count)]
    seeds: list[int] = []
    for part in re.split(r"\s*[,;\s]\s*", text):
        found = re.fullmatch(r"(\d{1,10})(?:-(\d{1,10}))?", part)
        if not found:
            raise ValueError(f"“{text[:40]}” is no seed; give a number, a list such as 1, 5, 20-23, or “random”.")
        first, last = int(found[1]), int(found[2] or found[1])
        if last - first >= MAX_COUNT:
            raise ValueError(f"At most {MAX_COUNT} are drawn at a time; {part} is more.")
        seeds += range(first, last + 1)
        if len(seeds) > MAX_COUNT:
            raise ValueError(f"Give 1 to {MAX_COUNT} seeds, not more.")
    if seeds and max(seeds) > MAX_SEED:
        raise ValueError(f"A seed is a number from 0 to {MAX_SEED}.")
    if len(seeds) == 1:
        seeds = [(seeds[0] + index) % (MAX_SEED + 1) for index in range(count)]
    if not seeds:
        raise ValueError(f"Give 1 to {MAX_COUNT} seeds; a range goes from the smaller number to the larger.")
    return seeds


def whole(value: float, name: str) -> int:
    """Return `value` as an int.

    Raises:
        ValueError: It is no whole number; the message calls it `name`.
    """
    if not isinstance(value, int | float) or not float(value).is_integer():
        raise ValueError(f"The {name} must be a whole number, not {value}.")
    return int(value)
