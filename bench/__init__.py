"""Every figure about speed, measured by a command: `make bench`, or `python -m bench F1 F2 --json`."""
