"""Serve the example site on this machine while a command runs: `python examples/serve.py COMMAND ...`.

`ADDRESS` in the command is replaced by the server's address and port. The site answers as http://fieldnotes.example/
and http://img.fieldnotes.example/, whatever name it is asked under; links that say https are served as http.
"""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
import threading
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

from films import FILMS
from make_archive import DAMAGED, PAGES, PAGES_AFTER_DAMAGE, PAGES_DIR, Page, Reply, asset_reply, page_reply, text_reply
from photos import ASSETS

HOSTS = ("fieldnotes.example", "img.fieldnotes.example")
ROBOTS = f"""License: http://{HOSTS[0]}/rsl.xml

User-agent: *
Disallow: /drafts/
Content-Usage: / train-ai=y
Content-Usage: /drafts/ train-ai=n
Content-Signal: search=yes, ai-train=yes
Crawl-delay: 0.02
Sitemap: http://{HOSTS[0]}/sitemap.xml
"""
LICENCE = """<rsl xmlns="https://rslstandard.org/rsl">
 <content url="/">
  <license><permits type="usage">search ai-train</permits><payment type="attribution"/></license>
 </content>
</rsl>
"""


def routes() -> dict[str, Page | Reply]:
    """What lies where. Pages and images have different paths on both hosts, so the host need not be looked at."""
    pages = [*PAGES, DAMAGED, *PAGES_AFTER_DAMAGE]
    listed = "".join(f"<url><loc>http://{HOSTS[0]}{page.path.partition('?')[0]}</loc></url>\n" for page in pages)
    moved = (("Location", "/garden/ball-dahlia.html"),)
    found: dict[str, Page | Reply] = {page.path.partition("?")[0]: page for page in pages}
    found |= {unquote(urlsplit(asset.url).path): asset_reply(asset) for asset in (*ASSETS, *FILMS)}
    return found | {
        "/robots.txt": text_reply(ROBOTS, "text/plain"),
        "/rsl.xml": text_reply(LICENCE, "application/rsl+xml"),
        "/sitemap.xml": text_reply(f"<urlset>\n{listed}</urlset>\n", "application/xml"),
        "/assets/site.css": text_reply((PAGES_DIR / "site.css").read_text("utf-8"), "text/css"),
        "/garden/dahlias": text_reply("Moved\n", "text/plain", "301 Moved Permanently", moved),
    }


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    found = routes()
    missing = text_reply((PAGES_DIR / "not-found.html").read_text("utf-8"), "text/html", "404 Not Found")

    def do_GET(self) -> None:
        what = self.found.get(unquote(self.path.partition("?")[0]), self.missing)
        reply = page_reply(what) if isinstance(what, Page) else what
        payload = reply.payload
        if isinstance(what, Page):
            packed = what.transfer == "gzip"
            html = gzip.decompress(payload) if packed else payload
            html = re.sub(rb"https://((?:img\.)?fieldnotes\.)", rb"http://\1", html)
            payload = gzip.compress(html, mtime=0) if packed else html
        status, _, reason = reply.status.partition(" ")
        self.send_response_only(int(status), reason)
        for name, value in (("Date", formatdate(usegmt=True)), *reply.headers, ("Content-Length", str(len(payload)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *args: object) -> None:
        pass


def main() -> int:
    if len(sys.argv) < 2:
        raise SystemExit("usage: serve.py COMMAND ..., in which ADDRESS stands for the server's address and port")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    command = [word.replace("ADDRESS", f"127.0.0.1:{server.server_port}") for word in sys.argv[1:]]
    try:
        return subprocess.run(command).returncode
    finally:
        server.shutdown()


if __name__ == "__main__":
    sys.exit(main())
