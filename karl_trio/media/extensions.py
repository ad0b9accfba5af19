"""Header extensions on the way to one leg: those that it was not told of are taken out of the packets."""

from __future__ import annotations

from collections.abc import Container, Sequence

from attrs import frozen

from karl_trio.rtp.extension import Element, has_extension, with_elements

from .sinks import Datagram, Sink


@frozen(eq=False)
class ExtensionFilter:
    """Stands before a stream and lets only the header extensions through that its leg has agreed to.

    It must get RTP in the clear only: SRTP authenticates the extension too.

    Attributes:
        sink: what gets the packets.
        keep: the identifiers of the elements that stay.
        add: elements that each packet is given.
    """

    sink: Sink
    keep: Container[int]
    add: Sequence[Element] = ()

    def send(self, datagram: Datagram) -> None:
        if self.add or has_extension(datagram):
            datagram = with_elements(datagram, self.keep, self.add)
        self.sink.send(datagram)
