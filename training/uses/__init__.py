# SPDX-License-Identifier: Apache-2.0
"""``make uses``: what LIV is for, imitation and planning, small and measured, into ``docs/uses.md``."""
