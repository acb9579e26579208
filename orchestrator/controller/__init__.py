"""Turns observations into deeds: reconcile, for one job after another."""
