"""Sequential Subset Matching for dataset distillation (Du, Shi, Zhou, NeurIPS 2023)."""
