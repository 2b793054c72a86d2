"""Engine: variables, tasks, workers, storage; knows nothing of arrays or operators."""
