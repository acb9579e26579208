"""What users write (the TensorFlowJob) and what we write back (its status)."""
