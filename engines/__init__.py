"""Scoring on engines that run on many machines. Each engine is a thin adapter around `shared.scoring`."""
