"""``python -m InvertibleFusionLib`` is the command ``invertible-fusion``."""

from InvertibleFusionLib.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
