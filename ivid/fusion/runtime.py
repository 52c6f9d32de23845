"""Starting Warp, choosing where kernels run, and splitting their launches over a few threads."""

from __future__ import annotations

import atexit
import ctypes
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import warp as wp

from ivid.fusion import (
    blend_kernels,
    consistency_kernels,
    fast_blend_kernels,
    mesh_kernels,
    quad_kernels,
    raster_kernels,
    shading_kernels,
)

DEFAULT_DEVICE = "cpu"
MAX_THREADS = 8  # splitting further gains little: the launches themselves hold the interpreter lock

_KERNELS = (
    mesh_kernels,
    raster_kernels,
    quad_kernels,
    shading_kernels,
    blend_kernels,
    fast_blend_kernels,
    consistency_kernels,
)

_start = threading.Lock()
_started = False
_loaded: set[str] = set()
_pools: dict[int, ThreadPoolExecutor] = {}


def start_warp() -> None:
    """Initialise Warp once, silently, with a kernel cache that can be written to."""
    global _started
    with _start:
        if _started:
            return
        wp.config.log_level = max(wp.config.log_level, wp.LOG_WARNING)
        with _native_stderr_silenced(unless=_cuda_driver_present()):
            _initialise_with_writable_cache()
        _started = True


def kernel_device(device: str | None) -> wp.Device:
    """The Warp device of a name such as "cpu" or "cuda:0", with the kernels compiled for it; None is the default.

    Raises:
        ValueError: there is no such device on this machine.
    """
    start_warp()
    try:
        found = wp.get_device(device or DEFAULT_DEVICE)
    except (ValueError, RuntimeError):
        known = ", ".join(other.alias for other in wp.get_devices())
        raise ValueError(f"there is no device {device!r} here; choose one of {known}") from None
    with _start:  # before any launch, because launches may come from several threads at once
        if found.alias not in _loaded:
            for module in _KERNELS:
                wp.load_module(module, device=found)
            _loaded.add(found.alias)
    return found


def thread_count(threads: int | None, device: wp.Device) -> int:
    """Over how many threads launches are split: 1 on a GPU, on the CPU what was asked for or a few.

    Raises:
        ValueError: fewer than one thread was asked for.
    """
    if threads is not None and threads < 1:
        raise ValueError(f"at least one thread is needed, got {threads}")
    if not device.is_cpu:
        return 1
    return threads or min(MAX_THREADS, os.cpu_count() or 1)


def empty(shape: tuple[int, ...], dtype: Any, device: wp.Device) -> wp.array:
    """A new array of undefined content."""
    return wp.empty(shape, dtype=dtype, device=device)


def launch(kernel: Any, dim: int | tuple[int, ...], inputs: list, device: wp.Device) -> None:
    """Launch a kernel; on the CPU it has run when this returns."""
    wp.launch(kernel, dim, inputs, device=device, record_tape=False)


def split(count: int, threads: int, work: Callable[[int, int], None]) -> None:
    """Call `work(first, count)` for consecutive parts of range(count), on `threads` threads at a time.

    Warp runs a CPU kernel on the thread that launches it, without the interpreter lock. Parts must not write to the
    same place. Each thread gets a few parts, because views differ in how much of them is seen.
    """
    if threads == 1 or count == 1:
        work(0, count)
        return
    parts = min(count, threads * 4)
    bounds = [count * part // parts for part in range(parts + 1)]
    tasks = [_pool(threads).submit(work, low, high - low) for low, high in pairwise(bounds)]
    for task in tasks:
        task.result()


def _pool(threads: int) -> ThreadPoolExecutor:
    with _start:
        if threads not in _pools:
            _pools[threads] = ThreadPoolExecutor(threads, thread_name_prefix="ivid-fusion")
        return _pools[threads]


def _forget_threads() -> None:
    """After a fork: the parent's threads do not exist in the child, and one of them may have held the lock."""
    global _start
    _start = threading.Lock()
    _pools.clear()


os.register_at_fork(after_in_child=_forget_threads)


def _initialise_with_writable_cache() -> None:
    """`wp.init()`, with compiled kernels in a temporary folder when the usual one cannot be made or written to."""
    try:
        wp.init()
        writable = os.access(str(wp.config.kernel_cache_dir), os.W_OK)
    except OSError:
        writable = False
    if not writable:
        folder, owner = tempfile.mkdtemp(prefix="ivid-kernels-"), os.getpid()
        atexit.register(lambda: os.getpid() == owner and shutil.rmtree(folder, ignore_errors=True))
        wp.config.kernel_cache_dir = folder
        wp.init()


def _cuda_driver_present() -> bool:
    try:
        ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return False
    return True


@contextmanager
def _native_stderr_silenced(unless: bool) -> Iterator[None]:
    """Send file descriptor 2 nowhere: Warp's native code announces a missing GPU there, whatever its log level."""
    if unless:
        yield
        return
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
