"""The main window: sidebar, menus, commands, and the dialogs before quitting."""
