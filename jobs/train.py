"""`weft train` as torchrun starts it: `torchrun --nproc-per-node 8 -m jobs.train CONFIG`."""

import sys

from jobs.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
