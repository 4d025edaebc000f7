import pytest
import torch

from gan_models.training.history import History


def numbered(*numbers):
    """Pictures that are told apart by their value."""
    return torch.tensor(numbers, dtype=torch.float32).view(-1, 1, 1, 1).expand(-1, 3, 2, 2)


def numbers(pictures):
    assert pictures.shape[1:] == (3, 2, 2)
    return pictures[:, 0, 0, 0].int().tolist()


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def test_pictures_come_back_until_the_history_is_full():
    history = History(4)
    assert numbers(history.exchange(numbered(1, 2, 3))) == [1, 2, 3]
    assert numbers(history.exchange(numbered(4))) == [4]
    assert numbers(torch.stack(history.kept)) == [1, 2, 3, 4]


def test_half_of_the_pictures_are_older_ones_then():
    history = History()
    history.exchange(numbered(*range(50)))
    new = [numbers(history.exchange(numbered(number)))[0] == number for number in range(50, 1050)]
    assert len(history.kept) == 50
    assert 0.45 < sum(new) / 1000 < 0.55


def test_what_is_given_out_makes_room_for_what_came():
    """Every picture is given back at once or kept, and an older one is given out only once."""
    history, given = History(5), []
    history.exchange(numbered(*range(5)))
    for number in range(5, 205):
        given += numbers(history.exchange(numbered(number)))
    held = numbers(torch.stack(history.kept))
    assert sorted(given + held) == list(range(205))


def test_every_place_is_exchanged():
    history = History(5)
    history.exchange(numbered(*range(5)))
    for number in range(5, 100):
        history.exchange(numbered(number))
    assert min(numbers(torch.stack(history.kept))) >= 5


def test_pictures_are_kept_without_their_graph_and_whatever_becomes_of_them():
    history = History(2)
    pictures = torch.ones(2, 3, 2, 2, requires_grad=True)
    given = history.exchange(pictures * 7)
    assert not given.requires_grad
    given[:] = 0
    assert not any(picture.requires_grad for picture in history.kept)
    assert numbers(torch.stack(history.kept)) == [7, 7]


def test_a_restored_history_goes_on_alike():
    one, other = History(3), History(3)
    one.exchange(numbered(1, 2, 3, 4))
    other.load_state_dict(one.state_dict())
    results = []
    for history in (one, other):
        torch.manual_seed(1)
        results.append([numbers(history.exchange(numbered(number))) for number in range(5, 25)])
    assert results[0] == results[1]
    assert max(map(max, results[0])) > min(map(min, results[0]))
