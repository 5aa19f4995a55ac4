from pipeline.video.subtitles import during, in_one_line, read_subtitles, spoken
from schemas.videos import Subtitle

VTT = """\ufeffWEBVTT - some title

NOTE a comment --> no cue

1
00:01.000 --> 00:03.500 align:start position:0%
<v Ann>Knead the <b>dough</b> &amp; rest it

00:00:03.500 --> 00:00:06.000
two
lines

00:09.000 --> 00:08.000
runs backwards
"""
SRT = (
    "1\r\n00:00:01,000 --> 00:00:03,500\r\nKnead the <i>dough</i>\r\n\r\n"
    "2\r\n01:00:03,5 --> 01:00:06,000\r\n{\\an8}later\r\n"
)


def test_webvtt() -> None:
    assert read_subtitles(VTT.encode()) == [
        Subtitle(1.0, 3.5, "Knead the dough & rest it"),
        Subtitle(3.5, 6.0, "two\nlines"),
    ]


def test_srt() -> None:
    assert read_subtitles(SRT.encode()) == [Subtitle(1.0, 3.5, "Knead the dough"), Subtitle(3603.5, 3606.0, "later")]


def test_what_is_no_subtitle_file_has_no_cues() -> None:
    assert read_subtitles(b"<html><p>Not found --> here</p></html>") == []
    assert read_subtitles(bytes(range(256))) == []


def test_cues_of_a_clip_are_those_shown_mostly_in_it() -> None:
    cues = [
        Subtitle(0, 4, "before"),
        Subtitle(3, 6, "begins early"),
        Subtitle(7, 9, "inside"),
        Subtitle(9, 15, "after"),
    ]
    assert during(cues, 4, 10) == [Subtitle(0, 2, "begins early"), Subtitle(3, 5, "inside")]


def test_rolling_captions_are_said_once() -> None:
    assert spoken([Subtitle(0, 1, "a"), Subtitle(1, 2, "a"), Subtitle(2, 3, "b")]) == "a b"
    rolled = ["hello there", "hello there\nhow are you", "how are you", "how are you\nfine", "fine\nfine, I say"]
    assert (
        spoken([Subtitle(n, n + 1, text) for n, text in enumerate(rolled)])
        == "hello there how are you fine fine, I say"
    )


def test_samples_have_cues_in_one_line() -> None:
    assert in_one_line([Subtitle(0, 1, "two\nlines")]) == [Subtitle(0, 1, "two lines")]


def test_files_of_old_programs_are_read() -> None:
    text = "1\n00:00:01,000 --> 00:00:02,000\nCafé Müller…\n"
    for encoding in ("utf-16", "utf-8", "utf-8-sig", "cp1252"):
        assert read_subtitles(text.encode(encoding)) == [Subtitle(1, 2, "Café Müller…")]
    assert read_subtitles(b"\xfe\xff" + text.encode("utf-16-be")) == [Subtitle(1, 2, "Café Müller…")]
