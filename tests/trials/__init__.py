"""Long trials of what must hold at any moment; `make trials` prints what they found."""
