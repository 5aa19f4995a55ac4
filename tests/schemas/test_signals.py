"""All signals together: the most restrictive wins."""

import itertools

import pytest

from pipeline.consent import honour_image_consent, refuse_opt_out
from schemas.consent import ConsentSettings
from schemas.consent_columns import consent_columns
from schemas.documents import Consent
from schemas.drops import Drop
from schemas.signals import SIGNALS, Signal, Verdict, bounded, decide, most_restrictive, said

ORDER: tuple[Verdict, ...] = ("no", "conditional", "yes", "unknown")


def of(*verdicts: Verdict, signal: str = "rsl") -> tuple[Signal, ...]:
    return tuple(said(signal, "robots.txt", f"words {number}", verdict) for number, verdict in enumerate(verdicts))


def test_the_most_restrictive_wins_in_every_order() -> None:
    for size in range(1, 5):
        for verdicts in itertools.permutations(ORDER, size):
            assert most_restrictive(verdicts) == min(verdicts, key=ORDER.index)
            decision = decide(of(*verdicts))
            assert decision.by is not None
            assert decision.verdict == decision.by.verdict == min(verdicts, key=ORDER.index)
    assert decide(()).verdict == "unknown"


@pytest.mark.parametrize("verdict", ORDER)
@pytest.mark.parametrize("conditional", ["refuse", "pass"])
@pytest.mark.parametrize("require_yes", [False, True])
@pytest.mark.parametrize("honour", [("rsl",), ()])
def test_each_verdict_with_each_setting(
    verdict: Verdict, conditional: str, require_yes: bool, honour: tuple[str, ...]
) -> None:
    settings = ConsentSettings(honour=honour, conditional=conditional, require_yes=require_yes)  # type: ignore[arg-type]
    refuses = bool(honour) and (verdict == "no" or (verdict == "conditional" and conditional == "refuse"))
    expected = "opt_out" if refuses else "no_opt_in" if require_yes and verdict != "yes" else ""
    for judge in (
        lambda: refuse_opt_out(Consent(signals=of(verdict)), settings),
        lambda: honour_image_consent({}, settings, others=of(verdict)),
    ):
        if not expected:
            judge()
            continue
        with pytest.raises(Drop) as caught:
            judge()
        assert caught.value.reason == expected
        assert expected != "opt_out" or caught.value.detail == "rsl: words 0 (robots.txt)"


def test_every_signal_is_honoured_by_some_setting() -> None:
    assert set(SIGNALS) == {*ConsentSettings().honour, "robots", "tdm-reservation"}


def test_a_record_holds_some_and_loses_no_refusal() -> None:
    many = tuple(said("rsl", "header", str(number), "unknown") for number in range(100)) + of("no")
    assert len(bounded(many)) == 16
    assert bounded(many)[0].verdict == "no"


def test_words_are_cut_and_printable() -> None:
    assert said("rsl", "header", "a\n\0b" + "c" * 600).value == "a  b" + "c" * 496


@pytest.mark.parametrize(
    ("page", "media", "verdict"),
    [
        (of("yes"), [of("yes")], "yes"), (of("yes"), [()], "unknown"), ((), [of("yes")], "unknown"),
        (of("yes"), [], "yes"),
        (of("yes"), [of("conditional"), ()], "conditional"), ((), [of("no")], "no"), ((), [], "unknown"),
    ],
)  # fmt: skip
def test_the_verdict_of_a_sample(page: tuple[Signal, ...], media: list[tuple[Signal, ...]], verdict: str) -> None:
    columns = consent_columns(page, media)
    assert columns["consent_verdict"] == verdict
    assert [row["subject"] for row in columns["signals"]] == ["page"] * len(page) + [
        str(number) for number, signals in enumerate(media) for _ in signals
    ]
