"""The same call, with Kamailio asking its node over WebSocket, in the clear and over TLS."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme

from karl_trio.endpoint import Endpoint

from .calls import assert_relayed, parties
from .kamailio import kamailio
from .nodes import media_node
from .processes import LOOPBACK, free_port

pytestmark = pytest.mark.interop


@pytest.fixture(autouse=True)
def lwsc() -> None:
    """Skip without the module that Kamailio needs for it."""
    if not any(Path("/usr/lib").glob("*/kamailio/modules/lwsc.so")):
        pytest.skip("kamailio-lwsc-modules is not installed")


async def relay_a_call(directory: Path, nodes: str, *options: str) -> None:
    """Have a call set up by a Kamailio that asks `nodes`, which is a node with these options."""
    definitions = {"KARL_TRIO_NODES": f'"{nodes}"', "WITH_WEBSOCKET": "1"}
    async with (
        media_node(directory / "node.log", options=options) as node,
        kamailio([node], directory, **definitions) as proxy,
    ):
        async with parties(proxy, directory) as call:
            answered = await call.calling.event("answered", call.caller)
            assert answered.media in node.endpoints
            await call.caller.talk(answered.media, packets=50)
            await call.caller.hear(50)
            await call.calling.press(answered.call_id)
            await call.finish()
            assert_relayed(call.caller, call.callee, node.endpoints)
        await node.becomes_idle()


async def test_a_call_is_relayed_whose_requests_come_over_websocket(tmp_path: Path) -> None:
    http = Endpoint(LOOPBACK, free_port())
    await relay_a_call(tmp_path, f"ws://{http}", f"--listen-http={http}")


@pytest.mark.parametrize("signed_by", ["itself", "an authority that Kamailio is told of"])
async def test_a_call_is_relayed_whose_requests_come_over_tls(
    tmp_path: Path, signed_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, certificate = trustme.CA(), tmp_path / "server.pem"
    if signed_by == "itself":
        # An authority has a certificate that it signed itself.
        certificate.write_bytes(authority.private_key_pem.bytes() + authority.cert_pem.bytes())
    else:
        authority.issue_cert("another.example.net").private_key_and_cert_chain_pem.write_to_path(certificate)
        authority.cert_pem.write_to_path(tmp_path / "authority.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    https = Endpoint(LOOPBACK, free_port())
    await relay_a_call(tmp_path, f"wss://{https}", f"--listen-https={https}", f"--https-cert={certificate}")
