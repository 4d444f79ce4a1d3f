"""From a row, a scale and a seed to one resolved mmengine configuration."""
