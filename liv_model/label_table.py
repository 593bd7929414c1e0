# SPDX-License-Identifier: Apache-2.0
"""Rewards as a table: Apache Parquet, one row for each."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from liv_model.errors import ConfigError, MediaError
from liv_model.reward import RewardSample

_ROWS = 1 << 16  # of a group; what is held in memory at once
COLUMNS = ("bag", "time", "camera", "goal", "step", "is_first", "value", "reward", "progress")


def pyarrow() -> Any:
    """The optional package; ConfigError if it is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise ConfigError(
            "--parquet",
            expected="the Python package 'pyarrow'",
            got="not installed",
            remedy="pip install -r requirements/parquet.txt",
        ) from error
    return pyarrow


class RewardTable:
    """Writes the rewards of one bag.

    Columns: ``bag`` (its path), ``time`` (the picture's stamp, ns, UTC), ``camera``, ``goal`` (its text, or id),
    ``step``, ``is_first``, ``value``, ``reward`` (float64), ``progress`` (float64, null where not calibrated).

    Args:
        path: of the file; replaced.
        bag: as it is to be called.
    """

    def __init__(self, path: Path, bag: str):
        self._arrow, self._bag = pyarrow(), bag
        self._schema = _schema(self._arrow)
        self._writer = self._arrow.parquet.ParquetWriter(path, self._schema, compression="zstd")
        self._rows: list[tuple] = []

    def __enter__(self) -> RewardTable:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        self._writer.close()

    def add(self, stamp_ns: int, camera: str, goal: str, sample: RewardSample) -> None:
        """Append one row."""
        self._rows.append((self._bag, stamp_ns, camera, goal, *_cells(sample)))
        if len(self._rows) >= _ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            columns = zip(zip(*self._rows, strict=True), self._schema, strict=True)
            columns = [self._arrow.array(cells, field.type) for cells, field in columns]
            self._writer.write_table(self._arrow.Table.from_arrays(columns, schema=self._schema))
            self._rows = []


def _cells(sample: RewardSample) -> tuple:
    progress = sample.progress if sample.progress == sample.progress else None
    return sample.step, sample.is_first, sample.value, sample.reward, progress


def join(parts: Sequence[Path], path: Path) -> int:
    """Write tables one after the other into one file, replacing it as a whole; how many rows there are."""
    arrow = pyarrow()
    draft, rows = path.with_name(f".{path.name}.part"), 0
    try:
        with arrow.parquet.ParquetWriter(draft, _schema(arrow), compression="zstd") as writer:
            for part in parts:
                with arrow.parquet.ParquetFile(part) as table:
                    for batch in table.iter_batches(_ROWS):
                        writer.write_batch(batch)
                        rows += batch.num_rows
        os.replace(draft, path)
    except OSError as error:
        raise MediaError(str(path), expected="a file that can be written", got=error.strerror or error) from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            draft.unlink()
    return rows


def _schema(arrow: Any) -> Any:
    text = arrow.dictionary(arrow.int32(), arrow.string())
    kinds = {
        "bag": text,
        "time": arrow.timestamp("ns", tz="UTC"),
        "camera": text,
        "goal": text,
        "step": arrow.int64(),
        "is_first": arrow.bool_(),
    }
    return arrow.schema([(name, kinds.get(name, arrow.float64())) for name in COLUMNS])
