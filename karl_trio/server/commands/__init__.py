"""The handlers of NG commands; importing this package registers them all."""

from . import delete, offer_answer, overview, query, unsupported

__all__ = ["delete", "offer_answer", "overview", "query", "unsupported"]
