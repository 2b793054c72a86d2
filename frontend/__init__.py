"""What people call: ndarray, autograd, command line ..."""
