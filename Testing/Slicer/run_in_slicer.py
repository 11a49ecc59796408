"""What ``make test-slicer`` runs inside the application: the self test and the widget tests. Ends with 0 or 1.

    Slicer --no-splash --testing --additional-module-paths InvertibleFusion --python-script run_in_slicer.py

The application's Python needs torch, safetensors and pytest.
"""

import importlib.util
import logging
import os
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
NEEDED = ("torch", "safetensors", "SimpleITK", "pytest")


def self_test() -> bool:
    """The module's own tests, found as Slicer's test machines find them."""
    suite = unittest.TestLoader().loadTestsFromName("InvertibleFusion")
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    return result.testsRun > 0 and result.wasSuccessful()


def widget_tests() -> bool:
    """The tests of the panel, in the application in place of its stand-in."""
    import pytest

    os.chdir(HERE.parents[1])  # where pyproject.toml is
    return pytest.main([str(HERE), "-p", "no:cacheprovider"]) == pytest.ExitCode.OK


def main() -> int:
    """Run all of it, also when the first part fails."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        logging.error("Slicer's Python lacks %s: PythonSlicer -m pip install them first.", ", ".join(missing))
        return 1
    passed = {"self test": self_test(), "widget tests": widget_tests()}
    logging.warning("; ".join(f"{name}: {'passed' if well else 'FAILED'}" for name, well in passed.items()))
    return 0 if all(passed.values()) else 1


if __name__ == "__main__":
    try:
        code = main()
    except Exception:  # whatever it is: without an end Slicer would stay open and the command would never return
        logging.exception("The tests could not be run.")
        code = 1
    sys.exit(code)
