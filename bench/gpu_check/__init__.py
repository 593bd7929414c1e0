# SPDX-License-Identifier: Apache-2.0
"""``make gpu-check``: everything about TensorRT that only a machine with an NVIDIA GPU can show, in one command."""
