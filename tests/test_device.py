import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from gan_models.device import (
    ModelCache,
    OutOfMemory,
    RandomStream,
    computing,
    device_lock,
    mixed_precision,
    out_of_memory_as,
    pick_device,
)
from gan_models.jobs import Cancelled

MEGABYTE = 1 << 20


def one_sentence(text):
    return text.endswith(".") and "\n" not in text and ". " not in text


# --- Devices


@pytest.fixture
def accelerators(monkeypatch):
    """Return a function that says which accelerators there are."""
    monkeypatch.delenv("GAN_ATELIER_DEVICE", raising=False)

    def there(*names):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in names)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in names)

    there()
    return there


@pytest.mark.parametrize(
    ("there", "picked"), [((), "cpu"), (("mps",), "mps"), (("cuda",), "cuda"), (("cuda", "mps"), "cuda")]
)
def test_the_best_device_there_is_gets_picked(accelerators, there, picked):
    accelerators(*there)
    assert pick_device() == torch.device(picked)


def test_the_variable_names_the_device_and_the_argument_overrides_it(accelerators, monkeypatch):
    accelerators("cuda", "mps")
    monkeypatch.setenv("GAN_ATELIER_DEVICE", "cpu")
    assert pick_device() == torch.device("cpu")
    assert pick_device("mps") == torch.device("mps")
    assert pick_device("cuda:1") == torch.device("cuda", 1)
    monkeypatch.setenv("GAN_ATELIER_DEVICE", "")
    assert pick_device() == torch.device("cuda")


@pytest.mark.parametrize("asked", ["quantum", "cuda", "cuda:0", "mps", "", "cpu:first"])
def test_a_device_that_is_not_there_is_named_in_one_sentence(accelerators, monkeypatch, asked):
    monkeypatch.setenv("GAN_ATELIER_DEVICE", asked or "gpu")
    with pytest.raises(ValueError, match=f"“{asked or 'gpu'}”") as problem:
        pick_device()
    assert one_sentence(str(problem.value))


def test_a_device_has_one_lock():
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert device_lock(cpu) is device_lock(torch.device("cpu"))
    assert device_lock(cuda) is device_lock(torch.device("cuda:0"))
    assert device_lock(cuda) is not device_lock(torch.device("cuda:1"))
    assert device_lock(cuda) is not device_lock(cpu)


def test_threads_that_meet_for_the_first_time_share_the_lock():
    start = threading.Barrier(8)

    def ask(index):
        start.wait()
        return device_lock(torch.device("cuda", 7))

    with ThreadPoolExecutor(8) as pool:
        assert len(set(map(id, pool.map(ask, range(8))))) == 1


def test_only_cuda_computes_in_half_precision():
    with mixed_precision(torch.device("cpu")):
        assert nn.Linear(2, 2)(torch.ones(1, 2)).dtype == torch.float32


# --- Memory


class TooLarge(Exception):
    pass


def raise_(problem):
    raise problem


@pytest.mark.parametrize(
    "allocate",
    [
        lambda: raise_(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")),
        lambda: raise_(RuntimeError("MPS backend out of memory (MPS allocated: 8 GB)")),
        lambda: raise_(MemoryError()),
        lambda: torch.empty(1 << 58),
        lambda: np.empty(1 << 58, np.uint8),
    ],
    ids=["cuda", "mps", "python", "cpu", "numpy"],
)
def test_every_out_of_memory_error_is_turned_into_the_callers(allocate):
    with pytest.raises(TooLarge), out_of_memory_as(TooLarge):
        allocate()


@pytest.mark.parametrize(
    "problem", [RuntimeError("shapes cannot be multiplied"), ValueError("out of memory"), Cancelled()]
)
def test_other_errors_are_left_alone(problem):
    with pytest.raises(type(problem)) as found, out_of_memory_as(TooLarge):
        raise problem
    assert found.value is problem


def test_work_without_errors_is_left_alone_too():
    with out_of_memory_as(TooLarge):
        result = torch.ones(2).sum()
    assert result == 2


# --- The model cache


def backend(megabytes=1):
    """A backend of one network, whose weights take so many megabytes."""
    return SimpleNamespace(network=nn.Linear(MEGABYTE // 4, megabytes, bias=False), name="tiny")


def cache_of(megabytes):
    return ModelCache(lambda: megabytes * MEGABYTE)


def test_many_threads_share_one_load():
    cache, loads, start = cache_of(10), [], threading.Barrier(16)

    def load():
        loads.append(1)
        time.sleep(0.05)
        return backend()

    def ask(index):
        start.wait()
        return cache.get("a", load)

    with ThreadPoolExecutor(16) as pool:
        backends = list(pool.map(ask, range(16)))
    assert len(loads) == 1
    assert len(set(map(id, backends))) == 1


def test_a_slow_load_does_not_hold_up_other_keys():
    cache, other = cache_of(10), threading.Event()

    def slow():
        assert other.wait(5)
        return backend()

    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(cache.get, "slow", slow)
        cache.get("quick", backend)
        other.set()
        assert loading.result() is cache.get("slow", backend)


def test_the_longest_unused_leaves_when_the_budget_is_exceeded():
    cache = cache_of(2)
    a, b = cache.get("a", backend), cache.get("b", backend)
    assert cache.get("a", backend) is a
    cache.get("c", backend)
    assert len(cache) == 2
    assert cache.get("a", backend) is a
    assert cache.get("b", backend) is not b


def test_a_large_one_drives_out_as_many_as_it_takes():
    cache = cache_of(4)
    for key in "abc":
        cache.get(key, backend)
    cache.get("large", lambda: backend(3))
    assert len(cache) == 2
    cache.get("c", lambda: pytest.fail("the newest of the small ones had room"))


def test_the_newest_stays_whatever_its_size():
    cache = cache_of(0.5)
    for key in "ab":
        newest = cache.get(key, backend)
        assert len(cache) == 1
        assert cache.get(key, lambda: pytest.fail("it was here")) is newest


def test_a_failed_load_is_told_and_tried_again():
    cache = cache_of(1)
    with pytest.raises(ValueError, match="no such weights"):
        cache.get("a", lambda: raise_(ValueError("no such weights")))
    assert len(cache) == 0
    assert cache.get("a", backend).name == "tiny"


def test_a_cleared_cache_loads_again():
    cache = cache_of(4)
    first = cache.get("a", backend)
    cache.clear()
    assert len(cache) == 0
    assert cache.get("a", backend) is not first


def test_computing_holds_the_lock_and_says_what_is_short():
    device = torch.device("cpu")
    with computing(device, "too short"):
        assert device_lock(device).locked()
    with pytest.raises(OutOfMemory, match="too short"), computing(device, "too short"):
        raise MemoryError
    assert not device_lock(device).locked()


def test_computing_with_few_threads_leaves_the_number_as_it_was():
    usual, device = torch.get_num_threads(), torch.device("cpu")
    with suppress(ZeroDivisionError), computing(device, "", threads=1):
        assert torch.get_num_threads() == 1
        1 / 0  # noqa: B018
    assert torch.get_num_threads() == usual
    with computing(device, ""):
        assert torch.get_num_threads() == usual


def test_others_leave_no_trace_in_a_stream_of_random_numbers():
    drawn = []
    for disturbed in (False, True):
        stream, parts = RandomStream(5), []
        for _ in range(3):
            with stream.drawn_from():
                parts.append(torch.rand(2))
            if disturbed:
                torch.rand(7)
        drawn.append(torch.cat(parts))
    assert torch.equal(*drawn)
    assert torch.equal(drawn[0], torch.rand(6, generator=torch.Generator().manual_seed(5)))
    torch.manual_seed(1)
    with RandomStream(2).drawn_from():
        torch.rand(3)
    assert torch.equal(torch.rand(2), torch.rand(2, generator=torch.Generator().manual_seed(1)))
