"""What we promise of speed, measured: every figure of ours beside its floor, in one run."""
