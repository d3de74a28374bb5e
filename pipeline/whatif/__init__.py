"""What a change of policies would have done to recorded flows."""
