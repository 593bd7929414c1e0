# SPDX-License-Identifier: Apache-2.0
"""``make results``: the paper's comparisons at small scale, from simulated episodes to ``docs/results.md``."""
