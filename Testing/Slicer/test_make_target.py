"""What ``make test-slicer`` runs in the application, as far as it can be checked without one."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
APPLICATION = """#!{python}
import pathlib, sys
script, *arguments = sys.argv[sys.argv.index("--python-script") + 1 :]
assert pathlib.Path(script).is_file()
if "--out" in arguments:
    assert pathlib.Path(arguments[0]).is_file()
    out = pathlib.Path(arguments[arguments.index("--out") + 1])
    out.parent.mkdir(parents=True)
    out.write_text("trained")
sys.exit({code})
"""


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", "test-slicer", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def test_make_says_which_argument_is_missing() -> None:
    done = make()
    assert done.returncode != 0
    assert "make test-slicer SLICER=/path/to/Slicer" in done.stdout


@pytest.mark.parametrize("code", [0, 1])
def test_make_starts_scripts_that_are_there_and_fails_with_them(tmp_path: Path, code: int) -> None:
    slicer = tmp_path / "Slicer"
    slicer.write_text(APPLICATION.format(python=sys.executable, code=code))
    slicer.chmod(0o755)
    done = make(f"SLICER={slicer}")
    assert (done.returncode == 0) == (code == 0), done.stderr


def test_the_configuration_makes_two_batches(capsys: pytest.CaptureFixture[str]) -> None:
    from InvertibleFusionLib.cli import main

    with pytest.raises(SystemExit) as ended:
        sys.exit(main(["train", str(ROOT / "Testing/Slicer/two_batches.yaml"), "--print_config"]))
    assert not ended.value.code
    assert "steps: 2\n" in capsys.readouterr().out
