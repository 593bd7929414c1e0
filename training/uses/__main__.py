# SPDX-License-Identifier: Apache-2.0
"""``python3 -m training.uses``: the same as ``liv uses``."""

import sys

from liv_model.cli import main

if __name__ == "__main__":
    sys.exit(main(["uses", *sys.argv[1:]]))
