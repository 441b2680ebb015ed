"""What all engines share: options, pieces of inputs, scoring."""
