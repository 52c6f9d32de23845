"""Where networks run: in a process of their own, so that the one that serves pages has time to answer.

Both classes do the tasks of `ivid.page.inference`, one at a time, and remember which model is loaded there.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

from ivid.page import inference
from ivid.pipeline.description import ModelDescription

WAIT_FOR_END_S = 5.0  # of a process whose connection has ended

Listen = Callable[[Any], object]


class Stopped(Exception):
    """Raised by who listens to a task: it ends at once, which for sampling is between two network evaluations."""


class NetworksEnded(RuntimeError):
    """The process of the networks has ended during a task; the message says so in one sentence."""


class Networks(Protocol):
    """Where tasks are done."""

    @property
    def loaded(self) -> dict[str, ModelDescription]:
        """The model that is loaded, by source; who loads one notes it here."""
        ...

    def run(self, task: str, listen: Listen, *arguments: Any) -> Any:
        """Do one of the tasks.

        Args:
            task: its name in `ivid.page.inference.TASKS`.
            listen: called with what the task tells on the way; `Stopped`, or whatever else it raises, ends the task
                and is raised by this call.
            arguments: of the task.

        Raises:
            ValueError: the task refused its arguments; the message says why.
            RuntimeError: it failed.
        """
        ...


class InThisProcess:
    """Tasks are done on the thread that asks for them. A GPU that is lent by the call is lent to this process."""

    def __init__(self) -> None:
        self.loaded: dict[str, ModelDescription] = {}

    def run(self, task: str, listen: Listen, *arguments: Any) -> Any:
        return inference.TASKS[task](listen, *arguments)


class InOwnProcess:
    """Tasks are done in another process, which starts when it is first needed, and again after it has ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None
        self._loaded: dict[str, ModelDescription] = {}

    @property
    def loaded(self) -> dict[str, ModelDescription]:
        if self._process is None or not self._process.is_alive():
            self._loaded.clear()
        return self._loaded

    @property
    def pid(self) -> int | None:
        """Number of the process, while there is one."""
        return self._process.pid if self._process is not None else None

    def run(self, task: str, listen: Listen, *arguments: Any) -> Any:
        with self._lock:
            if self._process is None or not self._process.is_alive():
                self._start()
            try:
                return self._result(task, listen, arguments)
            except _Lost as lost:
                raise NetworksEnded(self._last_words()) from lost

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would share the server's threads and sockets
        self._connection, others = context.Pipe()
        process = context.Process(target=work, args=(others,), name="networks", daemon=True)
        process.start()
        self._process = process
        others.close()  # so that the end of the process is the end of the connection

    def _result(self, task: str, listen: Listen, arguments: tuple) -> Any:
        failure: BaseException | None = None
        self._send((task, arguments))
        while True:
            kind, value = self._receive()
            if kind == "told":
                if failure is None:
                    try:
                        listen(value)
                    except BaseException as error:  # is raised when the task has ended
                        failure = error
                        self._send("stop")
                continue
            if failure is not None:
                raise failure
            if kind == "refused":
                raise ValueError(value)
            if kind == "failed":
                raise RuntimeError(value)
            return value

    def _send(self, message: Any) -> None:
        assert self._connection
        try:
            self._connection.send(message)
        except OSError as error:
            raise _Lost from error

    def _receive(self) -> Any:
        assert self._connection
        try:
            return self._connection.recv()
        except (EOFError, OSError) as error:
            raise _Lost from error

    def _last_words(self) -> str:
        assert self._process
        assert self._connection
        self._connection.close()
        self._process.join(WAIT_FOR_END_S)
        code, self._process = self._process.exitcode, None
        self._loaded.clear()
        how = f"was killed by {signal.Signals(-code).name}" if code and code < 0 else f"ended with status {code}"
        return f"the process that makes scenes {how}; please try again"


class _Lost(Exception):
    """The other process does not answer any more."""


def work(connection: Connection) -> None:
    """The other process: does tasks until the connection ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both; the server ends this one

    def tell(what: Any) -> None:
        if connection.poll():
            connection.recv()
            raise Stopped
        connection.send(("told", what))

    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the server is gone
        while True:
            message = connection.recv()
            if message == "stop":  # came when the task had just ended
                continue
            task, arguments = message
            try:
                answer = ("done", inference.TASKS[task](tell, *arguments))
            except Stopped:
                answer = ("done", None)
            except (EOFError, BrokenPipeError, ConnectionResetError):
                raise
            except ValueError as error:
                answer = ("refused", str(error))
            except Exception as error:  # whatever it is, the person waiting must hear of it
                traceback.print_exc(file=sys.stderr)
                answer = ("failed", str(error) or type(error).__name__)
            connection.send(answer)
