import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection

import pytest

from jobs.engine.isolation import Isolated, IsolationSettings, send_whole
from pipeline.image.codec import decode_image
from schemas.drops import Drop, StepError
from tests.jobs.steps import Located, misbehave, misbehave_at


@pytest.fixture(scope="module")
def step() -> Iterator[Isolated[str, object]]:
    with Isolated(misbehave, IsolationSettings(timeout_s=2, max_memory_bytes=2 << 30)) as isolated:
        yield isolated


def test_results_come_back_from_another_process_that_is_kept(step: Isolated[str, object]) -> None:
    first, second = step("pid"), step("pid")
    assert first == second != os.getpid()


def test_a_drop_comes_back_with_reason_and_detail(step: Isolated[str, object]) -> None:
    with pytest.raises(Drop) as caught:
        step("drop")
    assert (caught.value.reason, caught.value.detail) == ("too_small", "3x4")


@pytest.mark.parametrize(("how", "detail"), [("segfault", "SIGSEGV"), ("exit", "exit 3")])
def test_a_dead_process_costs_one_item(step: Isolated[str, object], how: str, detail: str) -> None:
    with pytest.raises(Drop) as caught:
        step(how)
    assert (caught.value.reason, caught.value.detail) == ("crashed", detail)
    assert step("fine") == "fine"


def test_a_hang_is_ended_and_costs_one_item(step: Isolated[str, object]) -> None:
    with pytest.raises(Drop) as caught:
        step("hang")
    assert caught.value.reason == "timeout"
    assert step("fine") == "fine"


def test_memory_is_bounded_and_the_process_goes_on(step: Isolated[str, object]) -> None:
    before = step("pid")
    with pytest.raises(Drop) as caught:
        step("bomb")
    assert caught.value.reason == "out_of_memory"
    assert step("pid") == before


def test_errors_keep_their_type_so_that_bugs_stop_the_run_and_odd_data_does_not(step: Isolated[str, object]) -> None:
    with pytest.raises(AttributeError, match="no such thing"):
        step("bug")
    with pytest.raises(ValueError, match="odd page"):
        step("value")


def test_an_error_that_cannot_travel_is_told_in_words(step: Isolated[str, object]) -> None:
    with pytest.raises(RuntimeError, match="Picky: some"):
        step("picky")


@pytest.mark.parametrize("most", [3, 1 << 16, 1 << 30])
def test_a_message_arrives_whole_however_much_of_it_is_taken_at_a_time(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def some(descriptor: int, parts: list[memoryview]) -> int:
        calls.append(os.write(descriptor, b"".join(parts)[:most]))
        return calls[-1]

    monkeypatch.setattr(os, "writev", some)
    ours, theirs = (Connection(end.detach()) for end in socket.socketpair())
    message = {"body": bytes(range(256)) * (4 if most == 3 else 1000)}
    with ours, theirs, ThreadPoolExecutor(1) as pool:
        heard = pool.submit(theirs.recv)
        send_whole(ours, message)
        assert heard.result(30) == message
    assert len(calls) == 1 or most < 1 << 30


def test_a_step_that_cannot_be_loaded_is_our_fault() -> None:
    with Isolated(misbehave, IsolationSettings()) as isolated:
        isolated._step = b"cnosuchmodule\nnothing\n."
        with pytest.raises(StepError, match="nosuchmodule"):
            isolated("fine")


def test_a_site_whose_items_hang_costs_a_few_of_them_and_not_the_time_of_all() -> None:
    with Isolated(misbehave_at, IsolationSettings(timeout_s=0.4, max_slow_per_site=2)) as isolated:
        reasons = []
        for number in range(6):
            with pytest.raises(Drop) as caught:
                isolated(Located(f"https://img{number}.slow.com/{number}.jpg", "hang"))
            reasons.append(caught.value.reason)
        assert reasons == ["timeout"] * 2 + ["site_budget"] * 4
        assert caught.value.detail == "2 of slow.com took over 0.2 s each"
        assert isolated(Located("https://other.example/1.jpg", "fine")) == "fine"
        assert isolated(Located("", "fine")) == "fine"


def test_a_drawing_that_takes_an_age_to_draw_costs_itself() -> None:
    noise = (
        b"<filter id='f'><feTurbulence numOctaves='1000000'/></filter><rect filter='url(#f)' width='900' height='900'/>"
    )
    hanging = b"<svg xmlns='http://www.w3.org/2000/svg' width='900' height='900'>" + noise + b"</svg>"
    with Isolated(decode_image, IsolationSettings(timeout_s=1)) as drawn:
        with pytest.raises(Drop) as drop:
            drawn(hanging)
        assert drop.value.reason == "timeout"
        plain = hanging.replace(b" filter='url(#f)'", b"").replace(
            b"width='900' height='900'/>", b"width='300' height='900'/>"
        )
        assert drawn(plain).original_format == "svg"
