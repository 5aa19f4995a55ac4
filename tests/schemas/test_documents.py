import pickle

import msgspec

from schemas.documents import Consent, Draft, ImageRef, StoredImage, TextBlock, VideoRef
from schemas.drops import DropRow

DRAFT = Draft(
    uid=3 << 40 | 7,
    url="https://example.org/",
    blocks=(
        TextBlock("One.", "heading"),
        ImageRef(("https://example.org/1.jpg", "https://example.org/1-small.jpg"), alt="alt", width=10),
        VideoRef(("https://example.org/1.mp4",), poster="p.jpg"),
        TextBlock("Two."),
    ),
    consent=Consent(("noai",), True, "policy"),
    dropped=(DropRow("u", "image", "icon", "16x16"),),
)


def test_a_draft_survives_json_with_its_kinds_of_blocks() -> None:
    assert msgspec.json.decode(msgspec.json.encode(DRAFT), type=Draft) == DRAFT


def test_a_draft_survives_pickling() -> None:
    assert pickle.loads(pickle.dumps(DRAFT)) == DRAFT


def test_a_draft_tells_texts_and_images_in_order() -> None:
    assert [block.text for block in DRAFT.texts] == ["One.", "Two."]
    assert [image.url for image in DRAFT.images] == ["https://example.org/1.jpg"]


def test_a_stored_image_prints_sizes_and_not_bytes() -> None:
    image = StoredImage(b"\xff" * 1000, "jpg", 30, 20, "png", 60, 40, "a", "b", "c")
    assert repr(image) == "StoredImage(30x20 jpg, 1000 bytes)"
