"""gbss: gradient-based sampling for class-imbalanced semi-supervised object detection."""

__version__ = "0.1.0"
