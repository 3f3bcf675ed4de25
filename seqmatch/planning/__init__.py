"""Before anything runs: jobs, their cost, and the code that they depend on."""
