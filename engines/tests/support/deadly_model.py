"""A model whose records end, crash or block the process, for the tests of what is found at the next start."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from typing import Any

from pydantic import BaseModel


class Order(BaseModel):
    """A record: a number, and what happens when it is scored."""

    id: int
    fate: str = "live"


class Deadly:
    """Returns the record, unless that says otherwise."""

    display_name = qualified_name = description = "deadly"
    version = "1"
    input_schema = output_schema = Order

    def predict(self, data: Any) -> Any:
        """Return a record, or end as it says."""
        match data.fate:
            case "exit":
                os._exit(0)
            case "crash":
                ctypes.string_at(0)
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "hang":
                time.sleep(1000)
            case "hold":  # without letting other threads run
                ctypes.PyDLL(None).sleep(1000)
        return data


class Other(Deadly):
    """The same under another name."""

    qualified_name = "other"
