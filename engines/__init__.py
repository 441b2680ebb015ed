"""The same steps on engines that run on many machines. Each is a thin adapter around `shared.scoring`."""
