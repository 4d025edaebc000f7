import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from gan_models.device import OutOfMemory, device_lock
from gan_models.jobs import Cancelled, Step, check_wanted, finish, responsive, uninterrupted, watch_layers


def wait_until(condition, seconds=5):
    """Say whether `condition` came true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.005)
    return condition()


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


@pytest.mark.parametrize("problem", [ValueError("too large"), OutOfMemory("too short"), Cancelled("enough")])
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
    watch_layers()
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
    watch_layers()
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
    watch_layers()
    lock = device_lock(torch.device("cpu"))
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
            with uninterrupted():
                time.sleep(0.3)
                check_wanted()
                done.append("whole")
            check_wanted()
            done.append("too far")
            yield Step(1, 2)
        finally:
            done.append("ended")

    stream = responsive(work(), every=0.01)
    next(stream)
    time.sleep(0.1)
    stream.close()
    for _ in range(100):
        if "ended" in done:
            break
        time.sleep(0.05)
    assert done == ["whole", "ended"]
