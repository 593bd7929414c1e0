# SPDX-License-Identifier: Apache-2.0
"""``liv doctor``: what this machine can do, what is wrong with it, and what to do about it.

A check is a small function that returns a :class:`~liv_model.doctor.finding.Finding`. It imports what it asks about
inside itself, so that a machine that lacks it can still be told so.
"""
