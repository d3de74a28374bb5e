"""One flow under one or two revisions: who took part, and why it is allowed or denied at each end."""
