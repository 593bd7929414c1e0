# SPDX-License-Identifier: Apache-2.0
"""One line of the doctor's."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARN, FAIL = "OK", "WARN", "FAIL"


@dataclass(frozen=True)
class Finding:
    """What was found of one thing.

    Attributes:
        name: of the thing, such as "Fast DDS profile".
        status: OK; WARN where something is worse than it could be; FAIL where no rewards can be served with it.
        got: what is there.
        remedy: what to do about it; "" where nothing needs doing.
    """

    name: str
    status: str
    got: str
    remedy: str = ""
