"""From observations to staged policies: learn, propose, score, render (DESIGN.md §6)."""
