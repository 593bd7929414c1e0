# SPDX-License-Identifier: Apache-2.0
"""A double of liv_model.cuda.Cuda: a GPU made of NumPy arrays that is strict where a real one is silent.

What is queued happens only when somebody waits for it, in order; memory that was freed, pageable memory in a copy,
an allocation during a capture, a thread that has not chosen its GPU: each is an error. It counts what is made and
what is still alive.
"""

import itertools
import threading
from collections import Counter

import numpy as np

from liv_model.cuda import Device
from liv_model.errors import BackendError, DeviceMemoryError


class FakeCuda:
    def __init__(self, memory_bytes=1 << 26, capability=(8, 9)):
        self.device = Device(0, "Fake GPU", capability, memory_bytes, 1, False)
        self.made = Counter()
        self.failure = None  # a message: the GPU fails at the next wait, and at everything after it
        self._failed = False
        self._memory, self._pinned, self._streams, self._events, self._graphs = {}, {}, {}, {}, {}
        self._capture, self._timed = None, set()
        self._addresses = itertools.count(1 << 40, 1 << 32)
        self._handles = itertools.count(1)
        self._threads = threading.local()

    @property
    def alive(self):
        """Everything that was not released."""
        kinds = {
            "memory": self._memory,
            "pinned": self._pinned,
            "streams": self._streams,
            "events": self._events,
            "graphs": self._graphs,
        }
        return {kind: len(things) for kind, things in kinds.items() if things}

    def use(self):
        self._threads.chosen = True

    def free_bytes(self):
        return self.device.memory_bytes - sum(len(block) for block in self._memory.values())

    def allocate(self, size, what):
        self._begin("allocate")
        assert self._capture is None, "an allocation breaks a capture"
        if size > self.free_bytes():
            raise DeviceMemoryError.of(what, needed=size, free=self.free_bytes())
        address = next(self._addresses)
        self._memory[address] = np.full(size, 0xAB, np.uint8)
        return address

    def free(self, address):
        del self._memory[address]

    def block(self, address, size):
        """What a kernel sees there."""
        assert size <= len(self._memory[address]), "out of bounds"
        return self._memory[address][:size]

    def allocate_pinned(self, shape, dtype, what):
        self._begin("allocate_pinned")
        array = np.zeros(shape, dtype)
        self._pinned[array.ctypes.data] = array
        return array

    def free_pinned(self, array):
        self._pinned.pop(array.ctypes.data)[...] = 0

    def create_stream(self):
        self._begin("create_stream")
        return self._new(self._streams, [])

    def destroy_stream(self, stream):
        del self._streams[stream]

    def create_event(self, *, timing=False):
        self._begin("create_event")
        event = self._new(self._events, None)
        self._timed |= {event} if timing else set()
        return event

    def destroy_event(self, event):
        del self._events[event]

    def record(self, event, stream):
        self._begin("record")
        self._events[event] = stream
        self._streams[stream].append(event)

    def wait(self, event):
        self._begin("wait")
        assert self._capture is None, "waiting breaks a capture"
        if self.failure:
            self._failed = True
            self._begin("fail")
        queue = self._streams[self._events[event]]
        while queue:
            work = queue.pop(0)
            if work == event:
                return
            if callable(work):
                work()

    def elapsed_ms(self, begin, end):
        assert {begin, end} <= self._timed, "an event without timing"
        return 1.0

    def copy_to_device(self, address, array, stream):
        assert self._is_pinned(array), "a copy from pageable memory"
        self.enqueue(stream, lambda: self._store(address, array))

    def copy_to_host(self, array, address, stream):
        assert self._is_pinned(array), "a copy to pageable memory"
        self.enqueue(stream, lambda: self._load(array, address))

    def enqueue(self, stream, work):
        """Queue a callable, or write it down while a capture is on."""
        self._begin("enqueue")
        (self._streams[stream] if self._capture is None else self._capture).append(work)

    @property
    def is_capturing(self):
        return self._capture is not None

    def begin_capture(self, stream):
        self._begin("begin_capture")
        assert not self._streams[stream], "work before the capture is still under way"
        self._capture = []

    def end_capture(self, stream):
        self._begin("end_capture")
        works, self._capture = self._capture, None
        return self._new(self._graphs, works)

    def launch(self, graph, stream):
        self._begin("launch")
        self._streams[stream].extend(self._graphs[graph])

    def destroy_graph(self, graph):
        del self._graphs[graph]

    def _begin(self, name):
        assert getattr(self._threads, "chosen", False), f"{name}: this thread has not chosen its GPU"
        if self._failed:
            raise BackendError("GPU", expected="success", got=self.failure)
        self.made[name] += 1

    def _new(self, things, thing):
        handle = next(self._handles)
        things[handle] = thing
        return handle

    def _is_pinned(self, array):
        address = array.ctypes.data
        return any(begin <= address < begin + block.nbytes for begin, block in self._pinned.items())

    def _store(self, address, array):
        self.block(address, array.nbytes)[:] = array.reshape(-1).view(np.uint8)

    def _load(self, array, address):
        array.reshape(-1).view(np.uint8)[:] = self.block(address, array.nbytes)
