"""What is done with trained nets: evaluate, export, dump predictions, walk from one to another."""
