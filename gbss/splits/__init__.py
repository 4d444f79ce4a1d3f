"""From an annotation file to image ids: which images are labeled, and which boxes training sees."""
