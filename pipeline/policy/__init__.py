"""What a policy says: manifests, selectors, conversion, order, revisions."""
