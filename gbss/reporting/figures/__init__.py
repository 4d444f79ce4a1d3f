"""One file is one figure; each writes its numbers beside it."""
