"""What policies decide: match tables, verdicts, traces."""
