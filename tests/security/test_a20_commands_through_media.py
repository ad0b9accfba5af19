"""A20: a caller names the NG port as his own in SDP, and speaks NG in what passes for RTP."""

import trio
from trio.testing import wait_all_tasks_blocked

from .hosts import open_socket, sdp

COMMAND = b"\x80\0\0\1\0\0\0\1\0\0\0\7 d7:call-id6:victim7:command6:deletee"
"""An RTP header without a space in it is a cookie too, and NG ignores what follows a dictionary."""


async def test_commands_that_come_through_a_call_are_not_obeyed(autojump_clock, daemon, client):
    await client.offer("victim", "alice", sdp("127.0.1.1", 4000))
    ng = daemon.ng_addresses[0]
    with open_socket("127.0.66.6") as attacker:
        offered = await client.offer("call-1", "mallory", sdp(ng.address, ng.port))
        await client.answer("call-1", "mallory", "accomplice", sdp("127.0.66.6", attacker.getsockname()[1]))
        port = int(offered.sdp.split("m=audio ")[1].split()[0])
        for _ in range(20):
            attacker.sendto(COMMAND, ("127.0.0.1", port))
            await trio.sleep(0.02)
        await wait_all_tasks_blocked()
    assert "victim" in [call.call_id for call in daemon.calls]
    statistics = await client.request({"command": "statistics"})
    assert statistics["statistics"]["controlstatistics"]["frommedia"] == 20
