"""Classification losses, one per file; torch alone. What they have in common: `base`."""
