# SPDX-License-Identifier: Apache-2.0
"""What is packed by hand is what the type store packs."""

import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from model.label_bags import REWARD, TYPES, cdr, embedding, unit

from liv_model.bags import message_types
from liv_model.label_messages import (
    EMBEDDING,
    EmbeddingReader,
    RewardPacker,
    SeenEmbedding,
    begins_episode,
    embedding_cdr,
    embedding_of,
    header,
)
from liv_model.reward import RewardSample

NAMES = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=9)
STAMPS = st.integers(0, 2**31 * 10**9 - 1)
NUMBERS = st.floats(-2, 2) | st.just(math.nan)


@given(NAMES, NAMES, NAMES, NAMES, STAMPS, st.integers(0, 2**40), st.booleans(), NUMBERS)
def test_rewards_are_packed_as_the_type_store_does(frame_id, camera, goal, model, stamp_ns, step, is_first, number):
    seen = SeenEmbedding(stamp_ns, frame_id, camera, model, "", 0, np.zeros(0, np.float32))
    sample = RewardSample(step, is_first, number, -number, number)
    whole = cdr(
        REWARD,
        header=header(stamp_ns, frame_id),
        camera=camera,
        goal_id=goal,
        model=model,
        step=step,
        is_first=is_first,
        value=number,
        reward=-number,
        progress=number,
    )
    packer = RewardPacker(goal)
    assert packer.cdr(seen, sample) == whole
    assert packer.cdr(seen, sample) == whole
    assert begins_episode(whole) == (stamp_ns if is_first else None)


@given(NAMES, NAMES, NAMES, NAMES, STAMPS, st.integers(0, 2**40), st.integers(1, 9))
def test_embeddings_are_read_as_the_type_store_does(frame_id, camera, model, activation, stamp_ns, sequence, dim):
    seen = SeenEmbedding(stamp_ns, frame_id, camera, model, activation, sequence, unit(1, dim)[0])
    whole = embedding_cdr(seen)
    reader = EmbeddingReader()
    reader.read(embedding_cdr(seen._replace(camera=camera + "x", activation="before")))
    for again in (
        reader.read(whole),
        reader.read(whole),
        embedding_of(message_types().deserialize_cdr(whole, EMBEDDING)),
    ):
        assert again[:-1] == seen[:-1]
        np.testing.assert_array_equal(again.vector, seen.vector)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.5, 0.7, 0.99])
def test_a_cut_embedding_is_refused(share):
    whole = embedding("m", 3, unit(1, 8)[0], stamp_ns=5)
    with pytest.raises((ValueError, struct.error)):
        EmbeddingReader().read(whole[: int(share * len(whole))])
    reader = EmbeddingReader()
    assert reader.read(whole).sequence == 3
    with pytest.raises((ValueError, struct.error)):
        reader.read(whole[: int(share * len(whole))])
    assert set(TYPES) >= {EMBEDDING, REWARD}
