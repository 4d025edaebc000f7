import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from gan_models import runtime
from gan_models.runtime import Cancelled, ModelCache, Step, check_wanted, finish, pick_device, responsive

MEGABYTE = 1 << 20


def wait_until(condition, seconds=5):
    """Say whether `condition` came true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.005)
    return condition()


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
    assert runtime.device_lock(cpu) is runtime.device_lock(torch.device("cpu"))
    assert runtime.device_lock(cuda) is runtime.device_lock(torch.device("cuda:0"))
    assert runtime.device_lock(cuda) is not runtime.device_lock(torch.device("cuda:1"))
    assert runtime.device_lock(cuda) is not runtime.device_lock(cpu)


def test_threads_that_meet_for_the_first_time_share_the_lock():
    start = threading.Barrier(8)

    def ask(index):
        start.wait()
        return runtime.device_lock(torch.device("cuda", 7))

    with ThreadPoolExecutor(8) as pool:
        assert len(set(map(id, pool.map(ask, range(8))))) == 1


def test_only_cuda_computes_in_half_precision():
    with runtime.mixed_precision(torch.device("cpu")):
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
    with pytest.raises(TooLarge), runtime.out_of_memory_as(TooLarge):
        allocate()


@pytest.mark.parametrize(
    "problem", [RuntimeError("shapes cannot be multiplied"), ValueError("out of memory"), Cancelled()]
)
def test_other_errors_are_left_alone(problem):
    with pytest.raises(type(problem)) as found, runtime.out_of_memory_as(TooLarge):
        raise problem
    assert found.value is problem


def test_work_without_errors_is_left_alone_too():
    with runtime.out_of_memory_as(TooLarge):
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


def test_a_backend_is_shared_by_all_who_ask_for_the_same_weights(monkeypatch):
    monkeypatch.setattr(runtime, "models", cache_of(10))

    class Painter(runtime.Backend):
        DEFAULT = "plain"

        def __init__(self, weights=None, device=None):
            self.weights, self.device = weights, device

        def steps(self, image, **options):
            yield Step(1, 2)
            yield Step(2, 2, result=image + options["shade"])

    assert Painter.cached() is Painter.cached("plain")
    assert Painter.cached().weights == "plain"
    assert Painter.cached("fancy") is not Painter.cached()
    assert Painter.cached("fancy", "cpu") is not Painter.cached("fancy")
    assert Painter.cached()(2, shade=3) == 5


# --- Steps


def test_finish_returns_the_last_result():
    assert finish(iter([Step(1, 3), Step(2, 3), Step(3, 3, result="done")])) == "done"
    assert finish(iter([])) is None


def test_finish_lets_errors_through():
    def steps():
        yield Step(1, 2, result="half")
        raise KeyError("lost")

    with pytest.raises(KeyError, match="lost"):
        finish(steps())


# --- Responsive steps


class Work:
    """Steps that record how they end."""

    def __init__(self, total=3, seconds=0.0, problem=None):
        self.total, self.seconds, self.problem = total, seconds, problem
        self.done, self.ended = 0, threading.Event()

    def steps(self):
        try:
            for index in range(1, self.total + 1):
                time.sleep(self.seconds)
                self.done = index
                yield Step(index, self.total, result="result" if index == self.total else None)
            if self.problem:
                raise self.problem
        finally:
            self.ended.set()


class Layer(nn.Module):
    """Adds one and takes its time."""

    def __init__(self, seconds):
        super().__init__()
        self.seconds, self.calls = seconds, 0

    def forward(self, x):
        self.calls += 1
        time.sleep(self.seconds)
        return x + 1


def test_quick_work_gives_the_same_steps():
    work = Work()
    assert list(responsive(work.steps(), every=5)) == list(Work().steps())
    assert work.ended.wait(5)


def test_slow_work_repeats_its_last_step_meanwhile():
    indices = [step.index for step in responsive(Work(total=2, seconds=0.4).steps(), every=0.05)]
    assert indices == sorted(indices)
    assert set(indices) == {0, 1, 2}
    assert indices.count(0) >= 3
    assert indices.count(1) >= 3
    assert finish(responsive(Work(total=2, seconds=0.1).steps(), every=0.01)) == "result"


@pytest.mark.parametrize("problem", [ValueError("too large"), runtime.OutOfMemory("too short"), Cancelled("enough")])
def test_errors_come_through_after_the_steps_before_them(problem):
    work = Work(total=2, problem=problem)
    steps = responsive(work.steps(), every=5)
    assert [next(steps).index, next(steps).index] == [1, 2]
    with pytest.raises(type(problem)) as found:
        next(steps)
    assert found.value is problem
    assert work.ended.wait(5)


def test_closing_stops_the_work_at_its_next_step():
    work = Work(total=1000, seconds=0.01)
    steps = responsive(work.steps(), every=5)
    assert next(steps).index == 1
    started = time.monotonic()
    steps.close()
    assert time.monotonic() - started < 0.2
    assert work.ended.wait(5)
    assert work.done < 100


def test_closing_does_not_wait_for_work_that_is_slow():
    work = Work(total=2, seconds=1.0)
    steps = responsive(work.steps(), every=0.02)
    next(steps)
    started = time.monotonic()
    steps.close()
    assert time.monotonic() - started < 0.4
    assert not work.ended.is_set()
    assert work.ended.wait(5)
    assert work.done == 1


def test_dropping_the_steps_cancels_too():
    work = Work(total=1000, seconds=0.01)
    next(responsive(work.steps(), every=5))
    assert work.ended.wait(5)
    assert work.done < 100


def test_steps_that_nobody_began_cost_nothing():
    work = Work()
    responsive(work.steps()).close()
    time.sleep(0.02)
    assert work.done == 0


def long_pass(network, ended):
    try:
        yield Step(0, 1)
        yield Step(1, 1, result=network(torch.zeros(1)).item())
    finally:
        ended.set()


def test_one_long_pass_through_a_network_is_cancelled_between_its_layers():
    runtime.watch_layers()
    layers, ended = [Layer(0.02) for _ in range(200)], threading.Event()
    steps = responsive(long_pass(nn.Sequential(*layers), ended), every=0.02)
    for _ in steps:
        if layers[2].calls:
            break
    started = time.monotonic()
    steps.close()
    assert time.monotonic() - started < 0.2
    assert ended.wait(2)
    assert time.monotonic() - started < 1.5
    assert sum(layer.calls for layer in layers) < 100


def test_a_cancelled_run_disturbs_no_other_thread():
    runtime.watch_layers()
    network = nn.Sequential(*[Layer(0.005) for _ in range(60)])
    ended, others = threading.Event(), []

    def run():
        return finish(responsive(long_pass(network, threading.Event()), every=0.01))

    with ThreadPoolExecutor(2) as pool:
        others = [pool.submit(run) for _ in range(2)]
        cancelled = responsive(long_pass(network, ended), every=0.02)
        next(cancelled)
        next(cancelled)
        cancelled.close()
        assert network(torch.zeros(1)).item() == 60
        assert [other.result() for other in others] == [60, 60]
    assert ended.wait(2)
    assert run() == 60


def test_a_cancelled_run_leaves_the_device_free():
    runtime.watch_layers()
    lock = runtime.device_lock(torch.device("cpu"))
    network, ended = nn.Sequential(*[Layer(0.02) for _ in range(200)]), threading.Event()

    def locked():
        with lock:
            yield from long_pass(network, ended)

    steps = responsive(locked(), every=0.02)
    next(steps)
    assert wait_until(lambda: network[1].calls > 0)
    assert lock.locked()
    steps.close()
    assert wait_until(lambda: not lock.locked(), 1.5)


def test_check_wanted_only_concerns_the_thread_of_a_closed_run():
    check_wanted()
    verdicts, asked, closed = [], threading.Event(), threading.Event()

    def steps():
        check_wanted()
        asked.set()
        yield Step(1, 2)
        closed.wait(5)
        try:
            check_wanted()
        except Cancelled as problem:
            verdicts.append(problem)
            raise

    run = responsive(steps(), every=0.02)
    next(run)
    assert asked.wait(5)
    run.close()
    closed.set()
    assert wait_until(lambda: verdicts)
    check_wanted()


def test_what_is_uninterrupted_is_not_cancelled():
    done = []

    def work():
        try:
            yield Step(0, 2)
            with runtime.uninterrupted():
                time.sleep(0.3)
                runtime.check_wanted()
                done.append("whole")
            runtime.check_wanted()
            done.append("too far")
            yield Step(1, 2)
        finally:
            done.append("ended")

    stream = runtime.responsive(work(), every=0.01)
    next(stream)
    time.sleep(0.1)
    stream.close()
    for _ in range(100):
        if "ended" in done:
            break
        time.sleep(0.05)
    assert done == ["whole", "ended"]


def test_computing_holds_the_lock_and_says_what_is_short():
    device = torch.device("cpu")
    with runtime.computing(device, "too short"):
        assert runtime.device_lock(device).locked()
    with pytest.raises(runtime.OutOfMemory, match="too short"), runtime.computing(device, "too short"):
        raise MemoryError
    assert not runtime.device_lock(device).locked()


def test_computing_with_few_threads_leaves_the_number_as_it_was():
    usual, device = torch.get_num_threads(), torch.device("cpu")
    with suppress(ZeroDivisionError), runtime.computing(device, "", threads=1):
        assert torch.get_num_threads() == 1
        1 / 0  # noqa: B018
    assert torch.get_num_threads() == usual
    with runtime.computing(device, ""):
        assert torch.get_num_threads() == usual


def test_others_leave_no_trace_in_a_stream_of_random_numbers():
    drawn = []
    for disturbed in (False, True):
        stream, parts = runtime.RandomStream(5), []
        for _ in range(3):
            with stream.drawn_from():
                parts.append(torch.rand(2))
            if disturbed:
                torch.rand(7)
        drawn.append(torch.cat(parts))
    assert torch.equal(*drawn)
    assert torch.equal(drawn[0], torch.rand(6, generator=torch.Generator().manual_seed(5)))
    torch.manual_seed(1)
    with runtime.RandomStream(2).drawn_from():
        torch.rand(3)
    assert torch.equal(torch.rand(2), torch.rand(2, generator=torch.Generator().manual_seed(1)))
