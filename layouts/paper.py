"""PDF of a drawn page, where this machine has Chromium: a program without network or memory."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

PATIENCE = 90  # seconds
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_ALONE = (
    "--headless",
    "--disable-gpu",
    "--no-pdf-header-footer",
    "--no-first-run",
    "--disable-extensions",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--proxy-server=127.0.0.1:9",  # nobody is there
)


def pdf(page: bytes) -> bytes | None:
    """The page as printed, or None where there is no Chromium or it did not succeed in time."""
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        return None
    with tempfile.TemporaryDirectory(prefix="ioc-paper-") as folder:
        drawn, printed = Path(folder) / "pack.html", Path(folder) / "pack.pdf"
        drawn.write_bytes(page)
        root = ["--no-sandbox"] if os.geteuid() == 0 else []  # its sandbox does not run as root
        command = [program, *_ALONE, *root, f"--user-data-dir={folder}/profile"]
        command += [f"--print-to-pdf={printed}", drawn.as_uri()]
        try:
            subprocess.run(command, capture_output=True, timeout=PATIENCE, check=True)
            made = printed.read_bytes()
        except (OSError, subprocess.SubprocessError):
            return None
    return made if made.startswith(b"%PDF-") else None
