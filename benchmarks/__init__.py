"""agentgraph beside a hand-written loop: ratios, measured side by side in one process."""
