"""The example in docs/client.md works as it stands there."""

import re
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "client.md"


async def test_the_example_runs(clock, open_node, capsys):
    node = await open_node(lambda body: {"result": "ok", "sdp": f"{body.get('sdp')} rewritten", "created": 1})
    (code,) = re.findall(r"^```python\n(.*?)^```", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE)
    namespace = {}
    exec(compile(code, str(DOCUMENT), "exec"), namespace)
    reply = await namespace["relay_call"]([node.name], "SDP of the caller", "SDP of the callee")
    assert reply["created"] == 1
    assert node.commands == ["offer", "answer", "query", "delete"]
    assert capsys.readouterr().out.splitlines() == [
        "the callee gets SDP of the caller rewritten",
        "the caller gets SDP of the callee rewritten",
    ]
