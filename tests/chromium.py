"""Chromium, as tests drive it: where it lies, and how a picture looks in it."""

import base64
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)

_DRAW = """async ([kind, text]) => {
    const image = new Image();
    image.src = `data:image/${kind};base64,${text}`;
    try { await image.decode(); } catch { return null; }
    const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
    const context = canvas.getContext("2d", {colorSpace: "srgb"});
    context.fillStyle = "white";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(image, 0, 0);
    const drawn = context.getImageData(0, 0, canvas.width, canvas.height).data;
    let bytes = "";
    for (let at = 0; at < drawn.length; at += 8192) bytes += String.fromCharCode(...drawn.subarray(at, at + 8192));
    return [canvas.width, canvas.height, btoa(bytes)];
}"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser whose screen is sRGB."""
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--force-color-profile=srgb"]
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=options)


def drawn(page: Page, data: bytes, kind: str = "png") -> np.ndarray | None:
    """RGB of shape (height, width, 3) as the browser draws the image on white, signed; None where it shows none."""
    answer = page.evaluate(_DRAW, [kind, base64.b64encode(data).decode()])
    if answer is None:
        return None
    width, height, pixels = answer
    return np.frombuffer(base64.b64decode(pixels), np.uint8).reshape(height, width, 4)[:, :, :3].astype(np.int32)
