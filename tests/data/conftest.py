import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gbss.data import Drawing, ObjectClass, Subset

KINDS = (
    ObjectClass("solid cross", 3, "cross", "solid"),
    ObjectClass("horizontal disc", 4, "disc", "horizontal"),
    ObjectClass("vertical triangle", 9, "triangle", "vertical"),
)


@pytest.fixture
def make_drawing() -> Callable[..., Drawing]:
    """A drawing of 64 x 64 scenes with three classes; keywords replace its parameters."""

    def make(train: int = 30, val: int = 7, **changes: object) -> Drawing:
        settings: dict[str, object] = {
            "classes": KINDS,
            "train": Subset(
                train, {"solid cross": 5, "horizontal disc": 1, "vertical triangle": 2}
            ),
            "val": Subset(val, {"solid cross": 1, "horizontal disc": 1, "vertical triangle": 1}),
            "seed": 11,
            "side": 64,
            "large": (31, 40),
            "empty_share": 0.2,
            "crowd_share": 0.3,
        }
        return Drawing(**(settings | changes))  # type: ignore[arg-type]

    return make


@dataclass
class Site:
    """What a local server has, how it answers, and what it was asked for.

    Attributes:
        files: Path → content.
        tag: ETag of everything; None: none is sent.
        ranges: Whether requests for a part of a file get it.
        lengths: Whether answers say how long they are.
        answers: Of the next requests: a status, a content instead of the file's, or after how many
            bytes to break off.
        asked: (path, Range) of the requests so far.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    tag: str | None = '"one"'
    ranges: bool = True
    lengths: bool = True
    answers: list[int | bytes | range] = field(default_factory=list)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        site: Site = self.server.site  # type: ignore[attr-defined]
        wanted = self.headers["Range"]
        site.asked.append((self.path, wanted))
        answer = site.answers.pop(0) if site.answers else range(0)
        if isinstance(answer, int) or self.path not in site.files:
            self.send_error(answer if isinstance(answer, int) else 404)
            return
        body = answer if isinstance(answer, bytes) else site.files[self.path]
        cut = len(answer) if isinstance(answer, range) and len(answer) else len(body)
        start = 0
        if wanted and site.ranges and self.headers["If-Range"] in (None, site.tag):
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(body):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        if site.lengths:
            self.send_header("Content-Length", str(len(body) - start))
        if site.tag:
            self.send_header("ETag", site.tag)
        self.end_headers()
        self.wfile.write(body[start:][:cut])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A local server."""
    monkeypatch.setenv("no_proxy", "*")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.site = Site(url=f"http://127.0.0.1:{server.server_port}")  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.site  # type: ignore[attr-defined]
    server.shutdown()
    thread.join()
    server.server_close()
