"""Where work runs: in this process, on Ray, in a guarded child. The one place that knows Ray."""
