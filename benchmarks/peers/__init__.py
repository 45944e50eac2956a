"""Other frameworks at the same work. Each runs in a process of its own beside the bare loop, in a virtual environment that holds nothing of ours."""
