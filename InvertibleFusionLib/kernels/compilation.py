"""Compiling kernels once for every processor and keeping them in the user's cache folder.

Nothing here imports Numba before a kernel is wanted: that alone takes a third of a second.
"""

import hashlib
import importlib
import importlib.util
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

LOG = logging.getLogger("InvertibleFusion")


@cache
def numba_works() -> bool:
    """Whether kernels can be compiled: Numba is installed and gets along with this NumPy; otherwise the log says so."""
    if importlib.util.find_spec("numba") is None:
        LOG.info('Without Numba everything takes longer. To get it: pip install "invertible-fusion[speed]".')
        return False
    try:
        importlib.import_module("numba")
    except (ImportError, OSError) as error:
        LOG.warning("Going on without compiled kernels, slower: Numba does not start (%s).", error)
        return False
    return True


@cache
def processor() -> tuple[str, str, str]:
    """System, processor and its features (+avx2,…), for which Numba compiles."""
    from numba.core.registry import cpu_target

    system, name, features = cpu_target.target_context.codegen().magic_tuple()
    return system, name, features


@cache
def cache_folder() -> Path:
    """Where compiled kernels are kept: one folder for each version of the kernels, of Numba and of the processor.

    In the user's cache folder, since an installation may be read-only, and private to the user, since Numba trusts
    what it finds there. When it cannot be written, a temporary one: then every process compiles anew.
    """
    import numba

    digest = hashlib.sha256(repr((numba.__version__, sys.version_info[:3], processor())).encode())
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    folder = _user_cache() / "invertible-fusion" / f"kernels-{digest.hexdigest()[:16]}"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return Path(tempfile.mkdtemp(prefix="invertible-fusion-kernels-"))


def compiled(function: Callable[..., Any]) -> Any:
    """Decorate a function that is compiled on its first call and kept in ``cache_folder``.

    It runs without Python's lock, so that threads run side by side. Sums keep their order: not a number and infinity
    behave as in NumPy, and two runs give the same bits.
    """
    import numba

    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(cache_folder())
    try:
        return numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})(function)
    finally:
        numba.config.CACHE_DIR = before


@contextmanager
def telling_of_compilation(kind: str) -> Iterator[None]:
    """Around the first use of the kernels for ``kind``, a dtype's name: the log says so when they must be compiled."""
    mark = cache_folder() / kind
    if mark.exists():
        yield
        return
    LOG.warning("Compiling the %s kernels for this processor: some seconds, once on this computer.", kind)
    yield
    with suppress(OSError):
        mark.touch()


def _user_cache() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
