"""``python -m intake_cvpilot``: the same as the command ``cvpilot``."""

from intake_cvpilot.command import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
