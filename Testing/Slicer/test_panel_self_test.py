"""The self test that Slicer runs, through the same widgets."""

import sys
from typing import Any


def test_the_self_test_of_the_module_passes(panel: Any) -> None:
    said: list[str] = []
    test = sys.modules["InvertibleFusion"].InvertibleFusionTest("runTest")
    test.delayDisplay = lambda message, *_: said.append(message)
    test.runTest()
    assert said
