# SPDX-License-Identifier: Apache-2.0
import signal
import subprocess
import sys
import textwrap
import threading
from contextlib import closing

import pytest
from child_process import child

from liv_model.errors import MediaError
from liv_model.read_ahead import read_ahead

WITHIN_S = 20


class Source:
    """Numbers up to ``count``, got one by one; tells what was got, on which thread, and whether it was closed."""

    def __init__(self, count, error_at=None):
        self.got, self.threads, self.closed = [], set(), False
        self.moved = threading.Condition()
        self._count, self._error_at = count, error_at

    def items(self):
        try:
            for number in range(self._count):
                if number == self._error_at:
                    raise MediaError("frame 3")
                self.threads.add(threading.get_ident())
                with self.moved:
                    self.got.append(number)
                    self.moved.notify_all()
                yield number
        finally:
            self.closed = True

    def wait_for(self, count):
        with self.moved:
            assert self.moved.wait_for(lambda: len(self.got) >= count, WITHIN_S)


def our_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("liv_read_ahead")]


@pytest.mark.parametrize("count", [0, 1, 3, 50])
def test_all_items_in_their_order_on_one_other_thread(count):
    source = Source(count)
    assert list(read_ahead(source.items())) == list(range(count))
    assert threading.get_ident() not in source.threads and len(source.threads) <= 1
    assert source.closed and not our_threads()


def test_it_reads_while_the_reader_is_busy_and_no_further_than_asked():
    source = Source(50)
    with closing(read_ahead(source.items(), 3)) as items:
        assert next(items) == 0
        source.wait_for(4)  # the one in hand and three that wait; nobody asked for them
        assert next(items) == 1
        source.wait_for(5)
        assert len(source.got) == 5
    assert source.closed and not our_threads()
    assert len(source.got) == 5


def test_an_error_comes_in_its_place():
    source = Source(50, error_at=3)
    seen = []
    with pytest.raises(MediaError, match="frame 3"):
        for item in read_ahead(source.items()):
            seen.append(item)
    assert seen == [0, 1, 2]
    assert source.closed and not our_threads()


def test_a_list_is_read_too():
    assert list(read_ahead([3, 1, 2], 1)) == [3, 1, 2]


INTERRUPTED = """
    import sys, threading, time
    from contextlib import closing
    from liv_model.read_ahead import read_ahead

    never = threading.Event()
    end_s = time.monotonic() + 60

    def items():
        try:
            yield 0
            print("waiting", flush=True)
            never.wait(0.5)  # a slow file
            while time.monotonic() < end_s:
                yield 1
        finally:
            print("closed", flush=True)

    try:
        with closing(read_ahead(items())) as coming:
            for item in coming:
                pass
    except KeyboardInterrupt:
        print("interrupted", threading.active_count(), flush=True)
        sys.exit(3)
"""


def test_ctrl_c_ends_it():
    command = [sys.executable, "-c", textwrap.dedent(INTERRUPTED)]
    with child(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=WITHIN_S)
    assert output.splitlines() == ["closed", "interrupted 1"]
    assert process.returncode == 3
