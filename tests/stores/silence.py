"""Something between a store and its server, such as a network, which can stop to pass anything on and close nothing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

PORT = 5432  # by which the socket of the server is named


def pass_all(message: bytes) -> bytes | None:
    """What is passed on of a first message; None answers it in the server's place."""
    return None


@dataclass
class Network:
    """What lies between: it passes on, unless it is `silent`."""

    address: Path
    """The socket of the server."""
    refusal: Callable[[bytes], bytes | None]
    """What a connection that begins like this is answered, in place of being passed on."""
    passing: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    def url(self, behind: str) -> str:
        """The way to a database of the server's that leads through here; what a connection begins with says all."""
        return f"postgresql://agentgraph@127.0.0.1:{self.port}/{urlsplit(behind).path[1:]}?sslmode=disable"

    def fall_silent(self) -> None:
        self.passing.clear()

    def go_on(self) -> None:
        self.passing.set()

    def relay(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server, suppress(OSError):
            server.connect(str(self.address))
            first = client.recv(65_536)
            refused = self.refusal(first)
            if refused is not None:
                client.sendall(refused)
                return
            self.passing.wait()
            server.sendall(first)
            back = threading.Thread(target=self._pump, args=(server, client), daemon=True)
            back.start()
            self._pump(client, server)
            back.join()

    def _pump(self, taken: socket.socket, given: socket.socket) -> None:
        with suppress(OSError):
            while piece := taken.recv(65_536):
                self.passing.wait()
                given.sendall(piece)
        for end in (taken, given):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextmanager
def network(folder: Path, refusal: Callable[[bytes], bytes | None] = pass_all) -> Iterator[Network]:
    """One in front of the server whose socket lies in `folder`."""
    between = Network(folder / f".s.PGSQL.{PORT}", refusal)
    between.go_on()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        between.port = listening.getsockname()[1]

        def accept() -> None:
            with suppress(OSError):  # by which it ends
                while True:
                    client, _ = listening.accept()
                    threading.Thread(target=between.relay, args=(client,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield between
        finally:
            between.go_on()
            with suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
