"""One run: pre-train a backbone, train with one seed, detect with the result."""
