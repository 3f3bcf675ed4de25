"""How networks learn: one loop for experts, teachers, evaluation and loss records."""
