"""Tasks that ask for the state of an automaton (or of a stack) that the inputs move from state to state."""
