# SPDX-License-Identifier: Apache-2.0
"""What shows that the nodes can be left alone: fuzz, faults and soak against the rules of docs/semantics.md."""
