"""The pure core: plans what runs, judges what was observed, decides what to do. No I/O, no clock, no randomness."""
