"""Models, rules, and the steps that apply them to a batch; they know nothing of Bonobo."""
