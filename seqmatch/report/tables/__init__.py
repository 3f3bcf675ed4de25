"""What people read: tables from accuracies and settings, a module each. Plain functions of data frames; no torch."""
