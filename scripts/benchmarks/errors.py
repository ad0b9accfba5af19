"""Why a measurement cannot be made."""

from __future__ import annotations


class MeasurementError(Exception):
    """Something that a measurement needs is missing; the text is one line for the person who asked."""
