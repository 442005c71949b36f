"""What computes the losses and gradients of a stack; one backend per file."""
