"""What people look at: tables, figures and pages. No torch."""
