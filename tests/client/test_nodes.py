import pytest

from karl_trio.client.nodes import TRANSITIONS, Node, NodeEvent, NodeState, NodeTable
from karl_trio.endpoint import Endpoint


def nodes(*states):
    return [
        Node(name, Endpoint("192.0.2.1", port), state)
        for port, (name, state) in enumerate(zip("abcdef", states, strict=False), start=1)
    ]


def plan(table, call_id=None):
    return [(step.node.name, step.attempts) for step in table.plan(call_id)]


def test_every_state_has_its_row_and_leads_only_to_states_with_one():
    assert set(TRANSITIONS) == set(NodeState)
    assert {state for row in TRANSITIONS.values() for state in row.values()} == set(NodeState)


def test_nodes_that_are_up_are_asked_in_order_and_those_that_are_down_last_and_once():
    table = NodeTable(nodes(NodeState.FAILED, NodeState.UP, NodeState.PROBING, NodeState.UP), attempts=3)
    assert plan(table) == [("b", 3), ("d", 3), ("a", 1), ("c", 1)]


def test_a_call_is_asked_of_the_node_that_took_it():
    table = NodeTable(nodes(NodeState.UP, NodeState.UP), attempts=2)
    table.remember("call", table.nodes[1])
    assert plan(table, "call") == [("b", 2), ("a", 2)]
    assert plan(table, "another call") == [("a", 2), ("b", 2)]


def test_a_call_whose_node_failed_is_asked_of_the_others_first():
    table = NodeTable(nodes(NodeState.UP, NodeState.UP), attempts=2)
    table.remember("call", table.nodes[1])
    table.nodes[1].on(NodeEvent.SILENT)
    assert plan(table, "call") == [("a", 2), ("b", 1)]


def test_the_least_recently_used_call_is_forgotten_first():
    table = NodeTable(nodes(NodeState.UP, NodeState.UP), attempts=1, max_calls=2)
    for call_id in ("one", "two"):
        table.remember(call_id, table.nodes[1])
    table.plan("one")
    table.remember("three", table.nodes[1])
    assert [table.holder(call_id) is None for call_id in ("one", "two", "three")] == [False, True, False]


def test_a_node_fails_once_and_comes_back_through_a_probe():
    (node,) = nodes(NodeState.UP)
    assert node.was_silent(since=10)
    assert node.state is NodeState.FAILED
    assert not node.was_silent(since=11)
    node.on(NodeEvent.PROBED)
    assert node.state is NodeState.PROBING
    node.was_silent(since=12)
    assert node.state is NodeState.FAILED
    node.on(NodeEvent.PROBED)
    node.heard(13)
    assert node.state is NodeState.UP


def test_a_node_that_answered_something_else_meanwhile_is_not_failed():
    (node,) = nodes(NodeState.UP)
    node.heard(10.5)
    assert not node.was_silent(since=10)
    assert node.state is NodeState.UP


def test_an_event_that_cannot_be_leaves_the_state_as_it_was():
    (node,) = nodes(NodeState.UP)
    with pytest.raises(ValueError, match="up cannot be probed"):
        node.on(NodeEvent.PROBED)
    assert node.state is NodeState.UP
