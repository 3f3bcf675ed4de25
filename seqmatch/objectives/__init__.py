"""What one iteration of distillation asks of the synthetic images, whatever is matched: a module for each objective."""
