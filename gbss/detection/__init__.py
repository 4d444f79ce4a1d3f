"""Adapters to mmdet: data loading, sampling, hooks and detectors. Thin on purpose."""

import contextlib
import io
import os
import warnings

# mmengine falls back to running the code in a checkpoint that does not load as data. Never: this
# holds for every torch.load of the process and its children.
os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"

with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
    # mmdet tells of optional packages that it misses and gbss does not use; users cannot do
    # anything about it.
    warnings.simplefilter("ignore")
    import mmdet.datasets
    import mmdet.engine
    import mmdet.evaluation
    import mmdet.models  # noqa: F401
