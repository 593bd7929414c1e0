# SPDX-License-Identifier: Apache-2.0
"""Fits the tokenizer of a small text tower: lower case, byte-level BPE, so that no text is unknown to it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from training.phrases import load_phrases
from training.tasks import load_tasks

# Padding is id 0: the text tower and liv_model.tokenizer rely on it.
SPECIAL = ("<pad>", "<s>", "</s>")

# Words of kitchens, homes and workshops that no task uses: a goal in other words should cost one token a word.
EVERYDAY = """
about above across after again all and another apple arm around away back bag ball banana bar basket before behind
below bench beside between big black block blue board book bottle bottom bowl bread bring brown brush bucket camera
can carrot catch chair change clean clear clockwise cloth coffee cold container cook cooker counter cover cup
cupboard cut dish dishwasher do down dry eat egg empty end fetch fill finger first flip floor flower fold food fork
forward fridge from fruit get glass go grab green grey gripper hand hang hard heat help here high hit hold hot
house in inside into it keep kettle key kitchen knife lamp laptop large lay left let lid lift light little long low
make meat microwave middle milk mix more move mug napkin near new next no now of off old on onto orange out oven
over paper pen pencil phone pink plant please point potato pour press purple put red release remove rice right rinse
robot rotate rub salt scoop second sharp shelf shoe side sink slow small soap socket some sponge spoon square squeeze
stack start stay still stir stop store stove straight sugar table tap tea that the their them then there these this
through throw tidy to toaster together tomato tool top towel toy tray turn twist two under until up use walk wall
wash water where white window wipe wire wood yellow you your
""".split()  # noqa: SIM905


def corpus() -> list[str]:
    """The ways training may say all tasks (never the held-out ones), their opposites, and everyday words."""
    texts = [text for words in load_tasks().values() for text in words.training_texts]
    texts += [text for phrases in load_phrases().values() for text in phrases]
    opposites = [words.opposite_text for words in load_tasks().values() if words.opposite_text]
    return texts + opposites + EVERYDAY * 2


def fit(texts: Iterable[str], vocabulary: int) -> tokenizers.Tokenizer:
    """A tokenizer of at most ``vocabulary`` tokens, the same for the same texts.

    Args:
        texts: what to learn merges from.
        vocabulary: at least 259: the bytes and the special tokens.
    """
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Lowercase(), normalizers.Replace(tokenizers.Regex(r"[.!?\s]+$"), "")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        min_frequency=2,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    ends = [(token, tokenizer.token_to_id(token)) for token in SPECIAL[1:]]
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
    return tokenizer


def write(path: Path, vocabulary: int) -> None:
    """Fit on :func:`corpus` and write ``tokenizer.json``."""
    fit(corpus(), vocabulary).save(str(path))
