"""How a subset is optimised: the loop, and a module for each objective."""
