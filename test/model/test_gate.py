# SPDX-License-Identifier: Apache-2.0
"""The gate's judgement of doubles that are wrong in one way each, and what becomes of its report on disk."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from liv_model.engines.gate import LEAST_COSINE, GateReport, Place, judge
from liv_model.samples import Clip, Samples

DIM, SIZE = 16, 4
TEXTS = ["open the drawer", "close the drawer", "press the button"]


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def samples():
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (7, SIZE, SIZE, 3), np.uint8)
    frames = generator.integers(0, 256, (30, SIZE, SIZE, 3), np.uint8)
    goal, away = unit(generator.normal(size=(2, DIM)))
    closer = np.linspace(0, 1, len(frames))[:, None] + generator.normal(0, 0.03, (len(frames), 1))  # not quite in order
    clip = Clip(frames, np.arange(30.0), TEXTS[0], unit(closer * goal + (1 - closer) * away), goal)
    texts = unit(np.stack([goal, *generator.normal(size=(2, DIM))]))
    return Samples(images, TEXTS, unit(generator.normal(size=(7, DIM))), texts, clip)


class Reference:
    """A double that says what the network said, bent as a test wishes."""

    def __init__(self, samples, images=lambda rows: rows, texts=lambda rows: rows):
        self._images, self._texts = images, texts
        known = [(samples.images, samples.image_embeddings)]
        known += [(samples.clip.images, samples.clip.embeddings)] if samples.clip else []
        self._of_image = {image.tobytes(): row for all_, rows in known for image, row in zip(all_, rows, strict=True)}
        self._of_text = dict(zip(samples.texts, samples.text_embeddings, strict=True))

    def encode_images(self, rgb):
        return self._images(np.stack([self._of_image[image.tobytes()] for image in rgb]))

    def encode_texts(self, texts):
        return self._texts(np.stack([self._of_text[text] for text in texts]))


def turned(rows, cosine):
    """Unit rows at this cosine to the given ones."""
    other = np.roll(rows, 1, axis=1)
    other = unit(other - (other * rows).sum(axis=1, keepdims=True) * rows)
    return unit(cosine * rows + math.sqrt(1 - cosine**2) * other)


def with_row(rows, row, value):
    rows = rows.copy()
    rows[row] = value
    return rows


@pytest.mark.parametrize("precision", list(LEAST_COSINE))
def test_what_says_what_the_network_says_passes(samples, precision):
    report = judge(Reference(samples), samples, precision)
    assert report.passed and report.reasons == () and report.remarks == ()
    assert report.least_image_cosine == pytest.approx(1) and report.least_text_cosine == pytest.approx(1)
    assert 0.5 < report.voc == report.voc_reference
    assert report.precision == precision and report.judged_at


@pytest.mark.parametrize(("precision", "least"), LEAST_COSINE.items())
@pytest.mark.parametrize("what", ["images", "texts"])
def test_each_precision_has_its_least_cosine(samples, precision, least, what):
    off = 1 - least

    def report(cosine):
        # the text is the clip's goal too: turned by so little, its order stays
        return judge(Reference(samples, **{what: lambda rows: turned(rows, cosine)}), samples, precision)

    good, bad = report(1 - 0.5 * off), report(1 - 2 * off)
    assert not [reason for reason in good.reasons if "cosine" in reason]
    assert not bad.passed
    assert f"expected {least} or more" in bad.reasons[0]
    found = bad.least_image_cosine if what == "images" else bad.least_text_cosine
    assert found == pytest.approx(1 - 2 * off, abs=1e-4 * off + 1e-6)


@pytest.mark.parametrize(
    ("bent", "reason"),
    [
        ({"images": lambda rows: with_row(rows, -1, np.nan)}, "images one by one: not finite in 7 of 7 rows"),
        ({"images": lambda rows: with_row(rows, 0, np.inf)}, "images one by one: not finite"),
        ({"texts": lambda rows: with_row(rows, 0, np.nan)}, "texts: not finite in 1 of 3 rows"),
        ({"images": lambda rows: 1.01 * rows}, "images one by one: norm off by 0.01, expected unit vectors"),
        ({"texts": lambda rows: 0 * rows}, "texts: norm off by 1"),
        ({"images": lambda rows: rows[:, :-1]}, "images one by one: shape (7, 15), expected (7, 16)"),
        ({"images": lambda rows: -rows}, "images one by one: cosine -1.00000 in row"),
        ({"texts": lambda rows: rows[::-1]}, "texts: cosine"),
        # right when alone, wrong together, as an engine of another profile can be
        ({"images": lambda rows: rows[::-1]}, "images in batches of 4: cosine"),
        ({"images": lambda rows: rows if len(rows) < 3 else with_row(rows, 2, np.nan)}, "images in batches of 4: not"),
    ],
)
def test_what_is_wrong_is_refused_and_said(samples, bent, reason):
    clipless = replace(samples, clip=None)
    report = judge(Reference(clipless, **bent), clipless, "int8")
    assert not report.passed
    assert report.reasons[0].startswith(reason)


def test_a_clip_that_is_ordered_otherwise_is_refused(samples):
    """Every cosine within what int8 is allowed, and the order of the values gone."""
    goal = samples.clip.goal

    def flattened(rows):  # all frames alike as seen from the goal; the rest of each row stays
        across = rows - (rows @ goal)[:, None] * goal
        return unit(across)

    near = replace(samples.clip, embeddings=unit(flattened(samples.clip.embeddings) + 0.02 * samples.clip.embeddings))
    near = replace(samples, clip=near)
    bent = Reference(near, images=lambda rows: flattened(rows) if _is_clip(rows, near) else rows)
    report = judge(bent, near, "int8")
    assert report.least_image_cosine > 0.999
    assert report.voc_reference > 0.9
    assert [reason.split(",")[0][:3] for reason in report.reasons] == ["VOC"]
    assert "within 0.01" in report.reasons[0]


def _is_clip(rows, samples):
    return (samples.clip.embeddings == rows[0]).all(axis=1).any()


def test_a_bundle_without_a_clip_is_judged_by_cosines_and_says_so(samples):
    clipless = replace(samples, clip=None)
    report = judge(Reference(clipless), clipless, "fp32")
    assert report.passed and report.voc is None
    assert "no clip" in report.remarks[0] and "no clip" in report.numbers


def test_the_frames_of_the_clip_are_rows_too(samples):
    bent = Reference(samples, images=lambda rows: turned(rows, 0.9) if _is_clip(rows, samples) else rows)
    report = judge(bent, samples, "int8")
    assert report.reasons[0].startswith("clip: cosine 0.90000 in row")
    assert report.least_image_cosine == pytest.approx(0.9)


def test_every_picture_goes_alone_and_in_company(samples):
    sizes = []
    encoder = Reference(samples, images=lambda rows: sizes.append(len(rows)) or rows)
    judge(encoder, replace(samples, clip=None), "fp32", batch=3)
    assert sizes == [1] * 7 + [3, 3, 1]
    sizes.clear()
    judge(encoder, replace(samples, clip=None), "fp32", batch=1)
    assert max(sizes) == 2


def test_a_report_comes_back_from_disk(samples, tmp_path):
    here = Place("NVIDIA GeForce RTX 4070 sm89", "570.86, CUDA 12.8")
    for bend in (lambda rows: rows, lambda rows: with_row(rows, 0, np.nan)):
        report = judge(Reference(samples, images=bend), samples, "fp16").at(here)
        report.save(tmp_path / "gate.json")
        json.loads((tmp_path / "gate.json").read_text(), parse_constant=pytest.fail)  # NaN is not JSON
        again = GateReport.load(tmp_path / "gate.json")
        assert str(again) == str(report)
        assert again.place == here and again.passed == report.passed
        assert [path.name for path in tmp_path.iterdir()] == ["gate.json"]


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"passed": true}', '"passed"', "\x00\xff"])
def test_a_report_that_cannot_be_read_is_none(tmp_path, content):
    (tmp_path / "gate.json").write_text(content)
    assert GateReport.load(tmp_path / "gate.json") is None
    assert GateReport.load(tmp_path / "none.json") is None


def test_a_report_of_another_version_is_none(samples, tmp_path):
    file = tmp_path / "gate.json"
    judge(Reference(samples), samples, "fp32").save(file)
    stored = json.loads(file.read_text())
    for changed in ({**stored, "new": 1}, {**stored, "voc": "high"}, {**stored, "place": {"gpu": "x"}}):
        file.write_text(json.dumps(changed))
        assert GateReport.load(file) is None
