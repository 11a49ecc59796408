"""Pictures of the panel, left in ``--basetemp`` to be looked at."""

from pathlib import Path
from typing import Any

from scans import scan


def test_pictures_of_every_task(panel: Any, tmp_path: Path) -> None:
    panel.picture(tmp_path / "empty.png")
    panel.choose(scan("ADC"), scan("FLAIR", 1, shift=8.0))
    panel.picture(tmp_path / "other-grid.png")
    panel.ui.resampleCheckBox.checked = True
    panel.ui.livePreviewCheckBox.checked = True
    panel.settle()
    panel.picture(tmp_path / "ready.png")
    panel.apply()
    panel.step(3)
    panel.panel.work.control._timer.stop()
    panel.picture(tmp_path / "running.png")
    panel.panel.work.control._timer.start()
    panel.wait(lambda: not panel.panel.running)
    panel.ui.aboutCollapsibleButton.collapsed = False
    panel.ui.advancedCollapsibleButton.collapsed = False
    panel.picture(tmp_path / "done.png")
    panel.ui.taskComboBox.setCurrentIndex(1)
    panel.picture(tmp_path / "decompose.png")
    panel.ui.taskComboBox.setCurrentIndex(2)
    panel.picture(tmp_path / "synthesize.png")
    assert len(list(tmp_path.glob("*.png"))) == 7
