# SPDX-License-Identifier: Apache-2.0
"""Which Chromium this machine has: the distribution's (apt-get install chromium), or what LIV_CHROMIUM names."""

from __future__ import annotations

import os
import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def chromium_path() -> str | None:
    """Path of the first that is found; None where there is none."""
    if given := os.environ.get("LIV_CHROMIUM"):
        return shutil.which(given)
    return next((path for name in NAMES if (path := shutil.which(name))), None)
