"""An S3 server on loopback whose connections fail now and then, as a seed decides."""

import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import werkzeug.serving
from moto.server import DomainDispatcherApplication, create_backend_app

_BUSY = [("Content-Type", "application/xml")]


KINDS = ("unavailable", "failing", "cut", "short", "slow")


class Faults:
    """What the server does to requests, each with its probability.

    It answers 503 SlowDown (`unavailable`) or 500 (`failing`), cuts the connection before the answer (`cut`: the
    request may have been carried out), cuts the answer in its middle (`short`), or waits a third of a second (`slow`).
    """

    def __init__(self, seed: int = 0, unavailable: float = 0.0, cut: float = 0.0) -> None:
        self._rng, self._lock = random.Random(seed), threading.Lock()
        self.unavailable, self.cut = unavailable, cut
        self.failing = self.short = self.slow = 0.0
        self.injected = 0
        self.requests = 0

    def next(self) -> str:
        with self._lock:
            self.requests += 1
            draw = self._rng.random()
            for kind in KINDS:
                draw -= getattr(self, kind)
                if draw < 0:
                    self.injected += 1
                    return kind
            return ""

    def heal(self) -> None:
        """From now on all is well."""
        for kind in KINDS:
            setattr(self, kind, 0.0)


def _cut_short(body: bytes, connection: socket.socket) -> Iterator[bytes]:
    yield body[: len(body) // 2]
    connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def s3_server(faults: Faults) -> Iterator[str]:
    """The address of the server."""
    moto = DomainDispatcherApplication(create_backend_app)

    def application(environ, start_response):  # type: ignore[no-untyped-def]
        fault = faults.next()
        if fault == "unavailable":
            start_response("503 Service Unavailable", _BUSY)
            return [b"<Error><Code>SlowDown</Code><Message>again</Message></Error>"]
        if fault == "failing":
            start_response("500 Internal Server Error", _BUSY)
            return [b"<Error><Code>InternalError</Code><Message>again</Message></Error>"]
        if fault == "slow":
            time.sleep(0.3)
        if fault == "cut":
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        answer = moto(environ, start_response)
        if fault == "short":
            return _cut_short(b"".join(answer), environ["werkzeug.socket"])
        return answer

    class Quiet(werkzeug.serving.WSGIRequestHandler):
        protocol_version = "HTTP/1.1"  # connections are kept

        def log(self, *_: object) -> None:
            pass

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:  # the connection that was cut
                pass

    server = werkzeug.serving.make_server("127.0.0.1", 0, application, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        with closing(server.socket):
            thread.join()
