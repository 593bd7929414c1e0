# SPDX-License-Identifier: Apache-2.0
"""From a goal in words to the tokens that the text tower reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from liv_model.errors import BundleError, GoalError

PADDING = 0


class Tokenizer:
    """A bundle's tokenizer: a Hugging Face ``tokenizer.json`` and the length the text tower was built for."""

    def __init__(self, tokenizer, context_length: int):
        self._tokenizer = tokenizer
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self.context_length = context_length

    @classmethod
    def load(cls, path: str | Path, context_length: int) -> Tokenizer:
        """Read ``tokenizer.json``; BundleError when it is none."""
        try:
            import tokenizers

            return cls(tokenizers.Tokenizer.from_file(str(path)), context_length)
        except Exception as error:  # the library raises bare Exception
            raise BundleError(str(path), expected="a Hugging Face tokenizer.json", got=error) from error

    @property
    def vocabulary_size(self) -> int:
        """Number of tokens, special ones included."""
        return self._tokenizer.get_vocab_size()

    def encode(self, texts: list[str]) -> np.ndarray:
        """Tokenise goals.

        Args:
            texts: B goals in words.

        Returns:
            int64 (B, L), padded with 0 on the right.

        Raises:
            GoalError: a text is empty, or longer than L tokens.
        """
        tokens = np.full((len(texts), self.context_length), PADDING, np.int64)
        for row, text in zip(tokens, texts, strict=True):
            ids = self._tokenizer.encode(clean_text(text)).ids
            if len(ids) > self.context_length:
                raise GoalError(
                    f"goal {text[:40]!r}...",
                    expected=f"at most {self.context_length} tokens",
                    got=len(ids),
                    remedy="say it in fewer words",
                )
            row[: len(ids)] = ids
        return tokens


def clean_text(text: str) -> str:
    """Collapse white space; GoalError if nothing a person could read is left."""
    cleaned = " ".join(text.split()) if isinstance(text, str) else ""
    if not any(character.isprintable() and not character.isspace() for character in cleaned):
        raise GoalError("goal text", expected="a sentence such as 'open the drawer'", got=repr(text)[:40])
    return cleaned
