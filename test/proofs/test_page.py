# SPDX-License-Identifier: Apache-2.0
from bench import results
from proofs.page import PAGE, page
from proofs.report import FOLDER

ABOUT = {**results.about(quick=False), "load_after": 1.0, "skipped": []}


def test_the_page_says_what_was_found_and_what_failed():
    fuzz = {"part": "paths", "n": 10, "refused": 5, "crashes": ["IndexError()"], "growth_mib": 0.5, "passed": False}
    fault = {"fault": "the camera vanishes", "holds": "rule 1", "found": "rewards again", "passed": True}
    skipped = {"fault": "bundle swap", "holds": "rule 2", "passed": None, "why": "no such service"}
    soak = {"what": "memory", "n": 100, "found": "0.1 %", "target": "1 %", "passed": True}
    sections = {"fuzz": [fuzz], "faults": [fault, skipped], "soak": [soak]}
    found = {
        "format": results.FORMAT,
        "machine": results.machine(),
        "sections": {name: {**ABOUT, "rows": rows} for name, rows in sections.items()},
    }
    text = page([found])
    assert "**failed**: IndexError()" in text
    assert "| the camera vanishes | rule 1 | rewards again | passed |" in text
    assert "not run: no such service" in text
    assert "| memory | 100 | 0.1 % | 1 % | passed |" in text


def test_the_page_is_that_of_the_results():
    files = sorted(FOLDER.glob("*.json"))
    assert files, "make fuzz faults soak"
    assert page([results.read(file) for file in files]) == PAGE.read_text()


def test_what_failed_by_its_limits_says_which_message_it_was():
    from proofs.page import section_text

    row = {"part": "paths", "n": 1, "refused": 0, "crashes": [], "slowest": "Image rgb8 2x2", "passed": False}
    assert "**failed**: Image rgb8 2x2 |" in section_text("fuzz", {**ABOUT, "rows": [row]})
