"""Networks with int8 layers, for OpenVINO on a CPU."""
