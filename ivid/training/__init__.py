"""Training the networks: configuration, tasks, the loop, optimisers, logs, and runs made into a model folder."""
