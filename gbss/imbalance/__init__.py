"""The method's mathematics, torch only: gradients → class weights → thresholds → re-sampling.

See README.md of this folder for every equation, the function that computes it and its test.
"""
