# SPDX-License-Identifier: Apache-2.0
"""Engines: a bundle's model, made ready for one device, kept in the user's cache, and judged before it may serve."""
