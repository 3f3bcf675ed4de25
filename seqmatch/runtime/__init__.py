"""The process and its machine: device, memory, precision, compiler, progress, and a request to end."""
