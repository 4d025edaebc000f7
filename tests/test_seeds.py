import pytest

from gan_models.seeds import parse_seeds


@pytest.mark.parametrize(
    ("text", "count", "expected"),
    [
        ("7", 3, [7, 8, 9]),
        (7, 1, [7]),
        ("4294967295", 2, [4294967295, 0]),
        (" 1, 5,9 ", 3, [1, 5, 9]),
        ("1 5;9", 1, [1, 5, 9]),
        ("3, 10-12", 1, [3, 10, 11, 12]),
    ],
)
def test_seeds(text, count, expected):
    assert parse_seeds(text, count) == expected


@pytest.mark.parametrize("text", ["", "random", " Random "])
def test_random_seeds_differ(text):
    seeds = parse_seeds(text, 8)
    assert len(set(seeds)) == 8
    assert seeds != parse_seeds(text, 8)


@pytest.mark.parametrize(
    ("text", "count", "sentence"),
    [
        ("seven", 1, "“seven” is no seed"),
        ("-3", 1, "is no seed"),
        ("1.5", 1, "is no seed"),
        ("4294967296", 1, "from 0 to 4294967295"),
        ("1-99999", 1, "At most 16"),
        ("9-3", 1, "from the smaller number"),
        (", ".join(map(str, range(17))), 1, "1 to 16 seeds, not more"),
        ("1", 0, "count must be from 1 to 16, not 0"),
        ("1", 17, "not 17"),
        ("1", 2.5, "whole number, not 2.5"),
        ("1", float("nan"), "whole number"),
        ("1", None, "whole number"),
    ],
)
def test_seeds_that_are_refused(text, count, sentence):
    with pytest.raises(ValueError, match=sentence):
        parse_seeds(text, count)
