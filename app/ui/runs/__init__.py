"""The runs: those that trained, train or wait; two and more of them compared."""
