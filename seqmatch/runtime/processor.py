"""The processor's name. Imports no torch."""

import platform
import re
from pathlib import Path


def processor() -> str:
    """The processor's name, where the system tells it; else its kind."""
    about = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.+)", about.read_text("utf-8", "replace")) if about.is_file() else []
    return names[0] if names else platform.processor() or platform.machine()
