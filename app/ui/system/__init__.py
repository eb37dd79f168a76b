"""Qt and the operating system: application object, preferences, signals, error dialogs."""
