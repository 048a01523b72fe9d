"""The words of the prompt."""

PROMPT = """\
A directed graph is given as a list of its edges, one on each line: `a -> b` is an edge from node a to node b. It is followed by an
operation. The last line of your answer must read

Final Answer: [node, node, ...]

with the nodes that the operation gives, in any order, or with empty brackets if it gives none.

For example, in the graph
qa01 -> qb02
qa01 -> qc03
qb02 -> qd04
qc03 -> qd04
the operation "{example_bfs}" gives
Final Answer: [qd04]
and the operation "{example_parents}" gives
Final Answer: [qb02, qc03]

The graph has these edges:
{edges}

Operation: {operation}"""

OPERATIONS = {
    "bfs": (
        "Search breadth-first from node {node}, and give the nodes at depth {depth}: those whose shortest way from it has exactly {depth} "
        "edges."
    ),
    "parents": "Give the parents of node {node}: all nodes with an edge to it.",
}
