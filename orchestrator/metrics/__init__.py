"""Training metrics: `store` folds what agents report and what the status records, `exporter` serves it."""
