"""An NG client for Python programs under trio; see docs/client.md."""

from .client import NgClient
from .errors import ClientError, NoNodeAnswered, RequestFailed
from .nodes import Node, NodeState
from .replies import DeleteReply, ListedCall, Reply, SdpReply

__all__ = [
    "ClientError",
    "DeleteReply",
    "ListedCall",
    "NgClient",
    "NoNodeAnswered",
    "Node",
    "NodeState",
    "Reply",
    "RequestFailed",
    "SdpReply",
]
