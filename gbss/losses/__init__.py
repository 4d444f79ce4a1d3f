"""Classification losses, one per file, with mmdet's signature; torch alone."""
