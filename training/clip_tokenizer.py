# SPDX-License-Identifier: Apache-2.0
"""CLIP's tokenizer as a Hugging Face ``tokenizer.json``, built from open_clip's own vocabulary.

The robot then needs neither open_clip nor its Python tokenizer. Ids are those of ``open_clip.tokenize``: lower
case, white space collapsed, byte-level BPE with word ends, 49406 before and 49407 after, 0 as padding (CLIP's text
tower is causal and reads its answer at the first 49407, so padding is never looked at).

open_clip cleans texts with ftfy first. What of that a goal can meet is repeated here: typographic quotes,
ligatures, full-width characters and HTML entities, composed to NFC. Not repeated is the repair of text decoded with
the wrong encoding. A text beyond L tokens is refused by :mod:`liv_model.tokenizer`, where open_clip cuts it.
"""

from __future__ import annotations

from pathlib import Path

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

from liv_model.open_clip_towers import package

START, END = "<start_of_text>", "<end_of_text>"
# What is one piece before BPE: contractions, runs of letters, single digits, runs of anything else
# (Radford et al., 2021).
PIECES = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_ENTITIES = {"&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'", "&nbsp;": " "}
_LETTERS = {"[‘’‚‛]": "'", "[“”„‟]": '"', "ﬁ": "fi", "ﬂ": "fl", "ﬀ": "ff", "ﬃ": "ffi", "ﬄ": "ffl"}
_FULL_WIDTH = {chr(code + 0xFEE0): chr(code) for code in range(ord("!"), ord("~") + 1)}


def build() -> tokenizers.Tokenizer:
    """The tokenizer; ConfigError when open_clip is not installed."""
    clip = package("open_clip.tokenizer").SimpleTokenizer()
    model = models.BPE(
        vocab=clip.encoder,
        merges=sorted(clip.bpe_ranks, key=clip.bpe_ranks.get),
        continuing_subword_prefix="",
        end_of_word_suffix="</w>",
        unk_token=END,
    )
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [
            *_replace({**_ENTITIES, **_FULL_WIDTH}),
            *_replace(_LETTERS, regex=True),
            normalizers.NFC(),
            *_replace({r"\s+": " "}, regex=True),
            normalizers.Strip(),
            normalizers.Lowercase(),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(tokenizers.Regex(PIECES), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    ends = [(token, clip.encoder[token]) for token in (START, END)]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{START} $A {END}", special_tokens=ends)
    return tokenizer


def write(path: Path) -> None:
    """Write ``tokenizer.json``."""
    build().save(str(path))


def _replace(table: dict[str, str], *, regex: bool = False) -> list[normalizers.Normalizer]:
    return [normalizers.Replace(tokenizers.Regex(old) if regex else old, new) for old, new in table.items()]
