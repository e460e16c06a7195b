"""What RepSense can do on this machine: `make benchmark`, or `python -m benchmarks latency capacity …`."""
