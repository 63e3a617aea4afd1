"""A stand-in for pycuda.driver: device memory is host memory at made-up addresses, and every rule is enforced."""

import threading
import types

import numpy as np


class Error(RuntimeError):
    pass


class Device:
    """Everything of one made-up GPU. limit: bytes it has. calls: names, in order."""

    def __init__(self, limit=1 << 30):
        self.memory, self.limit, self.next, self.calls = {}, limit, 0x7F0000000000, []
        self.stacks, self.retained, self.streams, self.fail = threading.local(), 0, 0, set()

    @property
    def stack(self):
        if not hasattr(self.stacks, "of"):
            self.stacks.of = []
        return self.stacks.of

    def knows(self, stream):
        return stream == 0x5EED

    def called(self, name, *, current=True):
        self.calls.append(name)
        if current and not self.stack:
            raise Error(f"{name}: no context is current in this thread")
        if name in self.fail:
            raise Error(f"{name}: failed on purpose")

    def view(self, address, nbytes):
        for start, block in self.memory.items():
            if start <= address and address + nbytes <= start + len(block):
                return block[address - start : address - start + nbytes]
        raise Error(f"{nbytes} bytes at {address:#x} are not on the device")

    def allocate(self, nbytes):
        if nbytes < 1 or nbytes + sum(map(len, self.memory.values())) > self.limit:
            raise Error("cuMemAlloc failed: out of memory")
        address, self.next = self.next, self.next + (nbytes + 511) // 256 * 256
        self.memory[address] = np.zeros(nbytes, np.uint8)
        return address


class OnDevice:
    """An array as cupy or torch would hand it over."""

    def __init__(self, device, values, *, offset=0, stream=None, strides=None):
        values = np.ascontiguousarray(values)
        address = device.allocate(values.nbytes + offset) + offset
        device.view(address, values.nbytes)[:] = values.reshape(-1).view(np.uint8)
        self.__cuda_array_interface__ = {
            "shape": values.shape, "typestr": values.dtype.str, "data": (address, False), "version": 3,
            "stream": stream, "strides": strides,
        }  # fmt: skip


def driver(device):
    """The module `pycuda.driver` over a made-up device. Source of names: pycuda 2026.1, src/wrapper."""
    module = types.ModuleType("pycuda.driver")
    module.Error = Error

    class Context:
        def push(self):
            device.called("push", current=False)
            device.stack.append(self)

        @staticmethod
        def pop():
            device.called("pop")
            device.stack.pop()

        @staticmethod
        def synchronize():
            device.called("Context.synchronize")

        def detach(self):
            device.called("detach", current=False)
            device.retained -= 1

    class Gpu:
        def __init__(self, index):
            device.called("Device", current=False)

        def retain_primary_context(self):
            device.retained += 1
            return Context()

    class Stream:
        def __init__(self):
            device.called("Stream")
            device.streams += 1
            self.handle = 0x5EED

        def __del__(self):
            device.streams -= 1

        def synchronize(self):
            device.called("Stream.synchronize")

    class Allocation:
        def __init__(self, nbytes):
            device.called("mem_alloc")
            self.address = device.allocate(nbytes)

        def __int__(self):
            return self.address

        def free(self):
            device.called("free")
            del device.memory[self.address]

    def upload(address, array, stream):
        device.called("memcpy_htod_async")
        device.view(address, array.nbytes)[:] = array.reshape(-1).view(np.uint8)

    def download(array, address, stream):
        device.called("memcpy_dtoh_async")
        array.reshape(-1).view(np.uint8)[:] = device.view(address, array.nbytes)

    def copy(target, source, nbytes, stream):
        device.called("memcpy_dtod_async")
        device.view(target, nbytes)[:] = device.view(source, nbytes)

    def pagelocked_empty(nbytes, dtype):
        device.called("pagelocked_empty")
        return np.empty(nbytes, dtype)

    module.init = lambda: device.called("init", current=False)
    module.Device, module.Context, module.Stream, module.mem_alloc = Gpu, Context, Stream, Allocation
    module.memcpy_htod_async, module.memcpy_dtoh_async, module.memcpy_dtod_async = upload, download, copy
    module.pagelocked_empty = pagelocked_empty
    return module
