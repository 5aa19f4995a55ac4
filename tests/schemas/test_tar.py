import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import tar as tar_module
from schemas.tar import BLOCK, MAX_MEMBER_BYTES, TarWriter, member_bytes

_names = st.text(st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cs"]), min_size=1).filter(
    lambda name: len(name.encode()) <= 100 and not name.endswith("/")
)
_members = st.lists(st.tuples(_names, st.binary(max_size=1500)), max_size=4)


def write(members: list[tuple[str, bytes]]) -> bytes:
    out = io.BytesIO()
    writer = TarWriter(out)
    for name, data in members:
        writer.add(name, data)
    writer.close()
    return out.getvalue()


def by_tarfile(members: list[tuple[str, bytes]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT, encoding="utf-8") as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def infos(tar: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        return archive.getmembers()


@given(_members)
def test_the_bytes_are_those_of_tarfile_up_to_the_end_mark(members: list[tuple[str, bytes]]) -> None:
    """`tarfile` pads the whole to 10,240 bytes, which nobody needs; all before is equal."""
    ours, theirs = write(members), by_tarfile(members)
    assert theirs.startswith(ours)
    assert not theirs[len(ours) :].strip(b"\0")
    assert ours[-2 * BLOCK :] == bytes(2 * BLOCK)


@given(_members)
def test_members_say_where_their_data_lies(members: list[tuple[str, bytes]]) -> None:
    out = io.BytesIO()
    writer = TarWriter(out)
    places = [writer.add(name, data) for name, data in members]
    assert writer.size == len(out.getvalue()) == sum(member_bytes(len(data)) for _, data in members)
    for (name, data), place in zip(members, places, strict=True):
        assert (place.name, place.size) == (name, len(data))
        assert out.getvalue()[place.offset :][: place.size] == data


def test_a_name_of_100_bytes_fits_and_one_of_101_is_refused_before_anything_is_written() -> None:
    out = io.BytesIO()
    writer = TarWriter(out)
    with pytest.raises(ValueError, match=r"limited to 100 bytes: a{101}$"):
        writer.add("a" * 101, b"data")
    with pytest.raises(ValueError, match="limited to 100 bytes"):
        writer.add("é" * 51, b"data")
    assert (out.getvalue(), writer.size) == (b"", 0)
    writer.add("a" * 100, b"data")
    writer.close()
    assert [info.name for info in infos(out.getvalue())] == ["a" * 100]


def test_data_that_ustar_cannot_describe_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert int("7" * 11, 8) == MAX_MEMBER_BYTES
    monkeypatch.setattr(tar_module, "MAX_MEMBER_BYTES", 10)  # 8 GiB would not fit a test
    with pytest.raises(ValueError, match="limited to 10 bytes: big has 11"):
        TarWriter(io.BytesIO()).add("big", b"x" * 11)


def test_owner_and_time_are_zero_so_that_equal_samples_are_equal_bytes() -> None:
    (info,) = infos(write([("a.json", b"{}")]))
    assert (info.mtime, info.uid, info.gid, info.uname, info.gname) == (0, 0, 0, "", "")
    assert info.mode == 0o644
    assert info.isreg()
