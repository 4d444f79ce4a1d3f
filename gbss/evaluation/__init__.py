"""Detections → AP per class → AP per group → the record of a run. No torch, no mm*."""
