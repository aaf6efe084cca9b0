"""Draws packs in a program of its own: the process that polls carries no screens."""

import os
import subprocess
import sys
from pathlib import Path

from ioc.processes import PARENT

PATIENCE = 300
"""Seconds that a pack may take to be drawn."""


class Drawing:
    """The ``ioc pack`` of a program, one at a time, until it is stopped."""

    def __init__(self, program: Path):
        self._program = program
        self._child: subprocess.Popen[str] | None = None
        self._stopped = False

    def __call__(self, name: str, edition: int) -> str:
        """Make an edition; why it could not be made, empty where it could."""
        command = [sys.executable, str(self._program), "pack", name, "--edition", str(edition)]
        env = {key: value for key, value in os.environ.items() if key != PARENT}
        if self._stopped:
            return "bộ thu thập đang dừng"
        with subprocess.Popen(command, env=env, text=True, stderr=subprocess.PIPE) as self._child:
            try:
                _, said = self._child.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                self._child.kill()
                return f"vẽ quá {PATIENCE} giây"
        if self._child.returncode == 0:
            return ""
        return (said.strip() or "chương trình vẽ dừng")[-400:]

    def stop(self) -> None:
        """End what is being drawn; its slot is made after the next start."""
        self._stopped = True
        if self._child is not None and self._child.poll() is None:
            self._child.kill()
