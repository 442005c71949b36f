"""Training: feeding a stack by its members' plans, and taking it through the stages."""
