"""The handlers of NG commands; importing this package registers them all."""

from . import delete, offer_answer, overview, query

__all__ = ["delete", "offer_answer", "overview", "query"]
