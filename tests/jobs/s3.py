"""An S3 server on loopback whose connections fail now and then, as a seed decides."""

import random
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import werkzeug.serving
from moto.server import DomainDispatcherApplication, create_backend_app

_BUSY = [("Content-Type", "application/xml")]


class Faults:
    """What the server does to requests: answers 503 or 500, or cuts the connection, each with its probability."""

    def __init__(self, seed: int = 0, unavailable: float = 0.0, cut: float = 0.0) -> None:
        self._rng, self._lock = random.Random(seed), threading.Lock()
        self.unavailable, self.cut = unavailable, cut
        self.injected = 0
        self.requests = 0

    def next(self) -> str:
        with self._lock:
            self.requests += 1
            draw = self._rng.random()
            fault = "unavailable" if draw < self.unavailable else ""
            fault = "cut" if self.unavailable <= draw < self.unavailable + self.cut else fault
            self.injected += bool(fault)
            return fault


@contextmanager
def s3_server(faults: Faults) -> Iterator[str]:
    """The address of the server."""
    moto = DomainDispatcherApplication(create_backend_app)

    def application(environ, start_response):  # type: ignore[no-untyped-def]
        fault = faults.next()
        if fault == "unavailable":
            start_response("503 Service Unavailable", _BUSY)
            return [b"<Error><Code>SlowDown</Code><Message>again</Message></Error>"]
        if fault == "cut":
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        return moto(environ, start_response)

    class Quiet(werkzeug.serving.WSGIRequestHandler):
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
