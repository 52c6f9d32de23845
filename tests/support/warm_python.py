"""A Python that has imported what training imports, and forks for every program: the same isolation in less time.

`warm_python(folder)` starts it, and gives a program to be called in the place of `python`, with `-m MODULE ...` or a
file and its arguments.
"""

from __future__ import annotations

import array
import importlib
import json
import os
import runpy
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

IMPORTED = ("torch._dynamo", "scipy.stats", "ivid.training.loop", "ivid.training.packaging", "ivid.cli.train")
CLIENT = """#!{python} -IS
import array, json, os, socket, sys
here = socket.socket(socket.AF_UNIX)
here.connect({address!r})
request = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
here.sendmsg([len(request).to_bytes(4, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))])
here.sendall(request)
sys.exit(int(here.recv(16) or 70))
"""


@contextmanager
def warm_python(folder: Path) -> Iterator[Path]:
    """The program; `folder` gets it and its socket."""
    address, client = folder / "socket", folder / "python"
    client.write_text(CLIENT.format(python=sys.executable, address=str(address)))
    client.chmod(0o755)
    root = Path(__file__).resolve().parent.parent.parent
    command = [sys.executable, "-m", "tests.support.warm_python", str(address)]
    server = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout
        assert server.stdout.readline() == "ready\n"
        yield client
    finally:
        server.kill()
        server.wait()


def serve(address: str) -> None:
    """Fork for every program that is asked for, one after the other, and answer with what it exits with."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    for name in IMPORTED:
        importlib.import_module(name)
    print("ready", flush=True)
    while True:
        connection, _ = listener.accept()
        with connection:
            files = array.array("i")
            head, ancillary, _, _ = connection.recvmsg(4, socket.CMSG_SPACE(3 * files.itemsize))
            files.frombytes(ancillary[0][2])
            with connection.makefile("rb") as stream:
                arguments, folder, environment = json.loads(stream.read(int.from_bytes(head, "big")))
            child = os.fork()
            if not child:
                listener.close()
                _become(arguments, folder, environment, list(files))
            for file in files:
                os.close(file)
            with suppress(BrokenPipeError):  # who asked has gone
                connection.sendall(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())


def _become(arguments: list[str], folder: str, environment: dict[str, str], files: list[int]) -> None:
    status = 70
    try:
        for number, file in enumerate(files):
            os.dup2(file, number)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        if arguments[0] == "-m":
            sys.argv = arguments[1:]
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = arguments
            runpy.run_path(arguments[0], run_name="__main__")
        status = 0
    except SystemExit as exit:
        status = exit.code if isinstance(exit.code, int) else int(exit.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    serve(sys.argv[1])
