"""What an index has of the signals of a sample: a row of it answers what was said, where, when, and what followed."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from schemas.signals import Signal, decide, most_restrictive

#: `subject`: `page`, or the number of an image or video among those of the sample.
_SIGNAL = pa.struct([(name, pa.string()) for name in ("subject", "signal", "origin", "value", "verdict", "time")])

#: `consent_verdict`: `no` where a signal said so that the settings do not honour, `conditional`, `unknown` where
#: page or media have no `yes`, `yes`.
COLUMNS: dict[str, pa.DataType] = {"consent_verdict": pa.string(), "signals": pa.list_(_SIGNAL)}


def consent_columns(page: Sequence[Signal], media: Sequence[Sequence[Signal]]) -> Mapping[str, Any]:
    """Of the signals of a page and of each of its images or videos."""
    subjects = {"page": page, **{str(number): signals for number, signals in enumerate(media)}}
    verdicts = [decide(signals).verdict for signals in subjects.values()]
    worst = most_restrictive(verdicts)
    rows = [
        {
            "subject": subject,
            "signal": one.signal,
            "origin": one.origin,
            "value": one.value,
            "verdict": one.verdict,
            "time": one.time,
        }
        for subject, signals in subjects.items()
        for one in signals
    ]
    return {"consent_verdict": "unknown" if worst == "yes" and "unknown" in verdicts else worst, "signals": rows}
