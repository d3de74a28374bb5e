"""Flowtier's library: flows in, verdicts by tiered Calico policies out; no Faust, no event loop."""
