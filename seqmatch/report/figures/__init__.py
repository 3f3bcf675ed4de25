"""What people look at: figures drawn from tables and pixels, a module each. No torch, no GPU."""
