"""What can happen in a topology, whatever a model does: the states that proofs walk, and what is always so when something happens."""
