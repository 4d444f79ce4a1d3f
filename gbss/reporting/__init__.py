"""Run records → tables and figures. No torch, no mm*."""
