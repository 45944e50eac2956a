"""Small complete programs. Each prints what its `Expected:` block says; a test compares the two."""
