# SPDX-License-Identifier: Apache-2.0
"""The inference backends: each file is one :class:`liv_model.encoder.Encoder`."""
