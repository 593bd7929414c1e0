# SPDX-License-Identifier: Apache-2.0
"""``python3 -m training.results``: the same as ``liv results``."""

import sys

from liv_model.cli import main

if __name__ == "__main__":
    sys.exit(main(["results", *sys.argv[1:]]))
